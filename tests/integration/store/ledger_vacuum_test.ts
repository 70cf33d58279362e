/** The space of pruned ledger entries is used again, without autovacuum. */
import assert from "node:assert/strict";
import type postgres from "postgres";
import { openStore } from "../../../lib/store/store.ts";
import { sharedPostgres, uniqueName, waitFor } from "../../support/servers.ts";
import {
  describeTable,
  flushOf,
  openFixture,
  ORIGIN,
  type StoreFixture,
  storeOptions,
  testOnBoth,
} from "./store_fixture.ts";

const server = await sharedPostgres();

/** Entries that are worth a VACUUM. */
const ENTRIES = 12_000;

/** Rounds of the same size in which nothing grows, and rounds until then at most. */
const STEADY = 4;
const ROUNDS_MAX = 40;

/** Makes the source known, and keeps autovacuum away from the ledger. */
async function begin({ sql, store }: StoreFixture): Promise<void> {
  await sql`alter table state_tables.delivered set (autovacuum_enabled = false)`;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }]));
}

/** Fills the ledger from `first` on and prunes all of it. */
async function fillAndPrune(
  { sql, store }: StoreFixture,
  first: number,
  entries = ENTRIES,
): Promise<void> {
  const last = first + entries - 1;
  await sql`insert into state_tables.delivered
    select s.id, n, 1763976000000000000 + n
    from state_tables.source s, generate_series(${first}::bigint, ${last}::bigint) n`;
  await store.pruner.recordFloor({ origin: ORIGIN, sequence: last });
  while (await store.pruner.prune(ORIGIN, 0));
}

async function sizeOf(sql: postgres.Sql): Promise<number> {
  const [row] = await sql`select pg_total_relation_size('state_tables.delivered')::int as bytes`;
  return row?.bytes;
}

/** How often VACUUM ran on a table of the ledger since the database was made. */
async function vacuums(sql: postgres.Sql, table = "delivered"): Promise<number> {
  await sql`select pg_stat_force_next_flush()`;
  const [row] = await sql`select vacuum_count::int as n from pg_stat_all_tables
    where schemaname = 'state_tables' and relname = ${table}`;
  return row?.n;
}

async function reclaim({ store }: StoreFixture): Promise<void> {
  await store.pruner.reclaim(new AbortController().signal);
}

// An index page is used again only after transactions that might still look at it are over, those of
// other databases of the server, too: so its size stays only after a while.
testOnBoth("reclaim() keeps the ledger's size while it is filled and pruned", async (fixture) => {
  const { sql } = fixture;
  await begin(fixture);
  const sizes: number[] = [];
  const isSteady = (): boolean => sizes.length > STEADY && new Set(sizes.slice(-STEADY)).size === 1;
  for (let round = 0; round < ROUNDS_MAX && !isSteady(); round++) {
    await fillAndPrune(fixture, 2 + round * ENTRIES);
    await reclaim(fixture);
    sizes.push(await sizeOf(sql));
  }
  assert.ok(isSteady(), `bytes: ${sizes.join(", ")}`);
});

Deno.test("reclaim() waits until enough was pruned, but not after the start", async () => {
  await using fixture = await openFixture(server);
  const { sql } = fixture;
  await begin(fixture);
  await reclaim(fixture);
  await waitFor(async () => await vacuums(sql) === 1, { what: "the first VACUUM" });
  await fillAndPrune(fixture, 2, 100);
  await reclaim(fixture);
  await fillAndPrune(fixture, 102);
  await reclaim(fixture);
  await waitFor(async () => await vacuums(sql) >= 2, { what: "the second VACUUM" });
  await reclaim(fixture);
  assert.equal(await vacuums(sql), 2);
});

Deno.test("reclaim() counts spans for the space that they took", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await begin(fixture);
  await reclaim(fixture);
  await waitFor(async () => await vacuums(sql, "delivered_span") === 1, {
    what: "the first VACUUM",
  });
  // 600 spans are about as large as 12,000 entries.
  await sql`insert into state_tables.delivered_span
    select s.id, 1024 * n, (repeat('1', 200) || repeat('0', 824))::bit(1024),
      array(select 1763976000000000000 + 1024 * n + m from generate_series(0, 199) m)
    from state_tables.source s, generate_series(1::bigint, 600) n`;
  await store.pruner.recordFloor({ origin: ORIGIN, sequence: 1_024 * 601 });
  while (await store.pruner.prune(ORIGIN, 0));
  assert.equal((await sql`select from state_tables.delivered_span`).length, 0);
  await reclaim(fixture);
  await waitFor(async () => await vacuums(sql, "delivered_span") === 2, {
    what: "the second VACUUM",
  });
});

Deno.test("reclaim() lets a pool of one write, and ends when it is told to", async () => {
  await using fixture = await openFixture(server, { pool: { openMax: 1, idleMax: 1 } });
  const { sql, store, database } = fixture;
  await begin(fixture);
  await fillAndPrune(fixture, 2, 400_000);
  // A pause for each page: VACUUM cannot end by itself in a test.
  await sql.unsafe(
    `alter role current_user in database ${database.name} set vacuum_cost_limit = 1`,
  );
  const stop = new AbortController();
  const reclaimed = store.pruner.reclaim(stop.signal);
  const isAtWork = async (): Promise<boolean> =>
    (await sql`select from pg_stat_progress_vacuum where datname = current_database()`).length > 0;
  await waitFor(isAtWork, { what: "VACUUM to be at work" });
  const flush = flushOf(await describeTable(store, "t"), [{ sequence: 500_000, rows: ["2"] }]);
  assert.equal((await store.tables.write(flush)).kind, "committed");
  assert.ok(await isAtWork(), "it takes longer than the flush");
  stop.abort();
  await reclaimed;
  await waitFor(async () => !await isAtWork(), { what: "the server to end it, too" });
});

Deno.test("reclaim() leaves the ledger to autovacuum when the role may not", async () => {
  await using fixture = await openFixture(server);
  const { sql, database, log } = fixture;
  const role = uniqueName("role");
  await sql.unsafe(`create role ${role} login;
    grant usage on schema state_tables to ${role};
    grant all on all tables in schema state_tables to ${role}`);
  const { target, ...options } = storeOptions(database.dsn, { log });
  const store = await openStore({ ...options, target: { ...target, user: role } });
  try {
    await store.pruner.reclaim(new AbortController().signal);
    await store.pruner.reclaim(new AbortController().signal);
    assert.equal(log.lines.filter(({ message }) => /left to autovacuum/.test(message)).length, 1);
    assert.equal(await vacuums(sql), 0);
  } finally {
    await store.close(1_000);
    await sql.unsafe(`drop owned by ${role}; drop role ${role}`);
  }
});

Deno.test("reclaim() does nothing while another VACUUM holds the ledger's lock", async () => {
  await using fixture = await openFixture(server);
  const { sql } = fixture;
  await begin(fixture);
  await sql.begin(async (other) => {
    await other`lock table state_tables.delivered in share update exclusive mode`;
    await reclaim(fixture);
  });
  assert.equal(await vacuums(sql), 0);
});
