/** Tables made and changed on a real server: by one, by many at once, under names that were cut. */
import assert from "node:assert/strict";
import { TableUnavailableError } from "../../../lib/errors.ts";
import type { TableChange, WantedColumn } from "../../../lib/ingest/ports.ts";
import { tableNames, truncatedName } from "../../../lib/schema/identifiers.ts";
import { openStore } from "../../../lib/store/store.ts";
import { sharedPostgres } from "../../support/servers.ts";
import { describeTable, identity, named, openFixture, storeOptions } from "./store_fixture.ts";

const server = await sharedPostgres();
const oldServer = await sharedPostgres("15");

function wanted(fullName: string, columns: readonly WantedColumn[]): TableChange {
  return {
    table: named(fullName),
    columns,
    widenings: [],
    overflow: false,
    indexKeys: [],
    reason: "test",
    cause: null,
  };
}

const A: WantedColumn = { key: "a", type: "bigint" };
const B: WantedColumn = { key: "b b", type: "text" };

for (const [version, postgres] of [["18", server], ["15", oldServer]] as const) {
  Deno.test(`change() creates a table with the wanted columns (PostgreSQL ${version})`, async () => {
    await using fixture = await openFixture(postgres);
    const { store, sql } = fixture;
    const { table } = await store.tables.change({
      ...wanted("0f-1_t", [A, B, { key: "c", type: "double precision" }]),
      indexKeys: ["b b", "missing", "b b"],
      cause: identity(7),
    });
    assert.deepEqual(
      table.columns.map(({ name, typeName, notNull }) => [name, typeName, notNull]),
      [["a", "int8", false], ["b b", "text", false], ["c", "float8", false]],
    );
    assert.deepEqual(await describeTable(store, "0f-1_t"), table);
    const indexes = await sql`select indexdef from pg_indexes where tablename = '0f-1_t'`;
    assert.equal(indexes.length, 1);
    const changes = await sql`select change, column_name, to_type, source, seq::int, reason
      from state_tables.schema_change order by id`;
    assert.deepEqual(changes.map(({ change, column_name }) => [change, column_name]), [
      ["create table", null],
      ["add column", "a"],
      ["add column", "b b"],
      ["add column", "c"],
      ["create index", "b b"],
    ]);
    assert.deepEqual([changes[1]?.to_type, changes[1]?.seq], ["bigint", 7]);
    assert.deepEqual(fixture.log.lines, [{
      message: "Table created",
      fields: { table: "0f-1_t", columns: 3, reason: "test" },
    }]);
  });
}

Deno.test("change() adds only the columns that are missing", async () => {
  await using fixture = await openFixture(server);
  const { store } = fixture;
  await store.tables.change(wanted("t", [A]));
  const { table } = await store.tables.change(wanted("t", [B, A]));
  assert.deepEqual(table.columns.map(({ name }) => name), ["a", "b b"]);
});

Deno.test("change() does nothing when all is there", async () => {
  await using fixture = await openFixture(server);
  const { store, sql } = fixture;
  const { table: first } = await store.tables.change(wanted("t", [A, B]));
  const { table: second } = await store.tables.change(wanted("t", [B]));
  assert.deepEqual(second, first);
  assert.equal((await sql`select from state_tables.schema_change`).length, 3);
});

Deno.test("change() creates a table without columns", async () => {
  await using fixture = await openFixture(server);
  const { table } = await fixture.store.tables.change(wanted("t", []));
  assert.deepEqual(table.columns, []);
});

Deno.test("change() by eight instances at once makes every column once", async () => {
  await using fixture = await openFixture(server);
  const stores = await Promise.all(
    Array.from({ length: 8 }, () => openStore(storeOptions(fixture.database.dsn))),
  );
  try {
    await Promise.all(stores.map(async ({ tables }, instance) => {
      for (let round = 0; round < 5; round++) {
        const columns = [`shared ${round}`, `own ${instance}`, `late ${(instance + round) % 8}`];
        await tables.change(wanted("t", columns.map((key) => ({ key, type: "text" }))));
      }
    }));
  } finally {
    await Promise.all(stores.map((store) => store.close(1_000)));
  }
  const names = (await describeTable(fixture.store, "t")).columns.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  assert.equal(names.length, 5 + 8 + 8);
});

Deno.test("change() looks again when somebody without the lock makes the same table", async () => {
  await using fixture = await openFixture(server);
  const { store, sql } = fixture;
  for (let round = 0; round < 20; round++) {
    const name = `t${round}`;
    const statement = `create table if not exists ${name} (a bigint)`;
    const [, { table }] = await Promise.all([
      sql.unsafe(statement).catch((error) => assert.match(error.code, /^(23505|42710|42P07)$/)),
      store.tables.change(wanted(name, [A, B])),
    ]);
    assert.deepEqual(table.columns.map((column) => column.name), ["a", "b b"]);
  }
});

Deno.test("change() gives a name of 300 bytes a hashed form and keeps it whole in the comment", async () => {
  await using fixture = await openFixture(server);
  const { store, sql } = fixture;
  const fullName = `p_${"é".repeat(149)}`;
  const { table } = await store.tables.change(wanted(fullName, [A]));
  assert.equal(table.name, tableNames(fullName).name);
  const [row] = await sql`select obj_description(${table.oid}::oid, 'pg_class') as comment`;
  assert.equal(row?.comment, fullName);
  assert.deepEqual(await describeTable(store, fullName), table);
});

Deno.test("change() keeps names apart that differ only past byte 63", async () => {
  await using fixture = await openFixture(server);
  const { store } = fixture;
  const start = "p".repeat(70);
  const { table: one } = await store.tables.change(wanted(`${start}1`, [A]));
  const { table: two } = await store.tables.change(wanted(`${start}2`, [A]));
  assert.notEqual(one.oid, two.oid);
});

