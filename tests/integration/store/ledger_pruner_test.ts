/** The ledger is pruned below an old floor, and what was pruned stays known. */
import assert from "node:assert/strict";
import type postgres from "postgres";
import type { StreamOrigin } from "../../../lib/ingest/delivery.ts";
import { sharedPostgres } from "../../support/servers.ts";
import {
  describeTable,
  flushOf,
  identity,
  openFixture,
  ORIGIN,
  type StoreFixture,
} from "./store_fixture.ts";

const server = await sharedPostgres();

/** A table `t` with the rows of messages 1 to `count`, one each. */
async function openWritten(count: number): Promise<StoreFixture> {
  const fixture = await openFixture(server);
  await fixture.sql`create table t (a int)`;
  await writeMessages(fixture, Array.from({ length: count }, (_, n) => n + 1));
  return fixture;
}

async function writeMessages(
  { store }: StoreFixture,
  sequences: readonly number[],
): Promise<number> {
  const table = await describeTable(store, "t");
  const messages = sequences.map((sequence) => ({ sequence, rows: [String(sequence)] }));
  const outcome = await store.tables.write(flushOf(table, messages));
  assert.equal(outcome.kind, "committed");
  return outcome.kind === "committed" ? outcome.known.length : -1;
}

async function entries(sql: postgres.Sql): Promise<number[]> {
  const rows = await sql`select seq from state_tables.delivered order by seq`;
  return rows.map(({ seq }) => Number(seq));
}

/** Prunes to the end; returns the chunks it took. */
async function pruneAll({ store }: StoreFixture, origin: StreamOrigin = ORIGIN): Promise<number> {
  let chunks = 1;
  while (await store.pruner.prune(origin, 0)) chunks++;
  return chunks;
}

Deno.test("prune() deletes what lies below the floor, and it stays known", async () => {
  await using fixture = await openWritten(20);
  const { store, sql } = fixture;
  await store.pruner.recordFloor({ origin: ORIGIN, sequence: 15 });
  await pruneAll(fixture);
  assert.deepEqual(await entries(sql), [16, 17, 18, 19, 20]);
  const { prunedFloor } = await store.ledger.position(ORIGIN);
  assert.equal(prunedFloor?.sequence, 15);
  assert.equal(await writeMessages(fixture, [10, 11, 16, 21]), 3, "pruned, pruned, in the ledger");
  const [count] = await sql`select count(*)::int as n, count(distinct a)::int as d from t`;
  assert.deepEqual({ ...count }, { n: 21, d: 21 });
});

Deno.test("prune() leaves entries alone when the floor was seen just now", async () => {
  await using fixture = await openWritten(5);
  const { store, sql } = fixture;
  await store.pruner.recordFloor({ origin: ORIGIN, sequence: 5 });
  assert.equal(await store.pruner.prune(ORIGIN, 60_000), false);
  assert.equal((await entries(sql)).length, 5);
});

Deno.test("prune() trusts no floor of another incarnation of the consumer", async () => {
  await using fixture = await openWritten(5);
  const { store, sql } = fixture;
  await store.pruner.recordFloor({ origin: ORIGIN, sequence: 5 });
  const renewed = { ...ORIGIN, consumerCreated: "2026-11-25T00:00:00Z" };
  await pruneAll(fixture, renewed);
  assert.equal((await entries(sql)).length, 5);
  await store.pruner.recordFloor({ origin: renewed, sequence: 3 });
  await pruneAll(fixture, renewed);
  assert.deepEqual(await entries(sql), [4, 5]);
});

Deno.test("prune() keeps a message that took over a pruned sequence after a lost tail", async () => {
  await using fixture = await openWritten(10);
  const { store, sql } = fixture;
  await store.pruner.recordFloor({ origin: ORIGIN, sequence: 10 });
  await pruneAll(fixture);
  const table = await describeTable(store, "t");
  const again = flushOf(table, [{ sequence: 9, rows: ["900"] }]);
  const identities = [{ ...identity(9), storedSeconds: 1_963_976_000 }];
  const outcome = await store.tables.write({
    ...again,
    messages: { ...again.messages, identities },
  });
  assert.deepEqual(outcome.kind === "committed" && outcome.known, []);
  const rows = await sql`select a from t where a = 900`;
  assert.equal(rows.length, 1);
});

Deno.test("prune() goes on in chunks, and forgets the floors that are used up", async () => {
  await using fixture = await openWritten(1);
  const { store, sql } = fixture;
  await sql`insert into state_tables.delivered
    select s.id, n, 1763976000000000000 + n from state_tables.source s, generate_series(2, 120000) n`;
  for (const sequence of [50_000, 110_000, 120_000]) {
    await store.pruner.recordFloor({ origin: ORIGIN, sequence });
  }
  assert.equal(await pruneAll(fixture), 3);
  assert.deepEqual(await entries(sql), []);
  const floors = await sql`select floor from state_tables.ack_floor`;
  assert.deepEqual(floors.map(({ floor }) => floor), ["120000"]);
});

Deno.test("prune() leaves the work to another instance that is at it", async () => {
  await using fixture = await openWritten(5);
  const { store, sql } = fixture;
  await store.pruner.recordFloor({ origin: ORIGIN, sequence: 5 });
  await sql.begin(async (other) => {
    await other`select pg_advisory_xact_lock(${0x53544142}, hashtext('prune ' || id))
      from state_tables.source`;
    assert.equal(await store.pruner.prune(ORIGIN, 0), false);
    assert.equal((await entries(sql)).length, 5);
  });
});

Deno.test("recordFloor() remembers nothing while the ledger is empty", async () => {
  await using fixture = await openFixture(server);
  await fixture.store.pruner.recordFloor({ origin: ORIGIN, sequence: 5 });
  assert.equal(await fixture.store.pruner.prune(ORIGIN, 0), false);
});
