/**
 * Commits whose answer never came, on a server of their own: whether it landed or not, the same flush
 * repeated leaves one copy of each row.
 */
import assert from "node:assert/strict";
import { startPostgres } from "../../../dev/servers/postgres_server.ts";
import type { Flush } from "../../../lib/ingest/ports.ts";
import type { TableDescription } from "../../../lib/schema/table_description.ts";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import { TEST_POSTGRES_SETTINGS, waitFor } from "../../support/servers.ts";
import { describeTable, flushOf, openFixture, type StoreFixture } from "./store_fixture.ts";

/** Ends the backend that waits for `event`, as soon as it does. */
async function terminateWaiting({ sql }: StoreFixture, event: string): Promise<void> {
  const pid = await waitFor(
    async () => {
      const [row] = await sql`select pid from pg_stat_activity
        where datname = current_database() and wait_event = ${event} and pid <> pg_backend_pid()`;
      return row?.pid;
    },
    { what: `a backend that waits for ${event}` },
  );
  await sql`select pg_terminate_backend(${pid}, 5000)`;
}

function isUnknown(error: unknown): boolean {
  return error instanceof StoreUnavailableError && error.commitUnknown;
}

Deno.test("write() says commitUnknown when the commit did not land, and lands repeated", async () => {
  await using server = await startPostgres({ settings: TEST_POSTGRES_SETTINGS });
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql.unsafe(`create table t (a int);
    create function wait() returns trigger language plpgsql as
      $$ begin perform pg_advisory_xact_lock_shared(42); return null; end $$;
    create constraint trigger wait after insert on t deferrable initially deferred
      for each row execute function wait()`);
  const flush = flushOf(await describeTable(store, "t"), [{ sequence: 1, rows: ["1"] }]);
  await sql.begin(async (holder) => {
    await holder`select pg_advisory_xact_lock(42)`;
    const failed = assert.rejects(store.tables.write(flush), isUnknown);
    await terminateWaiting(fixture, "advisory");
    await failed;
  });
  assert.equal((await sql`select from t`).length, 0);
  const outcome = await store.tables.write(flush);
  assert.deepEqual(outcome, {
    kind: "committed",
    rowsWritten: 1,
    rejects: [],
    known: [],
    gone: [],
  });
  assert.equal((await sql`select from t`).length, 1);
});

Deno.test("write() says commitUnknown when the commit landed, and drops the repetition", async () => {
  await using server = await startPostgres({ settings: TEST_POSTGRES_SETTINGS });
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  await store.tables.write(flushOf(table, [{ sequence: 1, rows: [] }])); // the source has its number
  // Commits are durable here, then wait for a standby that does not exist; but not ours.
  await sql`alter role current_user set synchronous_commit = off`;
  await sql`alter system set synchronous_standby_names = 'nobody'`;
  await sql`select pg_reload_conf()`;
  const unknown = writeUntilUnknown(fixture, table);
  await terminateWaiting(fixture, "SyncRep");
  const flush = await unknown;
  await sql`alter system reset synchronous_standby_names`;
  await sql`select pg_reload_conf()`;
  const rows = (await sql`select from t`).length;
  const outcome = await store.tables.write(flush);
  assert.deepEqual(outcome, {
    kind: "committed",
    rowsWritten: 0,
    rejects: [],
    known: [{ index: 0, rejectCount: 0, reasons: [] }],
    gone: [],
  });
  assert.equal((await sql`select from t`).length, rows);
});

/** The server begins to wait for the standby some time after the reload. */
async function writeUntilUnknown(
  { store }: StoreFixture,
  table: TableDescription,
): Promise<Flush> {
  for (let sequence = 2; sequence < 100_000; sequence++) {
    const flush = flushOf(table, [{ sequence, rows: ["1"] }]);
    try {
      await store.tables.write(flush);
    } catch (error) {
      assert.ok(isUnknown(error));
      return flush;
    }
  }
  throw new Error("no commit waited for the standby");
}
