/**
 * How far into a stream its messages may be written as spans (`source.span_end`). Spans are allowed
 * ahead of those that need them, in growing steps. Whoever writes single entries behind that end, which
 * is everybody where messages come one by one, has nothing to do with spans and pays nothing for them.
 *
 * The end is moved first, for all to see; whoever has entries and looks from then on, behind them,
 * confirms them (see ledger_confirm.ts). Those that looked before have a lock on the table of entries
 * until they end: whoever wants to write spans up to the new end waits for the last of them, and writes
 * entries meanwhile. Nobody else waits.
 */
import type { Clock } from "../clock.ts";
import type { LedgerEntries } from "./ledger_groups.ts";
import { lowestBySource } from "./ledger_looks.ts";
import type { Session } from "./session.ts";
import { integerArray, textArray } from "./sql_text.ts";
import { StatementError } from "./statement_error.ts";
import { rollBack } from "./transaction.ts";

/**
 * Sequences that the end is moved on by: at first as many as there are messages, then doubled each time,
 * up to this. Few flushes of single entries are to be found before it once a burst is over.
 */
const STEP_MAX = 131_072;

/** A stream that did not need it for so long begins with a small step again, in milliseconds. */
const STEP_FORGOTTEN_MS = 10_000;

/** Longest wait for the source's row, in milliseconds. */
const WAIT_MS = 50;

/** Not tried again for so long when that was in vain, in milliseconds. */
const PAUSE_MS = 1_000;

/** Sources remembered at most; a consumer has one, and a new one when it is remade. */
const SOURCES_MAX = 1_000;

interface SpanEnd {
  /** The end in the ledger is here, or further on. */
  announced: number;
  /** Nobody has entries up to here who does not know that spans may be there. */
  end: number;
  step: number;
  movedAtMs: number;
  /** Not to be moved before. */
  pausedUntilMs: number;
  isMoving: boolean;
  /** What has to end before spans may be written up to `end`; null when nothing is waited for. */
  waiting: { readonly end: number; readonly transactions: readonly string[] } | null;
}

/** A transaction that has entries. */
interface WritingRow {
  readonly name: string;
}

const LOOK = `SELECT s.id, coalesce(s.span_end, -1) AS "end" FROM state_tables.source s
  WHERE s.id = ANY ($1::int[])`;

/**
 * Transactions that have entries, by their virtual numbers, which are never used twice while the server
 * runs. Whoever inserts keeps this lock until its transaction ends.
 */
const WRITING = `SELECT l.virtualtransaction AS name FROM pg_catalog.pg_locks l
  WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted
    AND l.relation = 'state_tables.delivered'::regclass
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
      WHERE d.datname = pg_catalog.current_database())`;

const STILL_WRITING = `${WRITING} AND l.virtualtransaction = ANY ($1::text[])`;

/** See the top of this file. The ledger has the last word: what is known here may be out of date. */
export class SpanEnds {
  readonly #clock: Clock;
  readonly #ends = new Map<number, SpanEnd>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Spans may be where the messages are, so that their entries are to be confirmed. */
  reach(ledger: LedgerEntries): boolean {
    return lowestBySource(ledger).some(([source, lowest]) =>
      lowest <= (this.#ends.get(source)?.announced ?? -1)
    );
  }

  /**
   * Looks the ends up anew; true when spans reach further than was known. Outside of a transaction.
   *
   * @throws {StatementError} the ledger cannot be read
   */
  async look(session: Session, ledger: LedgerEntries): Promise<boolean> {
    const sources = integerArray(ledger.bySource.map(({ source }) => source));
    const rows = await session.query<{ id: number; end: string }>(LOOK, [sources]);
    let hasMoved = false;
    for (const { id, end } of rows) {
      const known = this.#of(id);
      hasMoved ||= Number(end) > known.announced;
      known.announced = Number(end);
      known.end = Math.min(known.end, known.announced);
      if ((known.waiting?.end ?? -1) > known.announced) known.waiting = null;
    }
    return hasMoved;
  }

  /**
   * Whether spans of so many messages may be written up to the sequence; has it allowed when not, for
   * later. Outside of a transaction.
   */
  async allow(
    session: Session,
    source: number,
    { sequence, messages }: { readonly sequence: number; readonly messages: number },
  ): Promise<boolean> {
    const known = this.#of(source);
    // Ahead of the need, so that nobody has to write entries meanwhile.
    const isFar = sequence + known.step / 2 <= known.end;
    const nowMs = this.#clock.monotonic();
    if (isFar || known.isMoving || nowMs < known.pausedUntilMs) return sequence <= known.end;
    known.isMoving = true;
    try {
      if (known.waiting === null) {
        const isLater = nowMs - known.movedAtMs > STEP_FORGOTTEN_MS;
        const step = Math.min(isLater ? messages : Math.max(known.step * 2, messages), STEP_MAX);
        await move(session, { source, end: sequence + step }, known);
        known.step = step;
        known.movedAtMs = nowMs;
      } else await lookAgain(session, known, known.waiting);
    } catch (error) {
      if (!(error instanceof StatementError)) throw error;
      await rollBack(session);
      known.pausedUntilMs = nowMs + PAUSE_MS;
    } finally {
      known.isMoving = false;
    }
    return sequence <= known.end;
  }

  #of(source: number): SpanEnd {
    const known = this.#ends.get(source);
    if (known !== undefined) return known;
    if (this.#ends.size >= SOURCES_MAX) this.#ends.clear();
    const fresh: SpanEnd = {
      announced: -1,
      end: -1,
      step: 0,
      movedAtMs: -Infinity,
      pausedUntilMs: -Infinity,
      isMoving: false,
      waiting: null,
    };
    this.#ends.set(source, fresh);
    return fresh;
  }
}

/** Says to all how far spans may be written, and looks who has entries and may not have heard of it. */
async function move(
  session: Session,
  { source, end }: { readonly source: number; readonly end: number },
  known: SpanEnd,
): Promise<void> {
  // Entries of this instance are confirmed from here on, before they would have to be.
  known.announced = Math.max(known.announced, end);
  await session.execute(moveText(source, end));
  wait(known, end, await session.query<WritingRow>(WRITING, []));
}

/** Which of those that are waited for are still there. */
async function lookAgain(
  session: Session,
  known: SpanEnd,
  { end, transactions }: NonNullable<SpanEnd["waiting"]>,
): Promise<void> {
  wait(known, end, await session.query<WritingRow>(STILL_WRITING, [textArray(transactions)]));
}

function wait(known: SpanEnd, end: number, writing: readonly WritingRow[]): void {
  known.announced = Math.max(known.announced, end);
  known.waiting = writing.length === 0
    ? null
    : { end, transactions: writing.map(({ name }) => name) };
  if (known.waiting === null) known.end = Math.max(known.end, end);
}

/** One simple query; the row may have moved on meanwhile, or be gone. */
function moveText(source: number, end: number): string {
  return [
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    `SET LOCAL lock_timeout = ${WAIT_MS}`,
    `UPDATE state_tables.source SET span_end = greatest(span_end, ${end}) WHERE id = ${source}`,
    "COMMIT",
  ].join(";\n");
}
