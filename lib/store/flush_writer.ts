/**
 * Writes one flush in one transaction: ledger, plan check, COPY, rejects, COMMIT (design §4). The
 * first try assumes that all is well, and where there are only rows goes the direct way; a message
 * that the ledger knows or a row that PostgreSQL refuses rolls back and repeats with more care, at
 * most once each. Everything is in the transaction
 * or nothing is; an unknown commit is said to be unknown.
 */
import { StoreUnavailableError, TableUnavailableError } from "../errors.ts";
import { type MessageIdentity, storedNs } from "../ingest/delivery.ts";
import {
  ALONE,
  type Flush,
  type FlushOutcome,
  type FlushPace,
  type KnownMessage,
  type Reject,
} from "../ingest/ports.ts";
import type { TableDescription } from "../schema/table_description.ts";
import { copyRows } from "./copy_rows.ts";
import { directFlush, writeDirectly } from "./direct_flush.ts";
import { type Isolation, writeIsolated } from "./isolation.ts";
import { confirmStepsTexts, isTurnMissed, isUnconfirmed } from "./ledger_confirm.ts";
import { insertEntries, insertMissingEntries, isDuplicateEntry } from "./ledger_entries.ts";
import { groupBySource, type LedgerEntries } from "./ledger_groups.ts";
import { insertRejects, summarizeKnown } from "./rejects.ts";
import { type LockedRejects, lockReplayed, settleReplayed } from "./replayed_rejects.ts";
import { countRows, freshRanges, type RowRange } from "./row_ranges.ts";
import type { Session } from "./session.ts";
import type { SessionPool } from "./session_pool.ts";
import type { SourceIds } from "./source_ids.ts";
import type { SpanEnds } from "./span_ends.ts";
import { qualifiedName } from "./sql_text.ts";
import { StatementError, storeUnavailable, tableUnavailable } from "./statement_error.ts";
import { assertPlan, checkPlan, refusalOfKind } from "./table_reader.ts";
import { inTransaction, type TransactionTimeouts } from "./transaction.ts";
import { TryAgain } from "./try_again.ts";

/** How careful a try is. */
interface Care {
  /** The ledger is asked which messages it knows, instead of failing at the first. */
  readonly skipKnown: boolean;
  /** Rows are isolated, instead of sent as a whole. */
  readonly isolate: boolean;
}

/** The direct try, one step by step, one for each care: the last cannot fail for lack of care. */
const TRIES_MAX = 4;

type Committed = Extract<FlushOutcome, { kind: "committed" }>;

/** What writes flushes works with. */
export interface FlushWriterOptions {
  readonly pool: SessionPool;
  readonly timeouts: TransactionTimeouts;
  readonly sourceIds: SourceIds;
  readonly spanEnds: SpanEnds;
}

/** Writes flushes; see the top of this file. */
export class FlushWriter {
  readonly #pool: SessionPool;
  readonly #timeouts: TransactionTimeouts;
  readonly #sourceIds: SourceIds;
  readonly #spanEnds: SpanEnds;
  /** Sessions that met a ledger which may turn entries away: it has a trigger, for example. */
  readonly #withOtherLedger = new WeakSet<Session>();

  constructor({ pool, timeouts, sourceIds, spanEnds }: FlushWriterOptions) {
    this.#pool = pool;
    this.#timeouts = timeouts;
    this.#sourceIds = sourceIds;
    this.#spanEnds = spanEnds;
  }

