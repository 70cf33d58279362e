/** The ledger's tables dropped while the program runs: they are made anew, and it says so. */
import assert from "node:assert/strict";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import { openStore } from "../../../lib/store/store.ts";
import { sharedPostgres } from "../../support/servers.ts";
import {
  committed,
  describeTable,
  flushOf,
  identity,
  openFixture,
  ORIGIN,
  rejectOf,
  storeOptions,
  testOnBoth,
} from "./store_fixture.ts";

const server = await sharedPostgres();

/** A flush that found tables gone is repeated, as its caller would. */
async function onceMore<T>(work: () => Promise<T>): Promise<T> {
  await assert.rejects(work(), StoreUnavailableError);
  return await work();
}

testOnBoth("write() lands again when the ledger's schema was dropped", async (fixture) => {
  const { sql, store, log } = fixture;
  await sql`create table t (id bigint)`;
  const table = await describeTable(store, "t");
  committed(await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }])));
  await sql`drop schema state_tables cascade`;
  const second = flushOf(table, [{ sequence: 2, rows: ["2"] }]);
  committed(await onceMore(() => store.tables.write(second)));
  assert.equal((await sql`select from t`).length, 2);
  const [line] = log.lines.filter(({ message }) => /were dropped and are made anew/.test(message));
  assert.deepEqual(line?.fields.tables, [
    "source",
    "delivered",
    "delivered_span",
    "ack_floor",
    "rejected",
    "schema_change",
    "version",
  ]);
});

Deno.test("write() lands again when a single table of the ledger was dropped", async () => {
  for (const name of ["source", "delivered", "rejected", "version"]) {
    await using fixture = await openFixture(server);
    const { sql, store } = fixture;
    await sql`create table t (id bigint)`;
    const table = await describeTable(store, "t");
    committed(await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }])));
    await sql`drop table state_tables.${sql(name)}`;
    const second = flushOf(table, [{ sequence: 2, rows: ["2"] }], {
      rejects: [rejectOf(identity(2), 1)],
    });
    // Nothing of a flush reads the version.
    if (name === "version") committed(await store.tables.write(second));
    else committed(await onceMore(() => store.tables.write(second)));
    assert.equal((await sql`select from t`).length, 2, name);
  }
});

Deno.test("write() never takes a message for known when another instance made the ledger anew", async () => {
  await using fixture = await openFixture(server);
  const { sql, store, database } = fixture;
  await sql`create table t (id bigint)`;
  const table = await describeTable(store, "t");
  committed(await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }])));
  await sql`drop schema state_tables cascade`;
  const other = await openStore(storeOptions(database.dsn));
  const origin = { ...ORIGIN, stream: "another" };
  committed(await other.tables.write(flushOf(table, [{ sequence: 2, rows: ["2"], origin }])));
  await other.close(1_000);
  const again = flushOf(table, [{ sequence: 2, rows: ["3"] }]);
  committed(await onceMore(() => store.tables.write(again)));
  assert.deepEqual((await sql`select id from t order by id`).map(({ id }) => id), ["1", "2", "3"]);
  const sources = await sql`select distinct source from state_tables.delivered`;
  assert.equal(sources.length, 2);
});

Deno.test("read() of rejects makes the tables anew when they were dropped", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`drop schema state_tables cascade`;
  assert.deepEqual(await onceMore(() => store.rejects.parkedProcessors()), []);
});

Deno.test("write() waits when the role may not make the ledger's tables anew", async () => {
  await using fixture = await openFixture(server);
  const { sql, database } = fixture;
  const role = `role_${database.name}`;
  await sql.unsafe(`create role ${role} login; create table t (id bigint);
    grant insert, select on t to ${role};
    grant create on database ${database.name} to ${role}; drop schema state_tables cascade`);
  const target = storeOptions(database.dsn).target;
  const plain = await openStore({
    ...storeOptions(database.dsn),
    target: { ...target, user: role },
  });
  const table = await describeTable(plain, "t");
  await sql.unsafe(`drop schema state_tables cascade;
    revoke create on database ${database.name} from ${role}`);
  const flush = flushOf(table, [{ sequence: 1, rows: ["1"] }]);
  await assert.rejects(plain.tables.write(flush), (error) => {
    assert.ok(error instanceof StoreUnavailableError);
    assert.match(error.message, /Cannot make the ledger's tables anew: .*must have CREATE/);
    return true;
  });
  await sql.unsafe(`grant create on database ${database.name} to ${role}`);
  committed(await onceMore(() => plain.tables.write(flush)));
  await plain.close(1_000);
  await sql.unsafe(`drop owned by ${role}; drop role ${role}`);
});
