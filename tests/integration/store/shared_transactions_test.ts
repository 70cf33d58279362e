/** Small flushes of many tables in one transaction, on a real server: what they share, what not. */
import assert from "node:assert/strict";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import { storedNs } from "../../../lib/ingest/delivery.ts";
import type { Flush, FlushOutcome } from "../../../lib/ingest/ports.ts";
import { sharedPostgres, waitFor } from "../../support/servers.ts";
import {
  committed,
  describeTable,
  flushOf,
  identity,
  openFixture,
  type StoreFixture,
  testOnBoth,
} from "./store_fixture.ts";

const server = await sharedPostgres();

/** Flushes of one row each, into tables `t1`, `t2`, … */
async function flushesOf({ sql, store }: StoreFixture, tables: number): Promise<Flush[]> {
  const flushes: Flush[] = [];
  for (let number = 1; number <= tables; number++) {
    await sql.unsafe(`create table t${number} (a int not null)`);
    const table = await describeTable(store, `t${number}`);
    flushes.push(flushOf(table, [{ sequence: number, rows: [String(number)] }]));
  }
  return flushes;
}

/** Writes them at once; those that find no free connection share a transaction. */
async function writeAll(
  { store }: StoreFixture,
  flushes: readonly Flush[],
): Promise<FlushOutcome[]> {
  return await Promise.all(flushes.map((flush) => store.tables.write(flush)));
}

async function rowsOf({ sql }: StoreFixture, tables: number): Promise<number[]> {
  const rows: number[] = [];
  for (let number = 1; number <= tables; number++) {
    rows.push((await sql`select from ${sql(`t${number}`)}`).length);
  }
  return rows;
}

testOnBoth("write() commits waiting flushes of several tables together", async (fixture) => {
  const { sql } = fixture;
  const outcomes = await writeAll(fixture, await flushesOf(fixture, 12));
  assert.deepEqual(outcomes.map((outcome) => committed(outcome).rowsWritten), Array(12).fill(1));
  assert.deepEqual(await rowsOf(fixture, 12), Array(12).fill(1));
  const [ledger] = await sql`select count(*)::int as entries,
    count(distinct xmin::text)::int as transactions from state_tables.delivered`;
  assert.equal(ledger?.entries, 12);
  // Four connections take one flush each, the rest goes together.
  assert.equal(ledger?.transactions, 5);
});

Deno.test("write() tells the message that the ledger knows, and writes its neighbours", async () => {
  await using fixture = await openFixture(server, { pool: { openMax: 1 } });
  const flushes = await flushesOf(fixture, 4);
  await writeAll(fixture, flushes.slice(2, 3));
  const outcomes = await writeAll(fixture, flushes);
  assert.deepEqual(outcomes.map((outcome) => committed(outcome).known.length), [0, 0, 1, 0]);
  assert.deepEqual(await rowsOf(fixture, 4), [1, 1, 1, 1]);
});

Deno.test("write() keeps the refused row of one table and writes the others", async () => {
  await using fixture = await openFixture(server, { pool: { openMax: 1 } });
  const { store } = fixture;
  const flushes = await flushesOf(fixture, 4);
  const bad = flushOf(await describeTable(store, "t3"), [{ sequence: 30, rows: ["\\N"] }]);
  const outcomes = await writeAll(fixture, flushes.toSpliced(2, 1, bad));
  assert.deepEqual(outcomes.map((outcome) => committed(outcome).rejects.length), [0, 0, 1, 0]);
  assert.deepEqual(await rowsOf(fixture, 4), [1, 1, 0, 1]);
});

Deno.test("write() says plan-stale for the table that changed and writes the others", async () => {
  await using fixture = await openFixture(server, { pool: { openMax: 1 } });
  const flushes = await flushesOf(fixture, 4);
  await fixture.sql`alter table t3 alter a type bigint`;
  const outcomes = await writeAll(fixture, flushes);
  assert.deepEqual(outcomes.map(({ kind }) => kind), [
    "committed",
    "committed",
    "plan-stale",
    "committed",
  ]);
  assert.deepEqual(await rowsOf(fixture, 4), [1, 1, 0, 1]);
});

Deno.test("write() does not let a locked table hold up those it waits with", async () => {
  await using fixture = await openFixture(server, { pool: { openMax: 2 } });
  const flushes = await flushesOf(fixture, 6);
  const isLocked = (flush: Flush): boolean => flush.table?.name === "t5";
  const held = await fixture.sql.begin(async (holder) => {
    await holder`lock table t5 in access exclusive mode`;
    const all = flushes.map((flush) => ({ flush, written: fixture.store.tables.write(flush) }));
    await Promise.all(all.filter(({ flush }) => !isLocked(flush)).map(({ written }) => written));
    await waitFor(async () => {
      const [row] = await holder`select 1 as waits from pg_locks
        where not granted and relation = 't5'::regclass
          and database = (select oid from pg_database where datname = current_database())`;
      return row?.waits;
    }, { what: "the flush of the locked table to wait" });
    return all.filter(({ flush }) => isLocked(flush));
  });
  await Promise.all(held.map(({ written }) => written));
  assert.deepEqual(await rowsOf(fixture, 6), [1, 1, 1, 1, 1, 1]);
});