  /** See {@linkcode TableStore.write}. */
  async write(flush: Flush, pace: FlushPace = ALONE): Promise<FlushOutcome> {
    const { table } = flush;
    if (table !== null) refuseOtherKinds(table);
    if (table === null && flush.rows.count > 0) {
      throw new TypeError("Cannot write rows without a table");
    }
    using lease = await this.#pool.acquire("flush");
    const { session } = lease;
    const ledger = await this.#groupMessages(session, flush);
    let care: Care = { skipKnown: false, isolate: false };
    let isDoubted = false;
    for (let tries = 1; tries <= TRIES_MAX; tries++) {
      try {
        const direct = tries === 1 ? directFlush(flush, ledger) : null;
        if (direct !== null) {
          const rowsWritten = await writeDirectly(session, direct, {
            timeouts: this.#timeouts,
            pace,
            isLedgerPlain: !this.#withOtherLedger.has(session),
            spanEnds: this.#spanEnds,
          });
          return { kind: "committed", rowsWritten, rejects: [], known: [], gone: [] };
        }
        if (!await pace.mayWrite) return { kind: "called-off" };
        const committed = await this.#tryOnce(session, flush, ledger, care);
        // All was as it was taken to be, so that only the ledger can have been the reason.
        if (isDoubted && !care.skipKnown) this.#withOtherLedger.add(session);
        return committed;
      } catch (error) {
        pace.onSetback();
        if (!(error instanceof TryAgain)) throw error;
        switch (error.why) {
          case "plan-stale":
          case "called-off":
            return { kind: error.why };
          case "known-messages":
            // A span that was refused may be one that the ledger does not allow any more.
            await this.#lookForSpans(session, ledger);
            care = { ...care, skipKnown: true };
            break;
          case "refused-rows":
            care = { ...care, isolate: true };
            break;
          case "ledger-not-plain":
            this.#withOtherLedger.add(session);
            break;
          case "look-closer":
            isDoubted = !await this.#lookForSpans(session, ledger);
            break;
        }
      }
    }
    throw new StoreUnavailableError("Cannot write the flush as other writers got in between");
  }

  /** True when spans reach further than was known, which is why the entries were doubted. */
  async #lookForSpans(session: Session, ledger: LedgerEntries): Promise<boolean> {
    try {
      return await this.#spanEnds.look(session, ledger);
    } catch (error) {
      throw storeUnavailable(error, "read the ledger");
    }
  }

  async #groupMessages(session: Session, flush: Flush): Promise<LedgerEntries> {
    try {
      const ledger = await groupBySource(session, this.#sourceIds, flush.messages.identities);
      return flush.usesLedger ? ledger : { ...ledger, bySource: [] };
    } catch (error) {
      throw storeUnavailable(error, "number a stream in the ledger");
    }
  }

  async #tryOnce(
    session: Session,
    flush: Flush,
    ledger: LedgerEntries,
    care: Care,
  ): Promise<Committed> {
    const known = new Set<number>();
    try {
      return await inTransaction(
        session,
        this.#timeouts,
        () => writeEverything(session, { flush, ledger, care, known }),
        () => confirmStepsTexts(ledger, known),
      );
    } catch (error) {
      // The steps translate their own errors: what is left came from BEGIN, COMMIT, or what goes with it.
      if (!(error instanceof StatementError)) throw error;
      if (isUnconfirmed(error)) throw new TryAgain("known-messages");
      if (isTurnMissed(error)) throw storeUnavailable(error, "confirm the ledger");
      // A deferred constraint speaks at COMMIT.
      if (error.kind === "data" && !care.isolate) throw new TryAgain("refused-rows");
      throw tableUnavailable(error, "commit the flush", flush.table?.name ?? "");
    }
  }
}

function refuseOtherKinds(table: TableDescription): void {
  const refusal = refusalOfKind(table.relationKind);
  if (refusal === null) return;
  throw new TableUnavailableError(`Cannot write ${table.name} as ${refusal}`, {
    table: table.name,
    kind: "refused",
  });
}

/** A try at a flush. */
interface Try {
  readonly flush: Flush;
  readonly ledger: LedgerEntries;
  readonly care: Care;
  /** Indexes of messages that the ledger knows, once it was asked. */
  readonly known: Set<number>;
}

/** The statements between BEGIN and COMMIT. */
async function writeEverything(
  session: Session,
  { flush, ledger, care, known: knownIndexes }: Try,
): Promise<Committed> {
  const replayed = await lockRejects(session, flush);
  for (const index of await writeLedger(session, ledger, care)) knownIndexes.add(index);
  const skipped = knownIndexes.union(replayed.gone);
  const ranges = freshRanges(flush.messages, skipped);
  const { table } = flush;
  let written: Isolation = { rowsWritten: 0, refused: [] };
  if (table !== null && countRows(ranges) > 0) {
    await lockAndCheck(session, table);
    written = await writeRows(session, table, flush, ranges, care);
  }
  const rejects = [
    ...freshRejects(flush, skipped),
    ...written.refused.map(({ row, refusal }) => flush.rejectRow(row, refusal)),
  ];
  const known = await writeRejects(session, ledger, rejects, knownIndexes);
  await settleRejects(session, replayed, rejects);
  const gone = [...replayed.gone].flatMap((index) => flush.messages.replays.get(index) ?? []);
  return { kind: "committed", rowsWritten: written.rowsWritten, rejects, known, gone };
}

