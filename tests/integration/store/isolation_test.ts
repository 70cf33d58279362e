/** Rows that PostgreSQL refuses, on a real server: found, kept as rejects, the others landed in order. */
import assert from "node:assert/strict";
import { TableUnavailableError } from "../../../lib/errors.ts";
import { sharedPostgres } from "../../support/servers.ts";
import { committed, describeTable, flushOf, openFixture, testOnBoth } from "./store_fixture.ts";

const server = await sharedPostgres();

testOnBoth("write() isolates the rows that PostgreSQL refuses", async ({ sql, store }) => {
  await sql`create table t (n serial, a int not null check (a < 100))`;
  const table = await describeTable(store, "t");
  const rows = Array.from({ length: 300 }, (_, row) => String(row % 100));
  rows[17] = "x";
  rows[150] = "\\N";
  rows[299] = "100";
  const outcome = committed(
    await store.tables.write(flushOf(table, [{ sequence: 1, rows }], { columns: ["a"] })),
  );
  assert.equal(outcome.rowsWritten, 297);
  assert.deepEqual(
    outcome.rejects.map(({ ordinal, sqlState }) => [ordinal, sqlState]),
    [[17, "22P02"], [150, "23502"], [299, "23514"]],
  );
  assert.equal(outcome.rejects[1]?.columnName, "a");
  assert.equal(outcome.rejects[2]?.constraintName, "t_a_check");
  const kept = await sql`select ordinal, sqlstate, record from state_tables.rejected order by id`;
  assert.deepEqual(kept[0], { ordinal: 17, sqlstate: "22P02", record: '{"line":"x"}' });
  assert.equal(kept.length, 3);
});

testOnBoth("write() keeps the order of rows when it isolates", async ({ sql, store }) => {
  await sql`create table t (n serial, a int not null)`;
  const table = await describeTable(store, "t");
  const rows = Array.from({ length: 200 }, (_, row) => row % 50 === 7 ? "bad" : String(row));
  await store.tables.write(flushOf(table, [{ sequence: 1, rows }], { columns: ["a"] }));
  const landed = (await sql`select a from t order by n`).map(({ a }) => Number(a));
  assert.deepEqual(landed, landed.toSorted((a, b) => a - b));
  assert.equal(landed.length, 196);
});

testOnBoth("write() finds rows that only a deferred constraint refuses", async (fixture) => {
  const { sql, store } = fixture;
  await sql`create table parent (id int primary key)`;
  await sql`insert into parent select generate_series(0, 9)`;
  await sql`create table t (a int references parent deferrable initially deferred)`;
  const table = await describeTable(store, "t");
  const outcome = committed(
    await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1", "77", "3"] }])),
  );
  assert.equal(outcome.rowsWritten, 2);
  assert.deepEqual(outcome.rejects.map(({ ordinal }) => ordinal), [1]);
  assert.equal(outcome.rejects[0]?.sqlState, "23503");
});

Deno.test("write() isolates rows of a flush that the ledger knows in part", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  await store.tables.write(flushOf(table, [{ sequence: 2, rows: ["2"] }]));
  const outcome = committed(
    await store.tables.write(flushOf(table, [
      { sequence: 1, rows: ["1", "x"] },
      { sequence: 2, rows: ["2"] },
      { sequence: 3, rows: ["3"] },
    ])),
  );
  assert.equal(outcome.rowsWritten, 2);
  assert.deepEqual(outcome.rejects.map((reject) => reject.identity?.sequence), [1]);
  const rows = await sql`select a from t order by a`;
  assert.deepEqual(rows.map(({ a }) => a), [1, 2, 3]);
});

Deno.test("write() takes a unique index of the table for data, not for the ledger", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table delivered (a int unique)`;
  const table = await describeTable(store, "delivered");
  const outcome = committed(
    await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1", "1", "2"] }])),
  );
  assert.equal(outcome.rowsWritten, 2);
  assert.deepEqual(outcome.rejects.map(({ ordinal, sqlState }) => [ordinal, sqlState]), [
    [1, "23505"],
  ]);
});

Deno.test("write() names the table when it refuses most rows", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (a int check (a < 0))`;
  const table = await describeTable(store, "t");
  const rows = Array.from({ length: 1_000 }, (_, row) => String(row));
  await assert.rejects(
    store.tables.write(flushOf(table, [{ sequence: 1, rows }])),
    (error) =>
      error instanceof TableUnavailableError && error.kind === "refused" &&
      error.sqlState === "23514",
  );
  assert.equal((await sql`select from state_tables.delivered`).length, 0);
});

