/** Columns widened in place on a real server: values, types and the record of it. */
import assert from "node:assert/strict";
import type postgres from "postgres";
import type { ColumnType } from "../../../lib/schema/column_type.ts";
import type { Store } from "../../../lib/store/store.ts";
import { sharedPostgres } from "../../support/servers.ts";
import {
  committed,
  describeTable,
  flushOf,
  named,
  openFixture,
  testOnBoth,
} from "./store_fixture.ts";
import { create, NOTHING, typeOf, widen } from "./widening_setup.ts";

const server = await sharedPostgres();

async function write(store: Store, rows: readonly string[]): Promise<void> {
  const table = await describeTable(store, "t");
  committed(await store.tables.write(flushOf(table, [{ sequence: null, rows }])));
}

async function textsOf(sql: postgres.Sql, column: string): Promise<readonly string[]> {
  const rows = await sql`select ${sql(column)}::text as text from t order by ctid`;
  return rows.map(({ text }) => text);
}

const VALUES: Readonly<Record<string, readonly string[]>> = {
  bigint: ["0", "-9223372036854775808", "9223372036854775807"],
  "double precision": ["0.1", "1e+20", "5e-324", "1.7976931348623157e+308", "12345678.12345679"],
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
  await write(store, ["9223372036854775807\t0.1", "-1\t1234567.1234567892"]);
  const changed = await widen(store, { i: "numeric", d: "numeric" });
  assert.deepEqual(changed.refused, []);
  assert.deepEqual(changed.table.columns.map(({ typeName }) => typeName), ["numeric", "numeric"]);
  assert.deepEqual(await textsOf(sql, "i"), ["9223372036854775807", "-1"]);
  assert.deepEqual(await textsOf(sql, "d"), ["0.1", "1234567.1234567892"]);
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
  assert.equal(await typeOf(sql, "a"), "text");
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

Deno.test("change() adds columns and widens others with one connection", async () => {
  await using fixture = await openFixture(server, { pool: { openMax: 1, idleMax: 1 } });
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