async function writeLedger(
  session: Session,
  ledger: LedgerEntries,
  care: Care,
): Promise<ReadonlySet<number>> {
  try {
    if (care.skipKnown) return await insertMissingEntries(session, ledger);
    if (await insertEntries(session, ledger)) return new Set();
  } catch (error) {
    if (isDuplicateEntry(error)) throw new TryAgain("known-messages");
    throw storeUnavailable(error, "write the ledger");
  }
  throw new TryAgain("known-messages");
}

/**
 * Takes the lock that COPY would take, then looks whether the table is the one that was encoded for:
 * a plan gone stale can corrupt values without any error. From here on nobody can change it.
 */
async function lockAndCheck(session: Session, table: TableDescription): Promise<void> {
  try {
    await session.execute(`LOCK TABLE ${qualifiedName(table)} IN ROW EXCLUSIVE MODE`);
    assertPlan(table, await checkPlan(session, table));
  } catch (error) {
    if (error instanceof StatementError && error.kind === "schema") {
      throw new TryAgain("plan-stale"); // dropped, renamed, or a view by now
    }
    throw tableUnavailable(error, `lock ${table.name}`, table.name);
  }
}

/**
 * Behind the check a schema error comes from a trigger, default or generated column and means the
 * table as a whole; 22P02, 22P03 and 22003 are the data's, as the plan was checked under the lock.
 */
async function writeRows(
  session: Session,
  table: TableDescription,
  flush: Flush,
  ranges: readonly RowRange[],
  care: Care,
): Promise<Isolation> {
  const send = (part: readonly RowRange[]): Promise<number> =>
    copyRows(session, table, flush, part);
  try {
    if (!care.isolate) return { rowsWritten: await send(ranges), refused: [] };
    const writeRange = (range: RowRange): Promise<number> => send([range]);
    return await writeIsolated(session, { table: table.name, ranges, writeRows: writeRange });
  } catch (error) {
    if (error instanceof StatementError && error.kind === "data" && !care.isolate) {
      throw new TryAgain("refused-rows");
    }
    throw tableUnavailable(error, `write ${table.name}`, table.name);
  }
}

/** Rejects found by encoding, but those of messages that are skipped. */
function freshRejects(flush: Flush, skipped: ReadonlySet<number>): readonly Reject[] {
  if (skipped.size === 0) return flush.rejects;
  const { identities, replays } = flush.messages;
  const names = new Set(
    [...skipped].map((index) => nameOf(identities[index] ?? null, replays.get(index))),
  );
  return flush.rejects.filter(({ identity, replayOf }) => {
    const name = nameOf(identity, replayOf);
    return name === null || !names.has(name);
  });
}

function nameOf(identity: MessageIdentity | null, replayOf: string | undefined): string | null {
  if (identity === null) return replayOf ?? null;
  const { stream, created, consumer } = identity.origin;
  return JSON.stringify([stream, created, consumer, identity.sequence, storedNs(identity)]);
}

async function lockRejects(session: Session, flush: Flush): Promise<LockedRejects> {
  try {
    return await lockReplayed(session, flush.messages);
  } catch (error) {
    throw storeUnavailable(error, "lock rejects");
  }
}

async function settleRejects(
  session: Session,
  replayed: LockedRejects,
  rejects: readonly Reject[],
): Promise<void> {
  try {
    await settleReplayed(session, replayed, rejects);
  } catch (error) {
    throw storeUnavailable(error, "settle replayed rejects");
  }
}

async function writeRejects(
  session: Session,
  ledger: LedgerEntries,
  rejects: readonly Reject[],
  known: ReadonlySet<number>,
): Promise<readonly KnownMessage[]> {
  try {
    const fresh = rejects.filter(({ replayOf }) => replayOf === undefined);
    await insertRejects(session, fresh, ledger.sourceOf);
    return await summarizeKnown(session, ledger, known);
  } catch (error) {
    throw storeUnavailable(error, "keep rejects");
  }
}