Deno.test("write() blames the table when its trigger calls what is gone", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (a int)`;
  await sql.unsafe(`
    create function broken() returns trigger language plpgsql as
      $$ begin insert into nowhere values (1); return new; end $$;
    create trigger broken before insert on t for each row execute function broken()`);
  const table = await describeTable(store, "t");
  await assert.rejects(
    store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }])),
    (error) => error instanceof TableUnavailableError && error.kind === "refused",
  );
});

/** A row that cannot land among two that can: how the table is made, the row, the SQLSTATE. */
const POISON: readonly (readonly [string, string, string, string])[] = [
  ["too long for its varchar", "create table t (a varchar(3))", "abcd", "22001"],
  ["out of range", "create table t (a int2)", "40000", "22003"],
  ["no label of its enum", "create type e as enum ('x', '1'); create table t (a e)", "y", "22P02"],
  [
    "refused by its domain",
    "create domain d as int check (value < 5); create table t (a d)",
    "7",
    "23514",
  ],
  [
    "refused by a trigger",
    `create table t (a text);
     create function f() returns trigger language plpgsql as
       $$ begin if new.a = 'bad' then raise exception 'no bad rows'; end if; return new; end $$;
     create trigger g before insert on t for each row execute function f()`,
    "bad",
    "P0001",
  ],
  ["a NUL escape", "create table t (a text)", "\\x00", "22021"],
  ["no UTF-8", "create table t (a text)", "\\xff", "22021"],
  ["no JSON", "create table t (a jsonb)", "{", "22P02"],
  ["JSON with a NUL", "create table t (a jsonb)", '"\\\\u0000"', "22P05"],
  [
    "JSON nested too deep",
    "create table t (a jsonb)",
    "[".repeat(100_000) + "]".repeat(100_000),
    "54001",
  ],
  [
    "a number beyond numeric",
    "create table t (a numeric)",
    "1e200000",
    "22003",
  ],
  [
    "in no partition",
    "create table t (a int) partition by range (a);" +
    "create table p partition of t for values from (0) to (5)",
    "9",
    "23514",
  ],
  [
    "too large for its index",
    "create table t (a text); create index on t (a)",
    randomText(9_000),
    "54000",
  ],
  ["with too many fields", "create table t (a text)", "x\ty", "22P04"],
];

for (const [what, statements, row, sqlState] of POISON) {
  testOnBoth(`write() isolates a row that is ${what}`, async ({ sql, store }) => {
    await sql.unsafe(statements);
    const table = await describeTable(store, "t");
    const rows = ["1", row, "1"];
    const outcome = committed(
      await store.tables.write(flushOf(table, [{ sequence: 1, rows }], { columns: ["a"] })),
    );
    assert.equal(outcome.rowsWritten, 2);
    assert.deepEqual(
      outcome.rejects.map((reject) => [reject.ordinal, reject.sqlState]),
      [[1, sqlState]],
    );
    assert.equal((await sql`select from t`).length, 2);
    assert.equal((await sql`select from state_tables.rejected`).length, 1);
  });
}

testOnBoth("write() isolates a row that is too big for its page", async ({ sql, store }) => {
  const names = Array.from({ length: 1_100 }, (_, at) => `c${at}`);
  await sql.unsafe(`create table t (${names.map((name) => `${name} bigint`).join(", ")})`);
  const table = await describeTable(store, "t");
  const small = names.map((_, at) => at === 0 ? "1" : "\\N").join("\t");
  const rows = Array.from(
    { length: 60 },
    (_, at) => at === 40 ? names.map(() => "1").join("\t") : small,
  );
  const outcome = committed(await store.tables.write(flushOf(table, [{ sequence: 1, rows }])));
  assert.equal(outcome.rowsWritten, 59);
  assert.deepEqual(outcome.rejects.map((reject) => [reject.ordinal, reject.sqlState]), [
    [40, "54000"],
  ]);
});

/** Text that does not compress, always the same. */
function randomText(length: number): string {
  let state = 1;
  let text = "";
  while (text.length < length) {
    state = (state * 48_271) % 2_147_483_647;
    text += state.toString(36);
  }
  return text;
}
