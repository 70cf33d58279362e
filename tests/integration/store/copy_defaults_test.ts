/** DEFAULTs in COPY: by marker where the server knows one, by runs of rows where it does not. */
import assert from "node:assert/strict";
import { sharedPostgres } from "../../support/servers.ts";
import { committed, describeTable, flushOf, openFixture, testOnBoth } from "./store_fixture.ts";

const server = await sharedPostgres();
const oldServer = await sharedPostgres("15");

Deno.test("supportsDefaultMarker is true from PostgreSQL 16 on", async () => {
  await using now = await openFixture(server);
  await using old = await openFixture(oldServer);
  assert.equal(now.store.tables.supportsDefaultMarker, true);
  assert.equal(old.store.tables.supportsDefaultMarker, false);
});

Deno.test("write() takes the DEFAULT for the marker and NULL for null", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (a text default 'fallback', b int default 5)`;
  const table = await describeTable(store, "t");
  const rows = ["\\D\t\\D", "\\N\t1", "\\\\D\t\\N"];
  committed(
    await store.tables.write(flushOf(table, [{ sequence: 1, rows }], { defaultMarker: "\\D" })),
  );
  const landed = await sql`select a, b from t order by ctid`;
  assert.deepEqual(landed.map(({ a, b }) => [a, b]), [
    ["fallback", 5],
    [null, 1],
    ["\\D", null],
  ]);
});

testOnBoth("write() sends each run with its columns, in row order", async ({ sql, store }) => {
  await sql`create table t (n serial, a text default 'fallback', b int)`;
  const table = await describeTable(store, "t");
  const flush = flushOf(table, [{ sequence: 1, rows: ["x\t1", "2", "3", "y\t4", ""] }], {
    runs: [
      { firstRow: 0, rowCount: 1, columns: ["a", "b"] },
      { firstRow: 1, rowCount: 2, columns: ["b"] },
      { firstRow: 3, rowCount: 1, columns: ["a", "b"] },
      { firstRow: 4, rowCount: 1, columns: [] },
    ],
  });
  assert.equal(committed(await store.tables.write(flush)).rowsWritten, 5);
  const landed = await sql`select a, b from t order by n`;
  assert.deepEqual(landed.map(({ a, b }) => [a, b]), [
    ["x", 1],
    ["fallback", 2],
    ["fallback", 3],
    ["y", 4],
    ["fallback", null],
  ]);
});

testOnBoth("write() isolates refused rows across runs and known messages", async (fixture) => {
  const { sql, store } = fixture;
  await sql`create table t (n serial, a text default 'fallback', b int)`;
  const table = await describeTable(store, "t");
  const columns = ["b"];
  await store.tables.write(flushOf(table, [{ sequence: 2, rows: ["20", "21"] }], { columns }));
  const flush = flushOf(table, [
    { sequence: 1, rows: ["x\t10", "y\tbad", "12"] },
    { sequence: 2, rows: ["20", "z\t21"] },
    { sequence: 3, rows: ["bad", "31"] },
  ], {
    runs: [
      { firstRow: 0, rowCount: 2, columns: ["a", "b"] },
      { firstRow: 2, rowCount: 2, columns: ["b"] },
      { firstRow: 4, rowCount: 1, columns: ["a", "b"] },
      { firstRow: 5, rowCount: 2, columns: ["b"] },
    ],
  });
  const outcome = committed(await store.tables.write(flush));
  assert.equal(outcome.rowsWritten, 3);
  assert.deepEqual(outcome.rejects.map((one) => [one.identity?.sequence, one.ordinal]), [
    [1, 1],
    [3, 0],
  ]);
  const landed = await sql`select b from t order by n`;
  assert.deepEqual(landed.map(({ b }) => b), [20, 21, 10, 12, 31]);
});