Deno.test("change() takes the table that PostgreSQL's own cut left, and claims it", async () => {
  await using fixture = await openFixture(server);
  const { store, sql } = fixture;
  const fullName = `${"p".repeat(70)}1`;
  await sql`create table ${sql(truncatedName(fullName))} (a text)`;
  const { table } = await store.tables.change(wanted(fullName, [A]));
  assert.equal(table.name, truncatedName(fullName));
  assert.equal(table.columns[0]?.typeName, "text");
  const { table: other } = await store.tables.change(wanted(`${"p".repeat(70)}2`, [A]));
  assert.notEqual(other.oid, table.oid);
});

Deno.test("describe() finds the table of the Go service's default name first", async () => {
  await using fixture = await openFixture(server);
  const { store, sql } = fixture;
  await sql`create table p1 (a int)`;
  await sql`create table p1_hello_world (a int)`;
  const table = await store.tables.describe({ fullName: "p1", legacyName: "p1_hello_world" });
  assert.equal(table?.name, "p1_hello_world");
});

Deno.test("change() makes the full name when no table of the default name exists", async () => {
  await using fixture = await openFixture(server);
  const { table } = await fixture.store.tables.change({
    ...wanted("p1", [A]),
    table: { fullName: "p1", legacyName: "p1_hello_world" },
  });
  assert.equal(table.name, "p1");
});

Deno.test("change() adds hostile keys as columns of exactly these names", async () => {
  await using fixture = await openFixture(server);
  const { store } = fixture;
  const keys = ['x" int); drop table t; --', "a\\b", "new\nline", "%s $1", "'", "Ünï", "oid"];
  const { table } = await store.tables.change(
    wanted("t", keys.map((key) => ({ key, type: "text" }))),
  );
  assert.deepEqual(table.columns.map(({ name }) => name), keys);
});

Deno.test("change() gives keys that no column can have a hashed name, once each", async () => {
  await using fixture = await openFixture(server);
  const { store } = fixture;
  const long = "k".repeat(80);
  const keys = ["", "ctid", "xmin", "a\0b", "\ud800", "_overflow", `${long}1`, `${long}2`];
  const columns = keys.map((key): WantedColumn => ({ key, type: "text" }));
  const { table: first } = await store.tables.change(wanted("t", columns));
  assert.equal(first.columns.length, keys.length);
  assert.deepEqual((await store.tables.change(wanted("t", columns))).table, first);
});

Deno.test("change() says locked when a reader holds the table", async () => {
  await using fixture = await openFixture(server, {
    timeouts: { lockMs: 50, statementMs: 10_000 },
  });
  const { store, sql } = fixture;
  await store.tables.change(wanted("t", [A]));
  await sql.begin(async (reader) => {
    await reader`select from t`;
    await assert.rejects(
      store.tables.change(wanted("t", [B])),
      (error) => error instanceof TableUnavailableError && error.kind === "locked",
    );
  });
  const { table } = await store.tables.change(wanted("t", [B]));
  assert.equal(table.columns.length, 2);
});

Deno.test("change() refuses what is no table by name", async () => {
  await using fixture = await openFixture(server);
  await fixture.sql`create view t as select 1 as a`;
  await assert.rejects(
    fixture.store.tables.change(wanted("t", [B])),
    (error) => error instanceof TableUnavailableError && /it is a view$/.test(error.message),
  );
});

Deno.test("describe() reads types, defaults, identity, enums and comments", async () => {
  await using fixture = await openFixture(server);
  const { store, sql } = fixture;
  await sql.unsafe(`create type mood as enum ('sad', 'ok', 'a,b');
    create domain positive as int check (value > 0);
    create table t (id int generated always as identity, v varchar(5) not null, m mood,
      p positive, n numeric(10, 2) default 1, g int generated always as (1) stored, gone int,
      tags text[]);
    alter table t drop column gone;
    comment on column t.v is 'five';`);
  const table = await describeTable(store, "t");
  const byName = new Map(table.columns.map((column) => [column.name, column]));
  assert.deepEqual([...byName.keys()], ["id", "v", "m", "p", "n", "g", "tags"]);
  assert.equal(byName.get("id")?.identity, "always");
  assert.deepEqual(
    [byName.get("v")?.typmod, byName.get("v")?.notNull, byName.get("v")?.comment],
    [9, true, "five"],
  );
  assert.deepEqual(byName.get("m")?.enumLabels, ["sad", "ok", "a,b"]);
  assert.equal(byName.get("p")?.typeKind, "d");
  assert.equal(byName.get("n")?.hasDefault, true);
  assert.deepEqual([byName.get("g")?.generated, byName.get("g")?.hasDefault], [true, false]);
  assert.deepEqual([byName.get("tags")?.typeName, byName.get("tags")?.attnum], ["_text", 8]);
  assert.equal(table.relationKind, "r");
});

Deno.test("describe() finds many tables at once, each by its own names", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  const long = "l".repeat(70);
  await sql.unsafe(`create table p1_hello_world (a int); create table p1 (b int);
    create table p2 (c int); create table ${"l".repeat(63)} (d int)`);
  const identities = [
    { fullName: "p1", legacyName: "p1_hello_world" },
    named("p1"),
    named("nowhere"),
    named("p2"),
    named(long),
  ];
  const tables = await Promise.all(identities.map((table) => store.tables.describe(table)));
  assert.deepEqual(tables.map((table) => table?.columns[0]?.name), ["a", "b", undefined, "c", "d"]);
});

Deno.test("describe() says null when there is no such table", async () => {
  await using fixture = await openFixture(server);
  assert.equal(await fixture.store.tables.describe(named("nowhere")), null);
});
