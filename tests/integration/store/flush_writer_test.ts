/** Flushes on a real server: the ledger, and tables that changed or refuse meanwhile. */
import assert from "node:assert/strict";
import { TableUnavailableError } from "../../../lib/errors.ts";
import { sharedPostgres } from "../../support/servers.ts";
import {
  committed,
  describeTable,
  flushOf,
  identity,
  openFixture,
  ORIGIN,
  rejectOf,
  testOnBoth,
} from "./store_fixture.ts";

const server = await sharedPostgres();

testOnBoth("write() commits rows and ledger entries", async ({ sql, store }) => {
  await sql`create table t (a int, b text)`;
  const table = await describeTable(store, "t");
  const outcome = await store.tables.write(flushOf(table, [
    { sequence: 1, rows: ["1\tx", "2\ty"] },
    { sequence: 2, rows: [] },
    { sequence: 3, rows: ["3\tz"] },
  ]));
  assert.deepEqual(outcome, {
    kind: "committed",
    rowsWritten: 3,
    rejects: [],
    known: [],
    gone: [],
  });
  assert.deepEqual([...await sql`select a, b from t order by a`], [
    { a: 1, b: "x" },
    { a: 2, b: "y" },
    { a: 3, b: "z" },
  ]);
  const entries = await sql`select seq::int from state_tables.delivered order by seq`;
  assert.deepEqual(entries.map(({ seq }) => seq), [1, 2, 3]);
});

testOnBoth("write() writes only what the ledger does not know", async ({ sql, store }) => {
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  await store.tables.write(flushOf(table, [
    { sequence: 2, rows: ["20", "21"] },
    { sequence: 4, rows: ["40"] },
  ]));
  const outcome = committed(
    await store.tables.write(flushOf(table, [
      { sequence: 1, rows: ["10"] },
      { sequence: 2, rows: ["20", "21"] },
      { sequence: 3, rows: ["30"] },
      { sequence: 4, rows: ["40"] },
      { sequence: 5, rows: ["50"] },
    ])),
  );
  assert.equal(outcome.rowsWritten, 3);
  assert.deepEqual(outcome.known.map(({ index }) => index), [1, 3]);
  const rows = await sql`select a from t order by a`;
  assert.deepEqual(rows.map(({ a }) => a), [10, 20, 21, 30, 40, 50]);
});

testOnBoth("write() says plan-stale when a column was retyped", async ({ sql, store }) => {
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  await sql`alter table t alter a type bigint`;
  const outcome = await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }]));
  assert.deepEqual(outcome, { kind: "plan-stale" });
  assert.equal((await sql`select from state_tables.delivered`).length, 0);
});

testOnBoth("write() says plan-stale when the table is gone", async ({ sql, store }) => {
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  await sql`drop table t`;
  const outcome = await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }]));
  assert.deepEqual(outcome, { kind: "plan-stale" });
});

for (
  const [what, statement] of [
    ["a column was added", "alter table t add b int"],
    ["a column was renamed", "alter table t rename a to b"],
    ["another table took the name", "alter table t rename to old; create table t (a int)"],
    ["a view took the name", "alter table t rename to old; create view t as select 1 as a"],
  ] as const
) {
  Deno.test(`write() says plan-stale when ${what}`, async () => {
    await using fixture = await openFixture(server);
    const { sql, store } = fixture;
    await sql`create table t (a int)`;
    const table = await describeTable(store, "t");
    await sql.unsafe(statement);
    const outcome = await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }]));
    assert.deepEqual(outcome, { kind: "plan-stale" });
  });
}

