/**
 * How far into a stream its messages may be written as ranges (`source.range_end`). Ranges are allowed
 * ahead of those that need them, in growing steps. Whoever writes single entries behind that end, which
 * is everybody where no table has many messages in a row, has nothing to do with ranges and pays
 * nothing for them.
 *
 * The end is moved while nobody has entries in an open transaction: a LOCK TABLE in SHARE mode waits
 * for those that have, and holds up those to come. So each of them either committed before, and is
 * seen by whoever writes a range, or looks at the new end, behind its entries. The wait is short: where
 * it is in vain, entries are written for a while.
 */
import type { Clock } from "../clock.ts";
import type { LedgerEntries } from "./ledger_groups.ts";
import { lowestBySource } from "./ledger_looks.ts";
import type { Session } from "./session.ts";
import { integerArray } from "./sql_text.ts";
import { StatementError } from "./statement_error.ts";
import { rollBack } from "./transaction.ts";

/**
 * Sequences that the end is moved on by: at first as many as there are messages, then doubled each time,
 * up to this. Few flushes of single entries are to be found before it once a burst is over.
 */
const STEP_MAX = 131_072;

/** A stream that did not need it for so long begins with a small step again, in milliseconds. */
const STEP_FORGOTTEN_MS = 10_000;

/** Longest wait for open transactions with entries, in milliseconds: all that come wait, too. */
const WAIT_MS = 50;

/** Not tried again for so long when that was in vain, in milliseconds: doubled each time, up to the last. */
const PAUSE_MIN_MS = 250;
const PAUSE_MAX_MS = 16_000;

/** Sources remembered at most; a consumer has one, and a new one when it is remade. */
const SOURCES_MAX = 1_000;

interface RangeEnd {
  /** The end in the ledger is here, or further on. */
  end: number;
  step: number;
  movedAtMs: number;
  /** Not to be moved before. */
  pausedUntilMs: number;
  pauseMs: number;
}

const LOOK = `SELECT s.id, coalesce(s.range_end, -1) AS "end" FROM state_tables.source s
  WHERE s.id = ANY ($1::int[])`;

/** See the top of this file. The ledger has the last word: what is known here may be out of date. */
export class RangeEnds {
  readonly #clock: Clock;
  readonly #ends = new Map<number, RangeEnd>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ranges may be where the messages are, so that their entries are to be confirmed. */
  reach(ledger: LedgerEntries): boolean {
    return lowestBySource(ledger).some(([source, lowest]) =>
      lowest <= (this.#ends.get(source)?.end ?? -1)
    );
  }

  /**
   * Looks the ends up anew; true when ranges reach further than was known. Outside of a transaction.
   *
   * @throws {StatementError} the ledger cannot be read
   */
  async look(session: Session, ledger: LedgerEntries): Promise<boolean> {
    const sources = integerArray(ledger.bySource.map(({ source }) => source));
    const rows = await session.query<{ id: number; end: string }>(LOOK, [sources]);
    let hasMoved = false;
    for (const { id, end } of rows) {
      const known = this.#of(id);
      hasMoved ||= Number(end) > known.end;
      known.end = Number(end);
    }
    return hasMoved;
  }

  /**
   * Has ranges of so many messages allowed up to the sequence, if that is to be had soon; false when
   * not. Outside of a transaction.
   */
  async allow(
    session: Session,
    source: number,
    { sequence, messages }: { readonly sequence: number; readonly messages: number },
  ): Promise<boolean> {
    const known = this.#of(source);
    if (sequence <= known.end) return true;
    const nowMs = this.#clock.monotonic();
    if (nowMs < known.pausedUntilMs) return false;
    const isLater = nowMs - known.movedAtMs > STEP_FORGOTTEN_MS;
    const step = Math.min(isLater ? messages : Math.max(known.step * 2, messages), STEP_MAX);
    try {
      await session.execute(moveText(source, sequence + step));
    } catch (error) {
      if (!(error instanceof StatementError)) throw error;
      await rollBack(session);
      known.pausedUntilMs = nowMs + known.pauseMs;
      known.pauseMs = Math.min(known.pauseMs * 2, PAUSE_MAX_MS);
      return false;
    }
    known.end = Math.max(known.end, sequence + step);
    known.step = step;
    known.movedAtMs = nowMs;
    known.pauseMs = PAUSE_MIN_MS;
    return true;
  }

  #of(source: number): RangeEnd {
    const known = this.#ends.get(source);
    if (known !== undefined) return known;
    if (this.#ends.size >= SOURCES_MAX) this.#ends.clear();
    const fresh = {
      end: -1,
      step: 0,
      movedAtMs: -Infinity,
      pausedUntilMs: -Infinity,
      pauseMs: PAUSE_MIN_MS,
    };
    this.#ends.set(source, fresh);
    return fresh;
  }
}

/** One simple query; the row may have moved on meanwhile, or be gone. */
function moveText(source: number, end: number): string {
  return [
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    `SET LOCAL lock_timeout = ${WAIT_MS}`,
    "LOCK TABLE state_tables.delivered IN SHARE MODE",
    `UPDATE state_tables.source SET range_end = greatest(range_end, ${end}) WHERE id = ${source}`,
    "COMMIT",
  ].join(";\n");
}
