/**
 * One transaction on one session: begins with the settings that every transaction of ours has, ends
 * with COMMIT or ROLLBACK, and tells a commit that failed from one whose outcome nobody knows.
 * Settings are SET LOCAL, so that a pooler in transaction mode carries them nowhere; where none can be
 * in between, and for flushes, they are set once for the session.
 */
import { StoreUnavailableError } from "../errors.ts";
import type { Session } from "./session.ts";
import { StatementError } from "./statement_error.ts";

/** Server-side bounds of every transaction, in milliseconds. */
export interface TransactionTimeouts {
  /** Longest wait for any lock. */
  readonly lockMs: number;
  /** Longest statement. */
  readonly statementMs: number;
}

/** READ COMMITTED: a repeatable read fails on duplicates. */
const BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED";

/** The opening statements, sent as one. */
export function beginText(timeouts: TransactionTimeouts): string {
  return [BEGIN, ...settingTexts("SET LOCAL", timeouts)].join(";\n");
}

function settingTexts(
  set: "SET" | "SET LOCAL",
  { lockMs, statementMs }: TransactionTimeouts,
): string[] {
  return [
    `${set} synchronous_commit = on`,
    `${set} lock_timeout = ${Math.round(lockMs)}`,
    `${set} statement_timeout = ${Math.round(statementMs)}`,
    `${set} idle_in_transaction_session_timeout = ${Math.round(statementMs)}`,
  ];
}

/** What sessions have their settings from. */
const settled = new WeakMap<Session, TransactionTimeouts>();

/**
 * The opening statement of a flush: the settings are those of the session from its first flush on, as
 * four statements in each transaction cost more than BEGIN and COMMIT together.
 */
export async function beginFlushText(
  session: Session,
  timeouts: TransactionTimeouts,
): Promise<string> {
  if (!session.hasOwnServer) return beginText(timeouts);
  if (settled.get(session) !== timeouts) {
    await session.execute(settingTexts("SET", timeouts).join(";\n"));
    settled.set(session, timeouts);
  }
  return BEGIN;
}

/**
 * Runs `work` in a transaction and commits. Whatever `work` throws rolls everything back and is
 * thrown on.
 *
 * @param last statements that go together with COMMIT, so that what they lock is not held for as long
 *   as the program takes to say so: looked up once `work` is done. When one fails, nothing is committed
 * @throws {StatementError} PostgreSQL refused a statement, or the commit: nothing is durable
 * @throws {StoreUnavailableError} connection lost; `commitUnknown` when COMMIT had been sent
 */
export async function inTransaction<T>(
  session: Session,
  timeouts: TransactionTimeouts,
  work: () => Promise<T>,
  last: () => readonly string[] = () => [],
): Promise<T> {
  let result: T;
  try {
    await session.execute(beginText(timeouts));
    result = await work();
  } catch (error) {
    await rollBack(session);
    throw error;
  }
  await commit(session, last());
  return result;
}

async function commit(session: Session, last: readonly string[]): Promise<void> {
  let tag: string;
  try {
    tag = await session.execute([...last, "COMMIT"].join(";\n"));
  } catch (error) {
    if (error instanceof StoreUnavailableError) throw commitUnknown(error);
    // An error as the answer to COMMIT itself means that the transaction was rolled back.
    if (last.length > 0) await rollBack(session);
    throw error;
  }
  assertCommitted(tag);
}

/** The error when the connection was lost and COMMIT may have been carried out. */
export function commitUnknown(cause: StoreUnavailableError): StoreUnavailableError {
  return new StoreUnavailableError(
    "Cannot tell whether the transaction was committed as the connection was lost before the answer",
    { commitUnknown: true, cause },
  );
}

/**
 * A transaction that failed answers COMMIT with ROLLBACK and no error.
 *
 * @throws {StatementError} the tag is not COMMIT's
 */
export function assertCommitted(tag: string): void {
  if (tag === "COMMIT") return;
  throw new StatementError({
    message: `the transaction was rolled back instead of committed (${tag})`,
    sqlState: "25P02",
    schema: null,
    table: null,
    column: null,
    constraint: null,
  });
}

/** A session that cannot even roll back is of no use to anybody. */
export async function rollBack(session: Session): Promise<void> {
  if (session.isDead) return;
  try {
    await session.execute("ROLLBACK");
  } catch (error) {
    if (!(error instanceof StatementError || error instanceof StoreUnavailableError)) throw error;
    await session.destroy(); // the error that led here is the one to report
  }
}
