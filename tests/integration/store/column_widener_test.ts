/** Columns widened in place on a real server, and everything that stands against it. */
import assert from "node:assert/strict";
import type postgres from "postgres";
import type { ChangedTable, TableChange, WantedColumn } from "../../../lib/ingest/ports.ts";
import type { ColumnType } from "../../../lib/schema/column_type.ts";
import type { Store } from "../../../lib/store/store.ts";
import { sharedPostgres } from "../../support/servers.ts";
import {
  committed,
  describeTable,
  flushOf,
  identity,
  named,
  openFixture,
  testOnBoth,
} from "./store_fixture.ts";

const server = await sharedPostgres();

const NOTHING: Omit<TableChange, "table"> = {
  columns: [],
  widenings: [],
  overflow: false,
  indexKeys: [],
  reason: "test",
  cause: null,
};

/** Has the program make table `t`. */
async function create(store: Store, ...columns: readonly WantedColumn[]): Promise<void> {
  await store.tables.change({ ...NOTHING, table: named("t"), columns });
}

/** Asks for wider columns of `t`. */
async function widen(
  store: Store,
  widenings: Readonly<Record<string, ColumnType>>,
): Promise<ChangedTable> {
  return await store.tables.change({
    ...NOTHING,
    table: named("t"),
    widenings: Object.entries(widenings).map(([columnName, type]) => ({ columnName, type })),
    cause: identity(7),
  });
}

async function write(store: Store, rows: readonly string[]): Promise<void> {
  const table = await describeTable(store, "t");
  committed(await store.tables.write(flushOf(table, [{ sequence: null, rows }])));
}

async function typeOf(sql: postgres.Sql, column: string): Promise<string> {
  const [row] = await sql`select format_type(atttypid, atttypmod) as type from pg_attribute
    where attrelid = 't'::regclass and attname = ${column}`;
  return String(row?.type);
}

async function textsOf(sql: postgres.Sql, column: string): Promise<readonly string[]> {
  const rows = await sql`select ${sql(column)}::text as text from t order by ctid`;
  return rows.map(({ text }) => text);
}

const VALUES: Readonly<Record<string, readonly string[]>> = {
  bigint: ["0", "-9223372036854775808", "9223372036854775807"],
  "double precision": ["0.1", "1e+20", "5e-324", "1.7976931348623157e+308", "12345678.123456789"],
  numeric: ["1.10", "12345678901234567890123456789012345678901.000", "0.00"],
  boolean: ["true", "false"],
  timestamptz: [
    "2026-11-24T12:00:00Z",
    "2026-11-24T12:00:00.123456Z",
    "2026-11-24T12:00:00.5Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
  ],
};

for (const [from, values] of Object.entries(VALUES)) {
  const type = from as ColumnType;
  testOnBoth(`change() widens ${from} to text as the encoder spells it`, async (fixture) => {
    const { sql, store, database } = fixture;
    await sql.unsafe(`alter database ${database.name} set extra_float_digits = -3`);
    await sql.unsafe(`alter database ${database.name} set timezone = 'Asia/Kathmandu'`);
    await create(store, { key: "a", type });
    await write(store, [...values, "\\N"]);
    assert.deepEqual((await widen(store, { a: "text" })).refused, []);
    assert.deepEqual(await textsOf(sql, "a"), [...values, null]);
  });

  Deno.test(`change() widens ${from} to jsonb of the same values`, async () => {
    await using fixture = await openFixture(server);
    const { sql, store } = fixture;
    await create(store, { key: "a", type });
    await write(store, [...values, "\\N"]);
    assert.deepEqual((await widen(store, { a: "jsonb" })).refused, []);
    const json = values.map((value) => type === "timestamptz" ? `"${value}"` : value);
    const [row] = await sql`select array_agg(a order by ctid) =
      (${[...json, null]}::text[])::jsonb[] as same from t`;
    assert.equal(row?.same, true);
    assert.equal(await typeOf(sql, "a"), "jsonb");
  });
}

testOnBoth("change() widens numbers to numeric without losing a digit", async (fixture) => {
  const { sql, store } = fixture;
  await create(store, { key: "i", type: "bigint" }, { key: "d", type: "double precision" });
  await write(store, ["9223372036854775807\t0.1", "-1\t1234567.1234567891"]);
  const changed = await widen(store, { i: "numeric", d: "numeric" });
  assert.deepEqual(changed.refused, []);
  assert.deepEqual(changed.table.columns.map(({ typeName }) => typeName), ["numeric", "numeric"]);
  assert.deepEqual(await textsOf(sql, "i"), ["9223372036854775807", "-1"]);
  assert.deepEqual(await textsOf(sql, "d"), ["0.1", "1234567.123456789"]);
});

