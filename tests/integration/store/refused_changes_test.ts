/** Parts of a change that cannot be had, on a real server: refused with the reason, the rest done. */
import assert from "node:assert/strict";
import type { ChangedTable, TableChange } from "../../../lib/ingest/ports.ts";
import { truncatedName } from "../../../lib/schema/identifiers.ts";
import { openStore, type Store } from "../../../lib/store/store.ts";
import { sharedPostgres, uniqueName } from "../../support/servers.ts";
import { named, openFixture, storeOptions, testOnBoth } from "./store_fixture.ts";

const server = await sharedPostgres();

async function change(store: Store, parts: Partial<TableChange>): Promise<ChangedTable> {
  return await store.tables.change({
    table: named("t"),
    columns: [],
    widenings: [],
    overflow: false,
    indexKeys: [],
    reason: "test",
    cause: null,
    ...parts,
  });
}

function keys(count: number, prefix = "k"): TableChange["columns"] {
  return Array.from({ length: count }, (_, at) => ({ key: `${prefix}${at}`, type: "text" }));
}

testOnBoth("change() adds _overflow once and records it", async ({ sql, store }) => {
  await change(store, { columns: keys(1) });
  const { table, refused } = await change(store, { overflow: true });
  assert.deepEqual(refused, []);
  assert.deepEqual(table.columns.map(({ name, typeName }) => [name, typeName]), [
    ["k0", "text"],
    ["_overflow", "jsonb"],
  ]);
  assert.deepEqual((await change(store, { overflow: true })).table, table);
  const changes = await sql`select to_type from state_tables.schema_change
    where column_name = '_overflow' and change = 'add column'`;
  assert.deepEqual(changes.map(({ to_type }) => to_type), ["jsonb"]);
});

Deno.test("change() creates a table with _overflow beside a key of that name", async () => {
  await using fixture = await openFixture(server);
  const { table, refused } = await change(fixture.store, {
    columns: [{ key: "_overflow", type: "text" }],
    overflow: true,
  });
  assert.deepEqual(refused, []);
  assert.deepEqual(table.columns.map(({ typeName }) => typeName), ["text", "jsonb"]);
  assert.equal(table.columns[1]?.name, "_overflow");
});

Deno.test("change() takes an _overflow of jsonb that was made by hand", async () => {
  await using fixture = await openFixture(server);
  await fixture.sql`create table t (_overflow jsonb)`;
  const { refused, table } = await change(fixture.store, { overflow: true });
  assert.deepEqual(refused, []);
  assert.equal(table.columns.length, 1);
});

Deno.test("change() refuses an _overflow of another type and adds the columns", async () => {
  await using fixture = await openFixture(server);
  await fixture.sql`create table t (_overflow text)`;
  const { refused, table } = await change(fixture.store, { columns: keys(1), overflow: true });
  assert.deepEqual(refused, [
    { kind: "overflow", name: "_overflow", reason: "its type is text and not jsonb" },
  ]);
  assert.deepEqual(table.columns.map(({ name }) => name), ["_overflow", "k0"]);
});

testOnBoth("change() refuses columns beyond PostgreSQL's limit and adds _overflow", async (all) => {
  const { store, sql } = all;
  await sql.unsafe(
    `create table t (${Array.from({ length: 1598 }, (_, at) => `c${at} int`).join(", ")})`,
  );
  const { refused, table } = await change(store, { columns: keys(2), overflow: true });
  assert.deepEqual(refused.map(({ kind, name }) => [kind, name]), [
    ["column", "k0"],
    ["column", "k1"],
  ]);
  assert.match(refused[0]?.reason ?? "", /1600 columns/);
  assert.equal(table.columns.at(-1)?.name, "_overflow");
});

Deno.test("change() refuses _overflow, too, when the table is full", async () => {
  await using fixture = await openFixture(server);
  const { store, sql } = fixture;
  await sql.unsafe(
    `create table t (${Array.from({ length: 1600 }, (_, at) => `c${at} int`).join(", ")})`,
  );
  const { refused, table } = await change(store, { columns: keys(1), overflow: true });
  assert.deepEqual(refused.map(({ kind }) => kind), ["column", "overflow"]);
  assert.equal(table.columns.length, 1600);
});

Deno.test("change() creates a table for more keys than it can have columns", async () => {
  await using fixture = await openFixture(server);
  const { refused, table } = await change(fixture.store, { columns: keys(1601), overflow: true });
  assert.equal(refused.length, 1601);
  assert.deepEqual(table.columns.map(({ name }) => name), ["_overflow"]);
});

Deno.test("change() refuses columns that an event trigger forbids", async () => {
  await using fixture = await openFixture(server);
  const { store, sql } = fixture;
  await change(store, { columns: keys(1) });
  await sql.unsafe(`create function forbid() returns event_trigger language plpgsql as
      $$ begin raise exception 'no changes on weekdays'; end $$;
    create event trigger forbid on ddl_command_start when tag in ('ALTER TABLE')
      execute function forbid()`);
  const { refused } = await change(store, { columns: keys(1, "late"), overflow: true });
  assert.deepEqual(refused.map(({ reason }) => reason), [
    "PostgreSQL says: no changes on weekdays",
    "PostgreSQL says: no changes on weekdays",
  ]);
});

Deno.test("change() refuses everything on a table of another role but what is there", async () => {
  await using fixture = await openFixture(server);
  const { store, sql, database } = fixture;
  const key = `${"k".repeat(70)}1`;
  await change(store, { columns: [{ key: "a", type: "bigint" }] });
  await sql.unsafe(`alter table t add "${truncatedName(key)}" text, add _overflow jsonb`);
  const role = uniqueName("role");
  await sql.unsafe(`create role ${role} login; grant usage on schema state_tables to ${role};
    grant select, insert, update, delete on all tables in schema state_tables to ${role}`);
  const { target, ...options } = storeOptions(database.dsn);
  const restricted = await openStore({ ...options, target: { ...target, user: role } });
  try {
    const { refused } = await change(restricted, {
      columns: [{ key: "a", type: "bigint" }, { key, type: "text" }, { key: "b", type: "text" }],
      widenings: [{ columnName: "a", type: "text" }],
      overflow: true,
    });
    assert.deepEqual(
      new Set(refused.map(({ kind, name, reason }) => `${kind} ${name}: ${reason}`)),
      new Set([
        `column ${key}: the role does not own the table`,
        "column b: the role does not own the table",
        "widening a: the role does not own the table",
      ]),
    );
  } finally {
    await restricted.close(1_000);
    await sql.unsafe(`drop owned by ${role}; drop role ${role}`);
  }
});
