/** Two instances that hold the same messages: whatever the order, one copy of each row. */
import assert from "node:assert/strict";
import { storedNs } from "../../../lib/ingest/delivery.ts";
import { openStore } from "../../../lib/store/store.ts";
import { sharedPostgres, waitFor } from "../../support/servers.ts";
import { describeTable, flushOf, identity, openFixture, storeOptions } from "./store_fixture.ts";

const server = await sharedPostgres();

Deno.test("write() by two instances at once writes each message once", async () => {
  await using fixture = await openFixture(server);
  const { store, sql, database } = fixture;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  const other = await openStore(storeOptions(database.dsn));
  try {
    for (let round = 0; round < 40; round++) {
      // Overlapping halves, in opposite orders: the sorted insert keeps them from deadlocking.
      const sequences = Array.from({ length: 30 }, (_, n) => round * 30 + n + 1);
      const messages = sequences.map((sequence) => ({ sequence, rows: [String(sequence)] }));
      await Promise.all([
        store.tables.write(flushOf(table, messages.slice(0, 20))),
        other.tables.write(flushOf(table, messages.slice(10).toReversed())),
      ]);
    }
  } finally {
    await other.close(1_000);
  }
  const [row] = await sql`select count(*)::int as n, count(distinct a)::int as different from t`;
  assert.deepEqual(row, { n: 1_200, different: 1_200 });
});

Deno.test("write() waits for another instance's transaction, then knows its messages", async () => {
  await using fixture = await openFixture(server);
  const { store, sql } = fixture;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  const message = { sequence: 1, rows: ["1"] };
  await store.tables.write(flushOf(table, [message]));
  await sql`delete from state_tables.delivered`;
  await sql`delete from t`;
  const outcome = await sql.begin(async (holder) => {
    await holder`insert into state_tables.delivered
      select id, 1, ${storedNs(identity(1))}
      from state_tables.source`;
    const writing = store.tables.write(flushOf(table, [message]));
    await waitFor(
      async () =>
        (await sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`).length > 0,
      { what: "the flush to wait" },
    );
    return { writing };
  });
  assert.deepEqual(await outcome.writing, {
    kind: "committed",
    rowsWritten: 0,
    rejects: [],
    known: [{ index: 0, rejectCount: 0, reasons: [] }],
    gone: [],
  });
});

Deno.test("store does everything with one connection", async () => {
  await using fixture = await openFixture(server, { pool: { openMax: 1, idleMax: 1 } });
  const { store, sql } = fixture;
  const writes = Array.from({ length: 10 }, async (_, n) => {
    const name = `t${n % 3}`;
    await store.catalog.findProcessor(null, "nobody");
    const { table } = await store.tables.change({
      table: { fullName: name, legacyName: null },
      columns: [{ key: "a", type: "bigint" }],
      widenings: [],
      overflow: false,
      indexKeys: [],
      reason: "test",
      cause: null,
    });
    const outcome = await store.tables.write(
      flushOf(table, [{ sequence: n + 1, rows: ["1", "x"] }]),
    );
    return outcome.kind;
  });
  assert.deepEqual(new Set(await Promise.all(writes)), new Set(["committed"]));
  const [row] = await sql`select count(*)::int as n from pg_stat_activity
    where datname = current_database() and application_name <> 'postgres.js'`;
  assert.ok(Number(row?.n) <= 1);
});

Deno.test("store works without prepared statements", async () => {
  await using fixture = await openFixture(server, { prepare: false });
  const { store } = fixture;
  const { table } = await store.tables.change({
    table: { fullName: "t", legacyName: null },
    columns: [{ key: "a", type: "bigint" }],
    widenings: [],
    overflow: false,
    indexKeys: [],
    reason: "test",
    cause: null,
  });
  const flush = flushOf(table, [{ sequence: 1, rows: ["1", "x"] }]);
  assert.equal((await store.tables.write(flush)).kind, "committed");
  assert.equal((await store.tables.write(flush)).kind, "committed");
  assert.equal(await store.catalog.findProcessor("r", null), null);
});
