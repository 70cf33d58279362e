/**
 * The first try at a flush: everything from BEGIN to COMMIT is one simple query, of which the server
 * does the part before the data, waits for the data, and does the rest. What has to hold makes its
 * statement fail where it does not, and the server carries out nothing behind it. So entries of the
 * ledger and few rows can go out with the query, in one round trip; many rows, or those that have to
 * wait for the flush before, are sent when the server asks for them. The statements and their order
 * are those of the flush writer, to which everything unusual is left.
 */
import { StoreUnavailableError } from "../errors.ts";
import type { Flush, FlushPace } from "../ingest/ports.ts";
import type { TableDescription } from "../schema/table_description.ts";
import { copyBytes, copyText } from "./copy_rows.ts";
import { ANSWERS_BEFORE_LOOKS, type Confirmation } from "./ledger_confirm.ts";
import { isLedgerConflict } from "./ledger_entries.ts";
import type { LedgerEntries } from "./ledger_groups.ts";
import { isLedgerRefusal, ledgerWriting } from "./ledger_writing.ts";
import type { Session } from "./session.ts";
import type { SpanEnds } from "./span_ends.ts";
import { FAILED_CONDITION, qualifiedName } from "./sql_text.ts";
import { StatementError, storeUnavailable, tableUnavailable } from "./statement_error.ts";
import { assertPlanText } from "./table_reader.ts";
import {
  assertCommitted,
  beginFlushText,
  commitUnknown,
  rollBack,
  type TransactionTimeouts,
} from "./transaction.ts";
import { TryAgain } from "./try_again.ts";

/** Bytes of rows that are sent in one write, with the query or with their end, at most. */
const LITTLE_BYTES_MAX = 64 * 1_024;

/** A flush that can be written directly. */
export interface DirectFlush {
  readonly flush: Flush;
  readonly table: TableDescription;
  readonly columns: readonly string[];
  readonly ledger: LedgerEntries;
}

/**
 * The flush as one that can be written directly: all rows by one COPY, and nothing beside them. Null
 * when it cannot.
 */
export function directFlush(flush: Flush, ledger: LedgerEntries): DirectFlush | null {
  const { table, runs, rejects, messages } = flush;
  const [run] = runs;
  if (table === null || run === undefined || runs.length > 1) return null;
  if (run.columns.length === 0 || rejects.length > 0) return null;
  if (messages.replays.size > 0) return null;
  return { flush, table, columns: run.columns, ledger };
}

/** How a flush is written directly. */
export interface DirectWay {
  readonly timeouts: TransactionTimeouts;
  readonly pace: FlushPace;
  /** As far as is known the ledger keeps whatever is put into it. */
  readonly isLedgerPlain: boolean;
  readonly spanEnds: SpanEnds;
}

/**
 * Writes it in a transaction; resolves to the number of rows once that is committed.
 *
 * @throws {TryAgain} nothing was written, for a reason that has a remedy
 * @throws {TableUnavailableError} nothing was written: the table is locked, or refuses as a whole
 * @throws {StoreUnavailableError} nothing was written, or `commitUnknown`
 */
export async function writeDirectly(
  session: Session,
  direct: DirectFlush,
  { timeouts, pace, isLedgerPlain, spanEnds }: DirectWay,
): Promise<number> {
  const { flush, ledger } = direct;
  let entries: readonly Uint8Array[] = [];
  let confirmation: Confirmation | null = null;
  // What fails before the query is sent is the ledger's, whose statements are prepared.
  let ledgerAnswers = 1;
  let answers = 0;
  let isEndSent = false;
  const onRow = (): void => {
    answers++;
  };
  const onEnd = (): void => {
    isEndSent = true;
    pace.onSent();
  };
  const onReady = async (): Promise<void> => {
    if (!await pace.mayWrite) throw new TryAgain("called-off");
  };
  try {
    const writing = await ledgerWriting(session, ledger, {
      isLedgerPlain,
      mayBeFew: isLedgerPlain,
      spanEnds,
    });
    const { areCounted } = writing;
    ({ copies: entries, confirmation, answers: ledgerAnswers } = writing);
    const areConfirmed = confirmation !== null;
    const look = { ledger, areCounted, areConfirmed };
    const assertPlan = await assertPlanText(session, direct.table, look);
    const begin = await beginFlushText(session, timeouts);
    const confirm = confirmation?.texts ?? [];
    const text = queryText(direct, { begin, writeEntries: writing.texts, assertPlan, confirm });
    const rows = copyBytes(flush, [{ from: 0, to: flush.rows.count }]);
    const areAhead = session.maySendAhead && !pace.follows && isLittle(flush);
    const steps = { onRow, onReady, onEnd };
    const ahead = [...entries.map((data) => [data]), ...areAhead ? [rows] : []];
    if (isLittle(flush)) {
      const behind = areAhead ? [] : [rows];
      const { rows: counts, tag } = await session.copyLittle({ text, ahead, behind }, steps);
      assertCommitted(tag);
      return counts.at(-1) ?? 0;
    }
    const result = await session.copyAmong(text, rows, steps, ahead);
    assertCommitted(result.tag);
    return result.rows;
  } catch (error) {
    await rollBack(session);
    if (error instanceof StoreUnavailableError && isEndSent) throw commitUnknown(error);
    if (!(error instanceof StatementError)) throw error;
    throw entries.length > 0 && answers === 0 && isLedgerRefusal(error)
      ? new TryAgain("ledger-not-plain")
      : translated(error, direct, { answers: answers - ledgerAnswers, confirmation });
  }
}

/** Little enough to be copied, and sent before it is known whether it will be taken. */
function isLittle({ rows }: Flush): boolean {
  return (rows.ends[rows.count - 1] ?? 0) <= LITTLE_BYTES_MAX;
}

function queryText(
  { flush, table, columns }: DirectFlush,
  { begin, writeEntries, assertPlan, confirm }: {
    readonly begin: string;
    readonly writeEntries: readonly string[];
    readonly assertPlan: string;
    readonly confirm: readonly string[];
  },
): string {
  return [
    begin,
    ...writeEntries,
    `LOCK TABLE ${qualifiedName(table)} IN ROW EXCLUSIVE MODE`,
    assertPlan,
    copyText(table, flush, columns),
    ...confirm,
    "COMMIT",
  ].join(";\n");
}

/**
 * By the number of answers it is known how far the server had come.
 *
 * @param progress.answers from behind the ledger's on; below 0 in front of that
 */
function translated(
  error: StatementError,
  { table }: DirectFlush,
  { answers, confirmation }: {
    readonly answers: number;
    readonly confirmation: Confirmation | null;
  },
): unknown {
  if (answers < 0) {
    return isLedgerConflict(error)
      ? new TryAgain("known-messages")
      : storeUnavailable(error, "write the ledger");
  }
  if (answers === 0) {
    if (error.sqlState === FAILED_CONDITION) return new TryAgain("look-closer");
    return error.kind === "schema"
      ? new TryAgain("plan-stale") // dropped, renamed, or a view by now
      : tableUnavailable(error, `lock ${table.name}`, table.name);
  }
  const confirmed = answers - 1;
  if (confirmation !== null && confirmed > 0 && confirmed < confirmation.answers) {
    return confirmed >= ANSWERS_BEFORE_LOOKS && error.sqlState === FAILED_CONDITION
      ? new TryAgain("known-messages")
      : storeUnavailable(error, "confirm the ledger");
  }
  // A deferred constraint speaks at COMMIT, all others before.
  if (error.kind === "data") return new TryAgain("refused-rows");
  return tableUnavailable(error, `write ${table.name}`, table.name);
}
