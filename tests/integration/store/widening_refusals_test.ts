/** Everything that stands against widening a column in place, on a real server. */
import assert from "node:assert/strict";
import { sharedPostgres } from "../../support/servers.ts";
import { describeTable, openFixture, testOnBoth } from "./store_fixture.ts";
import { create, typeOf, widen } from "./widening_setup.ts";

const server = await sharedPostgres();

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
