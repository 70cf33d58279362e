/**
 * A connection beside the pool's, for one piece of work that takes minutes and runs outside of any
 * transaction: a pool of one would keep flushes waiting. Its settings are the session's, which a
 * pooler in transaction mode would carry to others: not to be used behind one.
 */
import type { Clock } from "../clock.ts";
import type { Session } from "./session.ts";
import { StatementError } from "./statement_error.ts";

/** PostgreSQL ends the statement this soon after the connection is lost. */
const CONNECTION_CHECK_MS = 2_000;

/** How the connection is made and when it ends. */
export interface OwnSessionOptions {
  /** Opens a connection outside of the pool. */
  readonly open: () => Promise<Session>;
  readonly clock: Clock;
  /** Ends the connection and so the statement under way. */
  readonly signal: AbortSignal;
  /** Longest statement, in milliseconds; PostgreSQL ends it. */
  readonly statementMs: number;
  /** Longest use of the connection, in milliseconds; it is given up then. */
  readonly sessionMs: number;
}

/**
 * Does the work on a connection that is opened for it, and closes that.
 *
 * @throws {StatementError} PostgreSQL refused a statement
 * @throws {StoreUnavailableError} no connection, or it was lost or given up
 * @throws the signal's reason, when it was aborted before the work began
 */
export async function withOwnSession(
  { open, clock, signal, statementMs, sessionMs }: OwnSessionOptions,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  signal.throwIfAborted();
  const session = await open();
  const end = (): void => void session.destroy();
  const timer = new AbortController();
  signal.addEventListener("abort", end);
  clock.delay(sessionMs, timer.signal).then(end, () => {}); // aborted: ended in time
  try {
    signal.throwIfAborted();
    await session.execute(`SET statement_timeout = ${statementMs}`);
    await endWithClient(session);
    await work(session);
  } finally {
    timer.abort();
    signal.removeEventListener("abort", end);
    await session.close();
  }
}

async function endWithClient(session: Session): Promise<void> {
  try {
    await session.execute(`SET client_connection_check_interval = ${CONNECTION_CHECK_MS}`);
  } catch (error) {
    // Only some systems have it; elsewhere a statement that we gave up just goes on.
    if (!(error instanceof StatementError)) throw error;
  }
}
