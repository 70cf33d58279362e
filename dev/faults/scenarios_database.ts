/** Scenarios in which an administrator of the database takes something away: rights, space, time. */
import { PASSWORD_CANARY } from "./bed.ts";
import { giveTo, removeFolder } from "../servers/server_process.ts";
import { runTool } from "../servers/tool_command.ts";
import { type Scenario, type ScenarioRun, until, untilWritten, whileGrowing } from "./scenario.ts";

/** Size of the file system that is filled, in MiB: a few thousand rows with their tables. */
const SMALL_DISK_MIB = 12;

/** See the top of this file. */
export const DATABASE_SCENARIOS: readonly Scenario[] = [
  {
    name: "rights-revoked",
    title: "the program's role may not insert into one table for 5 s",
    bed: { processors: 5, isPlainRole: true },
    refusedRoutes: ["state-0:processor-0"],
    faults: async (run) => {
      const { sql } = run.bed;
      await untilWritten(run, "processor-0");
      await sql`revoke insert on "processor-0" from writer`;
      await run.pause(5_000);
      await sql`grant insert on "processor-0" to writer`;
    },
    seen: (_, { tableRetries }) => tableRetries > 0 ? null : "no flush was refused",
  },
  {
    name: "password-changed",
    title: "the role gets another password and its sessions end; after 5 s it is the old one again",
    bed: { isPlainRole: true },
    faults: async (run) => {
      const { sql } = run.bed;
      await untilWritten(run, "processor-0");
      await sql`alter role writer password 'another'`;
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'writer'`;
      await until(() => run.hasLogged("28P01"), "the password to be refused");
      await run.pause(5_000);
      await sql.unsafe(`alter role writer password '${PASSWORD_CANARY}'`);
    },
    seen: (_, { storeRetries }) => storeRetries > 0 ? null : "nothing was tried again",
  },
  {
    name: "catalog-forbidden",
    title: "the program's role may not read the catalog for 6 s: known tables flow on",
    bed: { isPlainRole: true, settings: { CATALOG_CACHE_SECONDS: "1" } },
    faults: async (run) => {
      const { sql } = run.bed;
      await untilWritten(run, "processor-1");
      await sql`revoke select on processor, processor_state from writer`;
      const wrong = await whileGrowing(run, { table: "processor-1", steps: 2, stepMs: 3_000 });
      await until(() => run.hasLogged("42501"), "a look-up to be refused");
      await sql`grant select on processor, processor_state to writer`;
      return wrong;
    },
  },
  {
    name: "catalog-slow",
    title: "the catalog locked for 6 s: known tables flow on",
    bed: { settings: { CATALOG_CACHE_SECONDS: "1" } },
    faults: async (run) => {
      await untilWritten(run, "processor-1");
      return await run.bed.sql.begin(async (sql) => {
        await sql`lock table processor, processor_state in access exclusive mode`;
        const wrong = await whileGrowing(run, { table: "processor-1", steps: 1, stepMs: 3_000 });
        await until(async () => await countWaiting(run) > 0, "a look-up to wait for the lock");
        return wrong ??
          await whileGrowing(run, { table: "processor-1", steps: 1, stepMs: 3_000 });
      });
    },
  },
  {
    name: "statement-timeout",
    title: "one table's inserts take 3 s each, statements may take 1 s, for 8 s",
    bed: { processors: 5, settings: { DB_STATEMENT_TIMEOUT_MS: "1000" } },
    faults: async (run) => {
      await untilWritten(run, "processor-0");
      await untilWritten(run, "processor-1");
      await run.bed.sql.unsafe(`
        create function doze() returns trigger language plpgsql as
          'begin perform pg_sleep(3); return null; end';
        create trigger doze after insert on "processor-0" for each statement execute function doze()`);
      const wrong = await whileGrowing(run, { table: "processor-1", steps: 3, stepMs: 3_000 });
      await run.bed.sql`drop trigger doze on "processor-0"`;
      return wrong;
    },
    seen: (_, { tableRetries, storeRetries }) =>
      tableRetries + storeRetries > 0 ? null : "no statement was cancelled",
  },
  {
    name: "ledger-dropped",
    title: "the ledger's schema dropped while running",
    faults: async (run) => {
      await untilWritten(run, "processor-0");
      await run.bed.sql`drop schema state_tables cascade`;
      await run.pause(3_000);
    },
    seen: (_, { storeRetries, tableRetries }) =>
      storeRetries + tableRetries > 0 ? null : "no flush met the missing ledger",
  },
  {
    name: "disk-full",
    title: "no space for the tables for 5 s (needs root, for a small tmpfs)",
    prepare: async (run) => {
      const folder = smallDisk(run);
      await Deno.mkdir(folder);
      run.onEnd(async () => {
        await runTool("umount", ["-l", folder]);
        await removeFolder(folder);
      });
      const size = `size=${SMALL_DISK_MIB}m`;
      await runTool("mount", ["-t", "tmpfs", "-o", size, "tmpfs", folder]);
      await giveTo(UNPRIVILEGED_UID, folder);
      await run.bed.sql.unsafe(`create tablespace small location '${folder}'`);
      await run.bed.sql`alter database faults set default_tablespace = small`;
    },
    faults: async (run) => {
      const ballast = `${smallDisk(run)}/ballast`;
      await untilWritten(run, "processor-0");
      const isFull = runTool("dd", ["if=/dev/zero", `of=${ballast}`, "bs=64k"]);
      await isFull.catch(() => undefined); // it ends when there is no space left
      await until(() => run.hasLogged("53100"), "a flush without space");
      await run.pause(5_000);
      await Deno.remove(ballast);
    },
    seen: (_, { storeRetries }) => storeRetries > 0 ? null : "nothing was tried again",
  },
];

/** Sessions of the program that wait for a lock. */
async function countWaiting({ bed }: ScenarioRun): Promise<number> {
  const waiting = await bed.sql`
    select from pg_stat_activity where application_name = 'state-tables' and wait_event_type = 'Lock'`;
  return waiting.length;
}

/** Owns PostgreSQL's files when root runs the suite. */
const UNPRIVILEGED_UID = 65534;

function smallDisk({ bed }: ScenarioRun): string {
  return `/tmp/state-tables-small-disk-${bed.postgres.port}`;
}