testOnBoth("change() records a widening with its types and its message", async ({ sql, store }) => {
  await create(store, { key: "a", type: "bigint" });
  const { table } = await widen(store, { a: "numeric" });
  assert.deepEqual(table, await describeTable(store, "t"));
  const [row] = await sql`select table_oid::int, column_name, column_number, from_type, to_type,
    reason, seq::int from state_tables.schema_change where change = 'widen column'`;
  assert.deepEqual(row, {
    table_oid: table.oid,
    column_name: "a",
    column_number: 1,
    from_type: "bigint",
    to_type: "numeric",
    reason: "test",
    seq: 7,
  });
});

Deno.test("change() widens a column of its own twice", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await create(store, { key: "a", type: "bigint" });
  await widen(store, { a: "numeric" });
  await widen(store, { a: "text" });
  assert.equal(await typeOf(sql, "a"), "text");
});

Deno.test("change() leaves a column alone that is wide enough by now", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await create(store, { key: "a", type: "bigint" });
  await widen(store, { a: "text" });
  assert.deepEqual((await widen(store, { a: "numeric" })).refused, []);
  assert.equal(await typeOf(sql, "a"), "text");
});

Deno.test("change() joins what is wanted with what another instance made of the column", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await create(store, { key: "a", type: "boolean" });
  await widen(store, { a: "numeric" });
  assert.equal(await typeOf(sql, "a"), "jsonb");
});

Deno.test("change() keeps the plain indexes of a column that it widens", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await store.tables.change({
    ...NOTHING,
    table: named("t"),
    columns: [{ key: "a", type: "bigint" }],
    indexKeys: ["a"],
  });
  assert.deepEqual((await widen(store, { a: "text" })).refused, []);
  assert.equal((await sql`select from pg_indexes where tablename = 't'`).length, 1);
});

/** What people build on a column, and the word that the refusal must hold. */
const DEPENDENTS: readonly (readonly [string, string, RegExp])[] = [
  ["a view", "create view v as select a from t", /view v/],
  ["a materialized view", "create materialized view v as select a from t", /view v/],
  ["a view's condition", "create view v as select 1 as x from t where a > 0", /view v/],
  ["a rule", "create rule r as on insert to t where new.a > 5 do nothing", /rule r/],
  ["a generated column", "alter table t add g bigint generated always as (a) stored", /column g/],
  ["a CHECK", "alter table t add constraint k check (a > 0)", /constraint k/],
  ["a UNIQUE", "alter table t add constraint k unique (a)", /constraint k/],
  ["a primary key", "alter table t add constraint k primary key (a)", /constraint k/],
  [
    "a foreign key",
    "create table p (id bigint primary key); alter table t add constraint k foreign key (a) " +
    "references p",
    /constraint k/,
  ],
  [
    "somebody's foreign key",
    "alter table t add unique (a); create table c (a bigint references t (a))",
    /constraint/,
  ],
  [
    "an exclusion",
    "alter table t add constraint k exclude using btree (a with =)",
    /constraint k/,
  ],
  ["a unique index", "create unique index x on t (a)", /index x/],
  ["an index expression", "create index x on t ((a + 1))", /index x/],
  ["a partial index", "create index x on t (b) where a > 0", /index x/],
  ["a hash index", "create index x on t using hash (a)", /index x/],
  ["a default", "alter table t alter a set default 5", /default value/],
  ["statistics", "create statistics s on a, b from t", /statistics object s/],
  ["a policy", "create policy p on t using (a > 0)", /policy p/],
  ["a column list of a publication", "create publication pub for table t (a)", /publication/],
  [
    "a trigger OF the column",
    "create function f() returns trigger language plpgsql as 'begin return new; end'; " +
    "create trigger g before update of a on t for each row execute function f()",
    /trigger g/,
  ],
  [
    "a trigger WHEN",
    "create function f() returns trigger language plpgsql as 'begin return new; end'; " +
    "create trigger g before insert on t for each row when (new.a > 0) execute function f()",
    /trigger g/,
  ],
  [
    "an SQL function",
    "create function f() returns bigint begin atomic select a from t; end",
    /function f/,
  ],
  ["a partition", "create table child () inherits (t)", /inherits/],
];