Deno.test("write() repeats what rejected holds of a known message", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  const rejects = [0, 1, 2, 3].map((ordinal) => ({
    ...rejectOf(identity(1), ordinal),
    reason: `reason ${ordinal}`,
  }));
  const flush = flushOf(table, [{ sequence: 1, rows: ["1"] }, { sequence: 2, rows: ["2"] }], {
    rejects,
  });
  assert.equal(committed(await store.tables.write(flush)).rejects.length, 4);
  const again = committed(await store.tables.write(flush));
  assert.deepEqual(again, {
    kind: "committed",
    rowsWritten: 0,
    rejects: [],
    known: [
      { index: 0, rejectCount: 4, reasons: ["reason 0", "reason 1", "reason 2"] },
      { index: 1, rejectCount: 0, reasons: [] },
    ],
    gone: [],
  });
  assert.equal((await sql`select from state_tables.rejected`).length, 4);
});

Deno.test("write() makes rows of defaults when no column is sent", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (a int default 7)`;
  const table = await describeTable(store, "t");
  const flush = flushOf(table, [{ sequence: 1, rows: ["", ""] }], { columns: [] });
  assert.equal(committed(await store.tables.write(flush)).rowsWritten, 2);
  assert.deepEqual((await sql`select a from t`).map(({ a }) => a), [7, 7]);
});

Deno.test("write() writes into a partitioned table", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql.unsafe(`create table t (a int) partition by range (a);
    create table t_low partition of t for values from (0) to (10)`);
  const table = await describeTable(store, "t");
  const outcome = committed(
    await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1", "11"] }])),
  );
  assert.equal(outcome.rowsWritten, 1);
  assert.equal(outcome.rejects[0]?.sqlState, "23514");
});

for (
  const [kind, statement] of [
    ["a view", "create view t as select 1 as a"],
    ["a materialized view", "create materialized view t as select 1 as a"],
    ["a sequence", "create sequence t"],
  ] as const
) {
  Deno.test(`write() refuses ${kind} by name`, async () => {
    await using fixture = await openFixture(server);
    const { sql, store } = fixture;
    await sql.unsafe(statement);
    const table = await describeTable(store, "t");
    await assert.rejects(
      store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }], { columns: ["a"] })),
      (error) => error instanceof TableUnavailableError && error.message.endsWith(`it is ${kind}`),
    );
  });
}

Deno.test("write() says locked when somebody holds the table", async () => {
  await using fixture = await openFixture(server, {
    timeouts: { lockMs: 50, statementMs: 10_000 },
  });
  const { sql, store } = fixture;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  const holder = await sql.reserve();
  try {
    await holder`begin`;
    await holder`lock table t in share mode`;
    await assert.rejects(
      store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }])),
      (error) => error instanceof TableUnavailableError && error.kind === "locked",
    );
  } finally {
    await holder`rollback`;
    holder.release();
  }
});

Deno.test("write() keeps incarnations of a stream apart", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  const renewed = { ...ORIGIN, created: "2026-11-25T00:00:00Z" };
  const outcome = committed(
    await store.tables.write(flushOf(table, [
      { sequence: 1, rows: ["1"] },
      { sequence: 1, rows: ["2"], origin: renewed },
    ])),
  );
  assert.equal(outcome.rowsWritten, 2);
  assert.equal((await sql`select from state_tables.source`).length, 2);
});

Deno.test("write() leaves no ledger entry for messages without identity", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  const flush = flushOf(table, [{ sequence: null, rows: ["1"] }], {
    rejects: [rejectOf(null, 1), rejectOf(null, 1)],
  });
  await store.tables.write(flush);
  assert.equal((await sql`select from state_tables.delivered`).length, 0);
  assert.equal((await sql`select from state_tables.rejected where source is null`).length, 2);
});

Deno.test("write() keeps a reject whose names hold NUL", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  const rejects = [{ ...rejectOf(identity(1), 0), columnName: "a\0b", routeId: "r\0" }];
  await store.tables.write(flushOf(table, [{ sequence: 1, rows: [] }], { rejects }));
  const [row] = await sql`select column_name, route_id from state_tables.rejected`;
  assert.deepEqual(row, { column_name: "a\ufffdb", route_id: "r\ufffd" });
});
