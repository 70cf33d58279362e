/**
 * Real PostgreSQL servers on free ports of the loopback address, for demo, tests and bench. Every
 * local connection is trusted, so they listen nowhere else. A server keeps its port and data over a
 * restart; a temporary data folder goes when it is disposed. As root they run as an unprivileged
 * user, because PostgreSQL refuses root.
 */
import { join } from "node:path";
import postgres from "postgres";
import { findPostgresBinaries, type PostgresVersion } from "./postgres_binaries.ts";
import {
  giveTo,
  removeFolder,
  type ServerProcess,
  startServerProcess,
  waitForSign,
} from "./server_process.ts";
import { runTool } from "./tool_command.ts";

/** What a PostgreSQL server is started with. */
export interface PostgresOptions {
  /** Major version; 18 when absent. */
  readonly version?: PostgresVersion;
  /** Data folder, kept at disposal, initialised when empty; a temporary one when absent. */
  readonly dataDir?: string;
  /** A free one when absent. */
  readonly port?: number;
  /** Server settings, for example `{ fsync: "off" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Lines put before the trusting ones of `pg_hba.conf`; the first that matches decides. */
  readonly hbaLines?: readonly string[];
}

/** How clients reach a PostgreSQL server. */
export interface PostgresAccess {
  readonly host: string;
  readonly port: number;
  /** The superuser, without a password. */
  readonly user: string;
  /** Connection URL; database `postgres` unless named. */
  url(database?: string): string;
  /** Connection in libpq keywords; database `postgres` unless named. */
  dsn(database?: string): string;
  /** Makes a database and returns its name; a name of its own unless named. */
  createDatabase(name?: string): Promise<string>;
}

/** A running PostgreSQL server. */
export interface PostgresServer extends PostgresAccess, AsyncDisposable {
  /** The postmaster's; changes with a restart. */
  readonly pid: number;
  readonly dataDir: string;
  readonly logFile: string;
  /** Sends the postmaster a signal; resolves at its end for SIGKILL and SIGQUIT, else at once. */
  kill(signal: Deno.Signal): Promise<void>;
  /** Stops it: `smart` waits for clients, `fast` (default) ends them, `immediate` is a crash. */
  stop(mode?: "smart" | "fast" | "immediate"): Promise<void>;
  /** Stops it (fast) if it runs, and starts it again on the same port and data. */
  restart(): Promise<void>;
}

interface PostgresPlace {
  readonly binFolder: string;
  /** Removed at disposal. */
  readonly temporary: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly settings: Readonly<Record<string, string>>;
  /** User that runs the server; undefined when it is our own. */
  readonly uid: number | undefined;
}

const HOST = "127.0.0.1";
const USER = "postgres";
/** `nobody` on Linux; owns nothing and has no password entry to maintain. */
const UNPRIVILEGED_UID = 65534;
const START_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 30_000;
/** Another process may take the free port before the server does. */
const PORT_TRIES = 5;
const STOP_SIGNALS = { smart: "SIGTERM", fast: "SIGINT", immediate: "SIGQUIT" } as const;

/** Starts a PostgreSQL server and waits until it accepts connections. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const binFolder = join(await findPostgresBinaries(options.version ?? "18"), "bin");
  const uid = Deno.uid() === 0 ? UNPRIVILEGED_UID : undefined;
  const temporary = await Deno.makeTempDir({ prefix: "state-tables-postgres-" });
  const place: PostgresPlace = {
    binFolder,
    temporary,
    dataDir: options.dataDir ?? join(temporary, "data"),
    logFile: join(temporary, "postgres.log"),
    settings: options.settings ?? {},
    uid,
  };
  try {
    await giveTo(uid, temporary);
    await ensureDataFolder(place, options.hbaLines ?? []);
    return postgresServer(place, await launchOnFreePort(place, options.port));
  } catch (error) {
    await removeFolder(temporary);
    throw error;
  }
}

/** Access to a server that another process of ours started on this machine. */
export function postgresAccess(port: number): PostgresAccess {
  const url = (database = "postgres"): string =>
    `postgresql://${USER}@${HOST}:${port}/${encodeURIComponent(database)}`;
  return {
    host: HOST,
    port,
    user: USER,
    url,
    dsn: (database = "postgres") =>
      `host=${HOST} port=${port} user=${USER} dbname=${database} sslmode=disable`,
    createDatabase: (name = `database_${crypto.randomUUID().replaceAll("-", "")}`) =>
      createDatabase(url(), name),
  };
}

