/** Indexes built on tables that exist, on a real server: concurrently, once, and never in the way. */
import assert from "node:assert/strict";
import type postgres from "postgres";
import type { TableChange } from "../../../lib/ingest/ports.ts";
import { openStore, type Store } from "../../../lib/store/store.ts";
import { sharedPostgres, uniqueName, waitFor } from "../../support/servers.ts";
import {
  describeTable,
  flushOf,
  named,
  openFixture,
  storeOptions,
  testOnBoth,
} from "./store_fixture.ts";

const server = await sharedPostgres();

function wanted(...keys: readonly string[]): TableChange {
  return {
    table: named("t"),
    columns: keys.map((key) => ({ key, type: "bigint" })),
    widenings: [],
    overflow: false,
    indexKeys: [],
    reason: "test",
    cause: null,
  };
}

async function indexesOf(sql: postgres.Sql): Promise<readonly string[]> {
  const rows = await sql`select indexrelid::regclass::text as name from pg_index
    where indrelid = 't'::regclass and indisvalid order by 1`;
  return rows.map(({ name }) => name);
}

async function isBuilding(sql: postgres.Sql): Promise<boolean> {
  const rows = await sql`select from pg_stat_progress_create_index
    where relid = 't'::regclass and datname = current_database()`;
  return rows.length > 0;
}

async function openStores(dsn: string, count: number): Promise<readonly Store[]> {
  return await Promise.all(Array.from({ length: count }, () => openStore(storeOptions(dsn))));
}

testOnBoth("ensureIndexes() makes what is missing and records it", async ({ sql, store, log }) => {
  await store.tables.change(wanted("a", "b", "c"));
  await sql`create index by_hand on t (b, a)`;
  await store.tables.ensureIndexes(named("t"), ["a", "b", "missing", "a"]);
  assert.deepEqual(await indexesOf(sql), ["by_hand", "t_a_idx"]);
  const changes = await sql`select column_name, column_number from state_tables.schema_change
    where change = 'create index'`;
  assert.deepEqual(changes.map((row) => ({ ...row })), [{ column_name: "a", column_number: 1 }]);
  assert.deepEqual(log.lines.at(-1), {
    message: "Index created",
    fields: { table: "t", column: "a" },
  });
});

Deno.test("ensureIndexes() does nothing for a table that is not there", async () => {
  await using fixture = await openFixture(server);
  await fixture.store.tables.ensureIndexes(named("nowhere"), ["a"]);
  assert.deepEqual(fixture.log.lines, []);
});

Deno.test("ensureIndexes() replaces what a build that was cut short has left", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await store.tables.change(wanted("a"));
  await sql`insert into t values (1), (1)`;
  await assert.rejects(sql`create unique index concurrently t_a_idx on t (a)`);
  assert.deepEqual(await indexesOf(sql), []);
  await store.tables.ensureIndexes(named("t"), ["a"]);
  assert.deepEqual(await indexesOf(sql), ["t_a_idx"]);
});

Deno.test("ensureIndexes() by eight instances at once makes each index once", async () => {
  await using fixture = await openFixture(server);
  const { sql, store, database } = fixture;
  await store.tables.change(wanted("a", "b"));
  const stores = await openStores(database.dsn, 8);
  await Promise.all(stores.map(({ tables }) => tables.ensureIndexes(named("t"), ["a", "b"])));
  await Promise.all(stores.map((one) => one.close(1_000)));
  assert.deepEqual(await indexesOf(sql), ["t_a_idx", "t_b_idx"]);
  assert.equal(
    (await sql`select from pg_class where relkind = 'i' and relname like 't\_%'`).length,
    2,
  );
});

