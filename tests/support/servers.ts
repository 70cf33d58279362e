/**
 * What integration tests need of real servers: a PostgreSQL and a nats-server shared by all tests
 * of a run, a database of their own for each test, names that never meet, and one way to wait.
 * Servers that a test stops or kills are its own: `dev/servers/` starts
 * those, and has the catalog's tables.
 */
import postgres from "postgres";
import { type NatsServer, startNats } from "../../dev/servers/nats_server.ts";
import type { PostgresVersion } from "../../dev/servers/postgres_binaries.ts";
import {
  type PostgresAccess,
  postgresAccess,
  startPostgres,
} from "../../dev/servers/postgres_server.ts";

/** A PostgreSQL server that nobody stops. */
export type SharedPostgres = PostgresAccess;

/** A nats-server that nobody stops. */
export type SharedNats = Pick<NatsServer, "url" | "port" | "websocketUrl">;

/** Servers that the test runner started for all test files, as it hands them over. */
export interface RunnerServers {
  readonly postgresPort: number;
  readonly nats: SharedNats;
}

/** The variable in which it does, as JSON. Without it each test file has servers of its own. */
export const RUNNER_SERVERS_VARIABLE = "STATE_TABLES_TEST_SERVERS";

/** Settings of PostgreSQL servers in tests: quick, and roomy enough for parallel test files. */
export const TEST_POSTGRES_SETTINGS = {
  fsync: "off",
  max_connections: "300",
  shared_buffers: "64MB",
} as const;

const postgresServers = new Map<string, Promise<SharedPostgres>>();
const natsServers = new Map<string, Promise<SharedNats>>();

/**
 * The PostgreSQL server that tests share. Await it at the top of a test file, outside of the tests,
 * or the sanitizers take the server for a leak of the first test. It ends with the test run.
 */
export function sharedPostgres(version: PostgresVersion = "18"): Promise<SharedPostgres> {
  return shareOnce(postgresServers, version, async () => {
    const runner = runnerServers();
    if (runner !== null && version === "18") return postgresAccess(runner.postgresPort);
    return await startPostgres({ version, settings: TEST_POSTGRES_SETTINGS });
  });
}

/**
 * The nats-server that tests share, WebSocket on. Await it at the top of a test file, outside of
 * the tests. It ends with the test run.
 *
 * @param version exactly this version; without one a recent one
 */
export function sharedNats(version?: string): Promise<SharedNats> {
  return shareOnce(natsServers, version ?? "", async () => {
    const runner = runnerServers();
    if (version !== undefined) return await startNats({ version, websocket: true });
    return runner?.nats ?? await startNats({ websocket: true });
  });
}

function runnerServers(): RunnerServers | null {
  const text = Deno.env.get(RUNNER_SERVERS_VARIABLE);
  return text === undefined ? null : JSON.parse(text) as RunnerServers;
}

function shareOnce<T>(
  servers: Map<string, Promise<T>>,
  key: string,
  start: () => Promise<T>,
): Promise<T> {
  const known = servers.get(key);
  if (known !== undefined) return known;
  const started = start();
  servers.set(key, started);
  return started;
}

/** A database of one test; disposing it ends its client and drops it. */
export interface FreshDatabase extends AsyncDisposable {
  readonly name: string;
  /** Connection in libpq keywords. */
  readonly dsn: string;
  readonly url: string;
  /** A client of its own with up to four connections. */
  readonly sql: postgres.Sql;
}

/** Makes an empty database on a shared server, the current version's unless given. */
export async function freshDatabase(server?: SharedPostgres): Promise<FreshDatabase> {
  const host = server ?? await sharedPostgres();
  const name = await host.createDatabase(uniqueName("test"));
  const url = host.url(name);
  const sql = postgres(url, { max: 4, onnotice: () => {} });
  return {
    name,
    dsn: host.dsn(name),
    url,
    sql,
    async [Symbol.asyncDispose](): Promise<void> {
      await sql.end({ timeout: 1 });
      const admin = postgres(host.url(), { max: 1, onnotice: () => {} });
      await admin`drop database if exists ${admin(name)} with (force)`;
      await admin.end();
    },
  };
}

/** A name that no other test uses: letters, digits and underscores, fit for streams and tables. */
export function uniqueName(prefix: string): string {
  return `${prefix}_${crypto.randomUUID().slice(0, 13).replace("-", "")}`;
}

/** What a condition gives while it does not hold. */
type NotYet = null | undefined | false;

/**
 * Looks every few milliseconds until `condition` holds, and returns what it gave. A condition that
 * throws fails the wait at once.
 */
export async function waitFor<T>(
  condition: () => T | NotYet | Promise<T | NotYet>,
  { what, timeoutMs = 10_000 }: { readonly what: string; readonly timeoutMs?: number },
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let pauseMs = 2;
  for (;;) {
    const found = await condition();
    if (found !== null && found !== undefined && found !== false) return found;
    if (performance.now() > deadline) {
      throw new Error(`Waited ${timeoutMs} ms in vain for ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(pauseMs * 2, 50);
  }
}
