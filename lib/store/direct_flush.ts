/**
 * The first try at a flush, in two round trips: everything from BEGIN to COMMIT is one simple query,
 * of which the server does the part before the data, waits for the data, and does the rest. What the
 * statements before COPY answer is read before any data is sent; if it is not as it should be, the
 * COPY is called off and the server carries out nothing behind it. The statements and their order are
 * those of the flush writer, to which everything unusual is left.
 */
import { StoreUnavailableError } from "../errors.ts";
import type { Flush, FlushPace } from "../ingest/ports.ts";
import type { TableDescription } from "../schema/table_description.ts";
import { copyBytes, copyText } from "./copy_rows.ts";
import {
  type CountedEntries,
  countedInsertText,
  isLedgerConflict,
  type LedgerEntries,
  lowestOf,
} from "./ledger_entries.ts";
import type { Session } from "./session.ts";
import { qualifiedName } from "./sql_text.ts";
import { StatementError, storeUnavailable, tableUnavailable } from "./statement_error.ts";
import { assertPlan, checkPlanText, type PlanAndPrunedCheck } from "./table_reader.ts";
import {
  assertCommitted,
  beginText,
  commitUnknown,
  rollBack,
  type TransactionTimeouts,
} from "./transaction.ts";
import { TryAgain } from "./try_again.ts";

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
  if (messages.some(({ replayOf }) => replayOf !== undefined)) return null;
  return { flush, table, columns: run.columns, ledger };
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
  { timeouts, pace }: { readonly timeouts: TransactionTimeouts; readonly pace: FlushPace },
): Promise<number> {
  const answers: unknown[] = [];
  let isEndSent = false;
  try {
    const text = await queryText(session, direct, timeouts);
    const { flush } = direct;
    const rows = copyBytes(flush, [{ from: 0, to: flush.rows.count }]);
    const result = await session.copyAmong(text, rows, {
      onRow: (row) => answers.push(row),
      onReady: async () => {
        assertAnswers(direct, answers);
        if (!await pace.mayWrite) throw new TryAgain("called-off");
      },
      onEnd: () => {
        isEndSent = true;
        pace.onSent();
      },
    });
    assertCommitted(result.tag);
    return result.rows;
  } catch (error) {
    await rollBack(session);
    if (error instanceof StoreUnavailableError && isEndSent) throw commitUnknown(error);
    throw error instanceof StatementError ? translated(error, direct, answers) : error;
  }
}

async function queryText(
  session: Session,
  { flush, table, columns, ledger }: DirectFlush,
  timeouts: TransactionTimeouts,
): Promise<string> {
  const statements = [beginText(timeouts)];
  for (const group of ledger.bySource) statements.push(await countedInsertText(session, group));
  statements.push(
    `LOCK TABLE ${qualifiedName(table)} IN ROW EXCLUSIVE MODE`,
    await checkPlanText(session, table, lowestOf(ledger)),
    copyText(table, flush, columns),
    "COMMIT",
  );
  return statements.join(";\n");
}

/** What the statements before COPY answer: a row for each group of the ledger, then the plan check. */
function assertAnswers({ table, ledger }: DirectFlush, answers: readonly unknown[]): void {
  for (const [index, { entries }] of ledger.bySource.entries()) {
    // See COUNTED_INSERT: the row is what that statement selects.
    const counted = answers[index] as CountedEntries | undefined;
    if (counted?.entries !== entries.length) throw new TryAgain("known-messages");
  }
  // See CHECK_PLAN_AND_PRUNED: the row is what that statement selects.
  const check = answers[ledger.bySource.length] as PlanAndPrunedCheck | undefined;
  assertPlan(table, check ?? null);
  if (check?.mayBePruned !== false) throw new TryAgain("known-messages");
}

/** By the number of answers it is known how far the server had come. */
function translated(
  error: StatementError,
  direct: DirectFlush,
  answers: readonly unknown[],
): unknown {
  const { table, ledger } = direct;
  if (answers.length < ledger.bySource.length) {
    return isLedgerConflict(error)
      ? new TryAgain("known-messages")
      : storeUnavailable(error, "write the ledger");
  }
  if (answers.length === ledger.bySource.length) {
    return error.kind === "schema"
      ? new TryAgain("plan-stale") // dropped, renamed, or a view by now
      : tableUnavailable(error, `lock ${table.name}`, table.name);
  }
  try {
    assertAnswers(direct, answers);
  } catch (mismatch) {
    return mismatch; // it is why COPY was refused
  }
  // A deferred constraint speaks at COMMIT, all others before.
  if (error.kind === "data") return new TryAgain("refused-rows");
  return tableUnavailable(error, `write ${table.name}`, table.name);
}
