/**
 * A message that comes again while the transaction that prunes its entry is open: the flush waits for
 * that entry, and finds it gone. Nothing may be written twice, whichever way the flush goes.
 */
import assert from "node:assert/strict";
import type postgres from "postgres";
import type { Flush } from "../../../lib/ingest/ports.ts";
import { sharedPostgres, waitFor } from "../../support/servers.ts";
import {
  committed,
  describeTable,
  flushOf,
  identity,
  openFixture,
  ORIGIN,
  rejectOf,
  type StoreFixture,
  type StoreOverrides,
  testOnBoth,
} from "./store_fixture.ts";

const server = await sharedPostgres();

/** Messages 1 to 20 are written into the table `t`; those up to 15 may be pruned. */
async function writeTwenty({ sql, store }: StoreFixture): Promise<void> {
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  const sequences = Array.from({ length: 20 }, (_, n) => n + 1);
  const messages = sequences.map((sequence) => ({ sequence, rows: [String(sequence)] }));
  committed(await store.tables.write(flushOf(table, messages)));
  await store.pruner.recordFloor({ origin: ORIGIN, sequence: 15 });
}

/** Messages with a row each, into the table of this name. */
async function flushInto(
  { store }: StoreFixture,
  name: string,
  sequences: readonly number[],
  options: Parameters<typeof flushOf>[2] = {},
): Promise<Flush> {
  const messages = sequences.map((sequence) => ({ sequence, rows: [String(sequence)] }));
  return flushOf(await describeTable(store, name), messages, options);
}

/**
 * Runs `write` while the pruner has deleted its entries and not committed: it waits to update its
 * source, which another transaction holds until `write` waits, too.
 */
async function whilePruning<T>(fixture: StoreFixture, write: () => Promise<T>): Promise<T> {
  const { sql, store } = fixture;
  const held = await sql.begin(async (holder) => {
    await holder`select from state_tables.source for update`;
    const pruning = store.pruner.prune(ORIGIN, 0);
    await waitForWaiting(sql, "update state_tables.source");
    const writing = write();
    await waitForWaiting(sql, "insert into state_tables.delivered");
    return { pruning, writing };
  });
  await held.pruning;
  return await held.writing;
}

/**
 * Waits until a statement with this text, or the prepared one of the ledger, waits for a lock. Not
 * inside of a transaction, which would see the same activity all the time.
 */
async function waitForWaiting(sql: postgres.Sql, text: string): Promise<void> {
  await waitFor(
    async () => {
      const found = await sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'
          and (query ilike ${`%${text}%`} or query like '%EXECUTE state_tables_enter%')`;
      return found.length > 0;
    },
    { what: `${text} to wait` },
  );
}

/** How often each of these values stands in the table. */
async function timesIn({ sql }: StoreFixture, values: readonly number[]): Promise<number[]> {
  const rows = await sql<{ a: number }[]>`select a from t where a = any (${values})`;
  return values.map((value) => rows.filter(({ a }) => a === value).length);
}

testOnBoth("write() writes nothing twice when the entry is pruned meanwhile", async (fixture) => {
  await writeTwenty(fixture);
  const flush = await flushInto(fixture, "t", [10, 21]);
  const { known, rowsWritten } = committed(
    await whilePruning(fixture, () => fixture.store.tables.write(flush)),
  );
  assert.deepEqual([known.map(({ index }) => index), rowsWritten], [[0], 1]);
  assert.deepEqual(await timesIn(fixture, [10, 21]), [1, 1]);
});

testOnBoth("write() of a flush with rejects writes nothing pruned twice", async (fixture) => {
  await writeTwenty(fixture);
  const rejects = [rejectOf(identity(21), 1)];
  const flush = await flushInto(fixture, "t", [10, 21], { rejects });
  const { known } = committed(
    await whilePruning(fixture, () => fixture.store.tables.write(flush)),
  );
  assert.deepEqual(known.map(({ index }) => index), [0]);
  assert.deepEqual(await timesIn(fixture, [10, 21]), [1, 1]);
});

/** Two connections: the pruner has one, so that small flushes share the other. */
const TWO_CONNECTIONS: StoreOverrides = { pool: { openMax: 2 } };

Deno.test("write() of flushes that share a transaction writes nothing pruned twice", async () => {
  await using fixture = await openFixture(server, TWO_CONNECTIONS);
  const { sql, store } = fixture;
  await writeTwenty(fixture);
  await sql`create table first (a int)`;
  await sql`create table other (a int)`;
  const flushes = [
    await flushInto(fixture, "first", [30]),
    await flushInto(fixture, "t", [10, 21]),
    await flushInto(fixture, "other", [22]),
  ];
  const outcomes = await whilePruning(
    fixture,
    () => Promise.all(flushes.map((flush) => store.tables.write(flush))),
  );
  assert.deepEqual(outcomes.map((outcome) => committed(outcome).known.length), [0, 1, 0]);
  assert.deepEqual(await timesIn(fixture, [10, 21]), [1, 1]);
});

testOnBoth("writeRejects() knows a message whose entry is pruned meanwhile", async (fixture) => {
  await writeTwenty(fixture);
  const rejects = [10, 21].map((sequence) => rejectOf(identity(sequence), -1));
  const known = await whilePruning(fixture, () => fixture.store.tables.writeRejects(rejects));
  assert.deepEqual(known.map(({ index }) => index), [0]);
  const kept = await fixture.sql`select seq from state_tables.rejected`;
  assert.deepEqual(kept.map(({ seq }) => seq), ["21"]);
});