Deno.test("write() rejects all flushes of a transaction whose connection is lost", async () => {
  await using fixture = await openFixture(server, { pool: { openMax: 1 } });
  const { sql } = fixture;
  const flushes = await flushesOf(fixture, 3);
  await sql.unsafe(`create function wait() returns trigger language plpgsql as
      $$ begin perform pg_advisory_xact_lock_shared(4711); return null; end $$;
    create trigger wait after insert on t3 for each row execute function wait()`);
  const others = flushes.slice(1);
  await sql.begin(async (holder) => {
    await holder`select pg_advisory_xact_lock(4711)`;
    const written = writeAll(fixture, flushes.slice(0, 1));
    const failed = others.map((flush) =>
      assert.rejects(fixture.store.tables.write(flush), StoreUnavailableError)
    );
    await written;
    const pid = await waitFor(async () => {
      const [row] = await holder`select pid from pg_stat_activity
        where datname = current_database() and wait_event = 'advisory'`;
      return row?.pid;
    }, { what: "a backend that waits in the trigger" });
    await holder`select pg_terminate_backend(${pid}, 5000)`;
    await Promise.all(failed);
  });
  assert.deepEqual(await rowsOf(fixture, 3), [1, 0, 0]);
  await writeAll(fixture, others);
  assert.deepEqual(await rowsOf(fixture, 3), [1, 1, 1]);
});

/** Flushes of so many rows each, into tables `t1`, `t2`, …, whose messages take turns in the stream. */
async function spreadFlushes(
  { sql, store }: StoreFixture,
  { tables, rows }: { readonly tables: number; readonly rows: number },
): Promise<Flush[]> {
  const flushes: Flush[] = [];
  for (let number = 1; number <= tables; number++) {
    await sql.unsafe(`create table if not exists t${number} (a int not null)`);
    const table = await describeTable(store, `t${number}`);
    const messages = Array.from({ length: rows }, (_, row) => ({
      sequence: (row * tables + number) * APART,
      rows: [String(row)],
    }));
    flushes.push(flushOf(table, messages));
  }
  return flushes;
}

const SPREAD = { tables: 10, rows: 50 };
const ENTRIES = SPREAD.tables * SPREAD.rows;
/** Sequences so far from each other that messages have entries, not spans, in the ledger. */
const APART = 100;

async function ledgerOf({ sql }: StoreFixture): Promise<unknown> {
  const [row] = await sql`select count(*)::int as entries, max(seq)::int as last,
    count(distinct xmin::text)::int as transactions from state_tables.delivered`;
  return row;
}

testOnBoth("write() commits many entries of several tables together", async (fixture) => {
  const flushes = await spreadFlushes(fixture, SPREAD);
  await using other = await openFixture(server, { pool: { openMax: 1 } });
  const spread = await spreadFlushes(other, SPREAD);
  // One after the other on one connection: the first alone, the others together.
  await writeAll(other, spread);
  assert.deepEqual(await ledgerOf(other), {
    entries: ENTRIES,
    last: ENTRIES * APART,
    transactions: 2,
  });
  assert.deepEqual(await rowsOf(other, SPREAD.tables), Array(SPREAD.tables).fill(SPREAD.rows));
  await writeAll(fixture, flushes);
  assert.deepEqual(await rowsOf(fixture, SPREAD.tables), Array(SPREAD.tables).fill(SPREAD.rows));
});

Deno.test("write() tells those of many messages in a group that the ledger knows", async () => {
  await using fixture = await openFixture(server, { pool: { openMax: 1 } });
  const flushes = await spreadFlushes(fixture, SPREAD);
  await writeAll(fixture, flushes.slice(4, 5));
  const outcomes = await writeAll(fixture, flushes);
  assert.deepEqual(
    outcomes.map((outcome) => committed(outcome).known.length),
    flushes.map((_, at) => at === 4 ? SPREAD.rows : 0),
  );
  assert.deepEqual(await rowsOf(fixture, SPREAD.tables), Array(SPREAD.tables).fill(SPREAD.rows));
});

Deno.test("write() notices that messages of a group were pruned", async () => {
  await using fixture = await openFixture(server, { pool: { openMax: 1 } });
  const flushes = await spreadFlushes(fixture, SPREAD);
  const table = await describeTable(fixture.store, "t1");
  await fixture.store.tables.write(flushOf(table, [{ sequence: 900_000, rows: [] }]));
  await fixture.sql`update state_tables.source set pruned_seq = ${25 * APART},
    pruned_ns = ${storedNs(identity(25 * APART))}`;
  const outcomes = await writeAll(fixture, flushes);
  const known = outcomes.map((outcome) => committed(outcome).known.length);
  assert.deepEqual(known, [3, 3, 3, 3, 3, 2, 2, 2, 2, 2]);
  assert.deepEqual(await rowsOf(fixture, SPREAD.tables), known.map((each) => SPREAD.rows - each));
});

Deno.test("write() of a group does not trust a ledger with a trigger", async () => {
  await using fixture = await openFixture(server, { pool: { openMax: 1 } });
  const { sql } = fixture;
  const flushes = await spreadFlushes(fixture, SPREAD);
  await sql.unsafe(`
    create function turn_away() returns trigger language plpgsql as
    $$ begin if new.seq = 105 * ${APART} then return null; end if; return new; end $$;
    create trigger turn_away before insert on state_tables.delivered
    for each row execute function turn_away()`);
  const outcomes = await Promise.allSettled(
    flushes.map((flush) => fixture.store.tables.write(flush)),
  );
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    flushes.map((_, at) => at === 4 ? "rejected" : "fulfilled"),
  );
  await sql`drop trigger turn_away on state_tables.delivered`;
  await writeAll(fixture, flushes.slice(4, 5));
  assert.deepEqual(await rowsOf(fixture, SPREAD.tables), Array(SPREAD.tables).fill(SPREAD.rows));
  const [ledger] = await sql`select count(*)::int as n from state_tables.delivered`;
  assert.equal(ledger?.n, ENTRIES);
});
