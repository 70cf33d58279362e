/**
 * Opens a session with the first server that will do: hosts in the order given, encryption as
 * `sslmode` says, `target_session_attrs` as libpq means it. It does not repeat; the pool's callers
 * do.
 */
import type { DatabaseTarget } from "../config/dsn.ts";
import { StoreUnavailableError } from "../errors.ts";
import type { SessionOptions } from "./client_options.ts";
import { Session } from "./session.ts";
import { type Encryption, encryptionTries, type ServerAddress, TlsFailure } from "./socket.ts";
import { StatementError } from "./statement_error.ts";

/** A database and the servers that may hold it. */
export interface ConnectionTarget extends SessionOptions {
  readonly hosts: DatabaseTarget["hosts"];
  readonly targetSessionAttributes: DatabaseTarget["targetSessionAttributes"];
}

interface ServerState {
  readonly standby: boolean;
  readonly read_only: string;
}

/** Asked first on each connection: it proves the login, too. */
const SERVER_STATE = `SELECT pg_catalog.pg_is_in_recovery() AS standby,
  pg_catalog.current_setting('transaction_read_only') AS read_only`;

/**
 * Opens a session.
 *
 * @throws {StoreUnavailableError} no server will do; says why for each, and nothing secret
 */
export async function openSession(target: ConnectionTarget): Promise<Session> {
  const failures: string[] = [];
  let sqlState: string | undefined;
  for (const address of target.hosts) {
    for (const encryption of encryptionTries(target.tls.mode)) {
      const outcome = await tryServer(address, encryption, target);
      if (outcome instanceof Session) return outcome;
      failures.push(outcome.reason);
      sqlState = outcome.sqlState;
      if (outcome.next === "fail") throw noServer(failures, sqlState);
      if (outcome.next === "next-host") break;
    }
  }
  throw noServer(failures, sqlState);
}

function noServer(failures: readonly string[], sqlState: string | undefined): Error {
  return new StoreUnavailableError([...new Set(failures)].join("; "), { sqlState });
}

interface Failure {
  readonly reason: string;
  readonly sqlState: string | undefined;
  readonly next: "next-encryption" | "next-host" | "fail";
}

async function tryServer(
  address: ServerAddress,
  encryption: Encryption,
  target: ConnectionTarget,
): Promise<Session | Failure> {
  const session = new Session(address, encryption, target);
  try {
    const [state] = await session.queryOnce<ServerState>(SERVER_STATE);
    if (state === undefined || suits(state, target.targetSessionAttributes)) return session;
    await session.close();
    return {
      reason: `Cannot use PostgreSQL at ${address.host}:${address.port} as it is not ` +
        `${target.targetSessionAttributes} (target_session_attrs)`,
      sqlState: undefined,
      next: "next-host",
    };
  } catch (error) {
    await session.destroy();
    return failureOf(error, address);
  }
}

function suits(state: ServerState, wanted: ConnectionTarget["targetSessionAttributes"]): boolean {
  switch (wanted) {
    case "any":
      return true;
    case "read-write":
      return state.read_only === "off";
    case "primary":
      return !state.standby;
  }
}

function failureOf(error: unknown, address: ServerAddress): Failure {
  if (error instanceof StatementError) {
    return {
      reason: `Cannot connect to PostgreSQL at ${address.host}:${address.port} as it says: ` +
        error.message,
      sqlState: error.sqlState,
      next: afterRefusal(error.sqlState),
    };
  }
  if (error instanceof TlsFailure) {
    return { reason: error.message, sqlState: undefined, next: "next-encryption" };
  }
  if (error instanceof StoreUnavailableError) {
    return { reason: error.message, sqlState: undefined, next: "next-host" };
  }
  throw error;
}

function afterRefusal(sqlState: string): Failure["next"] {
  switch (sqlState) {
    case "28000": // pg_hba.conf may take this user with, or without, TLS only
      return "next-encryption";
    case "57P03": // cannot_connect_now: starting or stopping
    case "53300": // too_many_connections
      return "next-host";
    default: // the same on every host: password, database, parameters
      return "fail";
  }
}