function postgresServer(
  place: PostgresPlace,
  first: { process: ServerProcess; port: number },
): PostgresServer {
  const { port } = first;
  let process = first.process;
  return {
    ...postgresAccess(port),
    get pid(): number {
      return process.pid;
    },
    dataDir: place.dataDir,
    logFile: place.logFile,
    async kill(signal): Promise<void> {
      process.signal(signal);
      if (signal === "SIGKILL" || signal === "SIGQUIT") await process.ended;
    },
    stop: (mode = "fast") => process.end(STOP_SIGNALS[mode], STOP_GRACE_MS),
    async restart(): Promise<void> {
      await process.end("SIGINT", STOP_GRACE_MS);
      process = await launchPostgres(place, port);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await process.end("SIGQUIT", STOP_GRACE_MS);
      await removeFolder(place.temporary);
    },
  };
}

async function createDatabase(adminUrl: string, name: string): Promise<string> {
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    await sql`create database ${sql(name)}`;
    return name;
  } finally {
    await sql.end();
  }
}

async function ensureDataFolder(
  place: PostgresPlace,
  hbaLines: readonly string[],
): Promise<void> {
  await Deno.mkdir(place.dataDir, { recursive: true, mode: 0o700 });
  await giveTo(place.uid, place.dataDir);
  const isInitialised = await Deno.stat(join(place.dataDir, "PG_VERSION"))
    .then(() => true, () => false);
  if (!isInitialised) {
    const encoding = ["--locale=C", "--encoding=UTF8"];
    await runTool(
      join(place.binFolder, "initdb"),
      ["-D", place.dataDir, "-U", USER, "-A", "trust", "--no-sync", ...encoding],
      { cwd: place.temporary, uid: place.uid },
    );
  }
  if (hbaLines.length === 0) return;
  const hbaFile = join(place.dataDir, "pg_hba.conf");
  const trusting = await Deno.readTextFile(hbaFile);
  await Deno.writeTextFile(hbaFile, `${hbaLines.join("\n")}\n${trusting}`);
}

async function launchOnFreePort(
  place: PostgresPlace,
  wantedPort: number | undefined,
): Promise<{ process: ServerProcess; port: number }> {
  for (let tries = 1;; tries++) {
    const port = wantedPort ?? freePort();
    try {
      return { port, process: await launchPostgres(place, port) };
    } catch (error) {
      const isTaken = error instanceof Error && error.message.includes("could not bind");
      if (!isTaken || wantedPort !== undefined || tries === PORT_TRIES) throw error;
    }
  }
}

async function launchPostgres(place: PostgresPlace, port: number): Promise<ServerProcess> {
  const settings = {
    listen_addresses: HOST,
    port: String(port),
    unix_socket_directories: "",
    ...place.settings,
  };
  const pidFile = join(place.dataDir, "postmaster.pid");
  const process = startServerProcess({
    program: join(place.binFolder, "postgres"),
    args: ["-D", place.dataDir]
      .concat(Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])),
    cwd: place.temporary,
    logFile: place.logFile,
    uid: place.uid,
    env: { LC_ALL: "C", TZ: "UTC" },
    orphanSignal: "QUIT",
    temporaryFolder: place.temporary,
  });
  try {
    await waitForSign({
      server: process,
      name: "PostgreSQL",
      logFile: place.logFile,
      timeoutMs: START_TIMEOUT_MS,
      look: () => readReadiness(pidFile, process.pid),
    });
    return process;
  } catch (error) {
    await process.end("SIGQUIT", STOP_GRACE_MS);
    throw error;
  }
}

/**
 * The postmaster writes `ready` into line 8 of its pid file, `standby` when it may be read only; a
 * crash leaves an older file behind.
 */
async function readReadiness(pidFile: string, pid: number): Promise<true | null> {
  try {
    const lines = (await Deno.readTextFile(pidFile)).split("\n");
    const isUp = ["ready", "standby"].includes(lines[7]?.trim() ?? "");
    return lines[0] === String(pid) && isUp ? true : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: HOST, port: 0 });
  return listener.addr.port;
}
