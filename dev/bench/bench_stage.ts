/**
 * The ground that all workloads stand on: one PostgreSQL and one nats-server of the bench's own, both
 * with durable writes, a connection to each, and a folder for data files.
 */
import { join } from "node:path";
import postgres from "postgres";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { type NatsServer, startNats } from "../servers/nats_server.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres_server.ts";
import { removeFolder } from "../servers/server_process.ts";
import { runTool, ToolCommandError } from "../servers/tool_command.ts";
import type { FilledStream } from "./filled_stream.ts";

/** The servers and what is open on them. */
export interface BenchStage {
  readonly nats: NatsServer;
  readonly postgres: PostgresServer;
  /** To the database `postgres`, where the yardsticks' tables are. */
  readonly sql: postgres.Sql;
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly folder: string;
  /** psql's version, or null when it is not installed. */
  readonly psqlVersion: string | null;
  /** Streams that are filled already, by name: workloads share them. */
  readonly streams: Map<string, Promise<FilledStream>>;
  /** Makes a database that stays until {@linkcode dropDatabases}; resolves to its name. */
  readonly createDatabase: () => Promise<string>;
  /**
   * Drops the databases. Between workloads, not between what is measured in turn: a file system may
   * take long to find room for new files where thousands were deleted a moment ago, and the next
   * program's tables would pay for the last one's.
   */
  readonly dropDatabases: () => Promise<void>;
}

/**
 * Durability is PostgreSQL's default and stays. Checkpoints come between the runs, where the bench
 * asks for them, and autovacuum not at all: both would hit one variant and spare the other.
 */
const POSTGRES_SETTINGS = {
  fsync: "on",
  synchronous_commit: "on",
  max_wal_size: "16GB",
  checkpoint_timeout: "1h",
  autovacuum: "off",
};

/** Starts the servers; everything ends with `resources`. */
export async function openBenchStage(resources: AsyncDisposableStack): Promise<BenchStage> {
  const folder = resources.adopt(
    await Deno.makeTempDir({ prefix: "state-tables-bench-" }),
    (path) => removeFolder(path),
  );
  const server = resources.use(await startPostgres({ settings: POSTGRES_SETTINGS }));
  const nats = resources.use(await startNats());
  const sql = resources.adopt(
    postgres(server.url(), { max: 1, onnotice: () => {} }),
    (client) => client.end({ timeout: 1 }),
  );
  const connection = resources.adopt(
    await connect({ servers: nats.url }),
    (client) => client.close(),
  );
  const databases: string[] = [];
  return {
    nats,
    postgres: server,
    createDatabase: async () => {
      const name = await server.createDatabase();
      databases.push(name);
      return name;
    },
    dropDatabases: async () => {
      for (const name of databases.splice(0)) await sql`drop database ${sql(name)} with (force)`;
    },
    sql,
    connection,
    manager: await jetstreamManager(connection),
    folder: join(folder),
    psqlVersion: await findPsqlVersion(),
    streams: new Map(),
  };
}

async function findPsqlVersion(): Promise<string | null> {
  try {
    return (await runTool("psql", ["--version"])).trim();
  } catch (error) {
    if (error instanceof ToolCommandError && error.isMissing) return null;
    throw error;
  }
}