Deno.test("ensureIndexes() lets a pool of one write while it builds", async () => {
  await using fixture = await openFixture(server, { pool: { openMax: 1, idleMax: 1 } });
  const { sql, store } = fixture;
  await store.tables.change(wanted("a"));
  let build = Promise.resolve();
  await sql.begin(async (writer) => {
    await writer`insert into t values (1)`; // the build waits for it
    build = store.tables.ensureIndexes(named("t"), ["a"]);
    await waitFor(() => isBuilding(sql), { what: "the build" });
    const table = await describeTable(store, "t");
    const outcome = await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["2"] }]));
    assert.equal(outcome.kind, "committed");
  });
  await build;
  assert.deepEqual(await indexesOf(sql), ["t_a_idx"]);
});

Deno.test("change() of another instance cancels a build, which is made later", async () => {
  await using fixture = await openFixture(server);
  const { sql, store, database } = fixture;
  await store.tables.change(wanted("a"));
  const [other] = await openStores(database.dsn, 1);
  let build = Promise.resolve();
  const holder = await sql.reserve();
  await holder`begin isolation level repeatable read`;
  await holder`select from pg_class limit 1`; // an old snapshot: the build waits for its end
  build = store.tables.ensureIndexes(named("t"), ["a"]);
  await waitFor(() => isBuilding(sql), { what: "the build" });
  const changed = await other?.tables.change(wanted("b"));
  assert.deepEqual(changed?.table.columns.map(({ name }) => name), ["a", "b"]);
  await holder`commit`;
  holder.release();
  await build;
  await other?.close(1_000);
  assert.deepEqual(await indexesOf(sql), ["t_a_idx"]);
});

Deno.test("close() ends a build under way", async () => {
  await using fixture = await openFixture(server);
  const { sql, store, database } = fixture;
  await store.tables.change(wanted("a"));
  const [other] = await openStores(database.dsn, 1);
  await sql.begin(async (writer) => {
    await writer`insert into t values (1)`;
    const build = other?.tables.ensureIndexes(named("t"), ["a"]);
    await waitFor(() => isBuilding(sql), { what: "the build" });
    await other?.close(1_000);
    await build;
    await waitFor(async () => !await isBuilding(sql), { what: "the end of the build" });
  });
  await store.tables.ensureIndexes(named("t"), ["a"]);
  assert.deepEqual(await indexesOf(sql), ["t_a_idx"]);
});

Deno.test("ensureIndexes() builds nothing behind a pooler and says so", async () => {
  await using fixture = await openFixture(server, { prepare: false });
  const { sql, store, log } = fixture;
  await store.tables.change(wanted("a"));
  await store.tables.ensureIndexes(named("t"), ["a"]);
  assert.deepEqual(await indexesOf(sql), []);
  assert.match(String(log.lines.at(-1)?.fields["reason"]), /prepared statements are off/);
});

Deno.test("ensureIndexes() leaves a table of another role alone and says so", async () => {
  await using fixture = await openFixture(server);
  const { sql, database } = fixture;
  await sql`create table t (a int)`;
  const role = uniqueName("role");
  await sql.unsafe(`create role ${role} login; grant usage on schema state_tables to ${role};
    grant select, insert, update, delete on all tables in schema state_tables to ${role}`);
  const { target, ...options } = storeOptions(database.dsn, { log: fixture.log });
  const restricted = await openStore({ ...options, target: { ...target, user: role } });
  try {
    await restricted.tables.ensureIndexes(named("t"), ["a"]);
    assert.match(String(fixture.log.lines.at(-1)?.fields["reason"]), /does not own/);
  } finally {
    await restricted.close(1_000);
    await sql.unsafe(`drop owned by ${role}; drop role ${role}`);
  }
});

Deno.test("ensureIndexes() goes on with the next column when one cannot be indexed", async () => {
  await using fixture = await openFixture(server);
  const { sql, store, log } = fixture;
  await sql`create table t (a xml, b int)`;
  await store.tables.ensureIndexes(named("t"), ["a", "b"]);
  assert.deepEqual(await indexesOf(sql), ["t_b_idx"]);
  assert.match(String(log.lines[0]?.fields["reason"]), /operator class/);
});