for (const [what, statements, reason] of DEPENDENTS) {
  testOnBoth(`change() refuses to widen below ${what}`, async ({ sql, store }) => {
    await create(store, { key: "a", type: "bigint" }, { key: "b", type: "bigint" });
    await sql.unsafe(statements);
    const { refused } = await widen(store, { a: "text" });
    assert.deepEqual(refused.map(({ kind, name }) => [kind, name]), [["widening", "a"]]);
    assert.match(refused[0]?.reason ?? "", reason);
    assert.equal(await typeOf(sql, "a"), "bigint");
  });
}

Deno.test("change() widens the others when one column is refused", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await create(store, { key: "a", type: "bigint" }, { key: "b", type: "bigint" });
  await sql`create view v as select a from t`;
  const { refused } = await widen(store, { a: "text", b: "text" });
  assert.deepEqual(refused.map(({ name }) => name), ["a"]);
  assert.equal(await typeOf(sql, "b"), "text");
});

Deno.test("change() widens the others when PostgreSQL refuses one conversion", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await create(store, { key: "a", type: "bigint" }, { key: "b", type: "bigint" });
  await sql.unsafe(`create table holder (r t); insert into holder values (null)`);
  const both = await widen(store, { a: "text", b: "text" });
  assert.deepEqual(both.refused.map(({ name }) => name), ["a", "b"]);
  assert.match(both.refused[0]?.reason ?? "", /PostgreSQL says: /);
});

Deno.test("change() widens a column that somebody made NOT NULL", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await create(store, { key: "a", type: "bigint" });
  await sql`alter table t alter a set not null`;
  assert.deepEqual((await widen(store, { a: "text" })).refused, []);
});

Deno.test("change() never widens a column made by hand", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (a bigint)`;
  const { refused } = await widen(store, { a: "text" });
  assert.match(refused[0]?.reason ?? "", /was not made by this program/);
});

Deno.test("change() never widens a column made by hand in place of its own", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await create(store, { key: "a", type: "bigint" });
  await sql`alter table t drop column a, add column a bigint`;
  const { refused } = await widen(store, { a: "text" });
  assert.match(refused[0]?.reason ?? "", /was not made by this program/);
});

Deno.test("change() never widens a column of its own whose type somebody changed", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await create(store, { key: "a", type: "bigint" }, { key: "b", type: "bigint" });
  await sql`alter table t alter a type numeric, alter b type int`;
  const { refused } = await widen(store, { a: "text", b: "text" });
  assert.match(refused[0]?.reason ?? "", /somebody has changed/);
  assert.match(refused[1]?.reason ?? "", /int4/);
});

Deno.test("change() refuses to rewrite a table beyond the bound", async () => {
  await using fixture = await openFixture(server, { rewriteBytesMax: 100_000 });
  const { sql, store } = fixture;
  await create(store, { key: "a", type: "bigint" });
  await sql`insert into t select generate_series(1, 10000)`;
  const { refused } = await widen(store, { a: "text" });
  assert.match(refused[0]?.reason ?? "", /too large/);
});

Deno.test("change() refuses a widening while a reader holds the table, and does it later", async () => {
  await using fixture = await openFixture(server, {
    timeouts: { lockMs: 50, statementMs: 10_000 },
  });
  const { sql, store } = fixture;
  await create(store, { key: "a", type: "bigint" }, { key: "b", type: "bigint" });
  await sql.begin(async (reader) => {
    await reader`select from t`;
    const { refused, table } = await widen(store, { a: "text", b: "text" });
    assert.deepEqual(refused.map(({ name }) => name), ["a", "b"]);
    assert.match(refused[0]?.reason ?? "", /locked/);
    assert.deepEqual(table, await describeTable(store, "t"));
  });
  assert.deepEqual((await widen(store, { a: "text" })).refused, []);
});

Deno.test("change() adds columns and widens others in one call", async () => {
  await using fixture = await openFixture(server);
  const { store } = fixture;
  await create(store, { key: "a", type: "bigint" });
  const { table, refused } = await store.tables.change({
    ...NOTHING,
    table: named("t"),
    columns: [{ key: "b", type: "text" }],
    widenings: [{ columnName: "a", type: "text" }],
    overflow: true,
  });
  assert.deepEqual(refused, []);
  assert.deepEqual(table.columns.map(({ name, typeName }) => [name, typeName]), [
    ["a", "text"],
    ["b", "text"],
    ["_overflow", "jsonb"],
  ]);
});

Deno.test("write() says plan-stale after a widening", async () => {
  await using fixture = await openFixture(server);
  const { store } = fixture;
  await create(store, { key: "a", type: "bigint" });
  const before = await describeTable(store, "t");
  await widen(store, { a: "text" });
  const outcome = await store.tables.write(flushOf(before, [{ sequence: 1, rows: ["1"] }]));
  assert.equal(outcome.kind, "plan-stale");
});
