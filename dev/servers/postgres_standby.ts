/**
 * A physical standby of a PostgreSQL server on this machine, by PostgreSQL's own low-level base backup
 * (https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP):
 * the npm packages hold no pg_basebackup. The server copied from should have little to do meanwhile.
 */
import { join } from "node:path";
import postgres from "postgres";
import { type PostgresServer, startPostgres } from "./postgres_server.ts";
import { giveTo, removeFolder } from "./server_process.ts";
import { runTool } from "./tool_command.ts";

/** What the standby calls itself, for `synchronous_standby_names`. */
export const STANDBY_NAME = "standby";

/** Belongs to the server that was copied. */
const NOT_COPIED = ["postmaster.pid", "postmaster.opts"] as const;

/** A standby that follows its primary until it is promoted. */
export interface PostgresStandby extends AsyncDisposable {
  readonly server: PostgresServer;
  /** Makes it a primary; resolves when it takes writes. */
  promote(): Promise<void>;
}

/**
 * Copies the primary and starts the copy as its standby; resolves when it can be read.
 *
 * @param settings of the server; what the primary allows of connections it has to allow, too
 */
export async function startStandby(
  primary: PostgresServer,
  settings: Readonly<Record<string, string>>,
): Promise<PostgresStandby> {
  await using resources = new AsyncDisposableStack();
  const folder = resources.adopt(
    await Deno.makeTempDir({ prefix: "state-tables-standby-" }),
    (path) => removeFolder(path),
  );
  const dataDir = join(folder, "data");
  const owner = (await Deno.stat(primary.dataDir)).uid ?? undefined;
  await giveTo(owner, folder);
  const label = await copyRunning(primary, dataDir);
  for (const [name, text] of [["backup_label", label], ["standby.signal", ""]] as const) {
    await Deno.writeTextFile(join(dataDir, name), text);
    await giveTo(owner, join(dataDir, name));
  }
  const server = resources.use(
    await startPostgres({
      dataDir,
      settings: {
        ...settings,
        primary_conninfo: `host=${primary.host} port=${primary.port} user=${primary.user} ` +
          `application_name=${STANDBY_NAME}`,
      },
    }),
  );
  const owned = resources.move();
  return {
    server,
    promote: () => promote(server),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Copies the data folder of a running server; returns the text of the copy's `backup_label`. */
async function copyRunning(primary: PostgresServer, dataDir: string): Promise<string> {
  const sql = postgres(primary.url(), { max: 1, onnotice: () => {} });
  try {
    await sql`select pg_backup_start('standby', fast => true)`;
    await runTool("cp", ["-a", "--", primary.dataDir, dataDir]);
    for (const name of NOT_COPIED) await Deno.remove(join(dataDir, name));
    // The log comes from the primary; what was copied of it while it was written may be torn.
    for await (const { name, isFile } of Deno.readDir(join(dataDir, "pg_wal"))) {
      if (isFile) await Deno.remove(join(dataDir, "pg_wal", name));
    }
    const [row] = await sql`select labelfile from pg_backup_stop(wait_for_archive => false)`;
    return String(row?.labelfile);
  } finally {
    await sql.end();
  }
}

async function promote(server: PostgresServer): Promise<void> {
  const sql = postgres(server.url(), { max: 1, onnotice: () => {} });
  try {
    const [row] = await sql`select pg_promote() as done`;
    if (row?.done !== true) throw new Error("Cannot promote the standby within a minute");
  } finally {
    await sql.end();
  }
}
