/**
 * Flushes whose entries are many enough to go into the ledger by COPY: all that an INSERT would have
 * told is told, and what COPY cannot do is done by INSERT.
 */
import assert from "node:assert/strict";
import { storedNs } from "../../../lib/ingest/delivery.ts";
import type { FlushPace } from "../../../lib/ingest/ports.ts";
import type { TableDescription } from "../../../lib/schema/table_description.ts";
import { LEDGER_COPY } from "../../../lib/store/ledger_copy.ts";
import { openStore } from "../../../lib/store/store.ts";
import { sharedPostgres, waitFor } from "../../support/servers.ts";
import {
  committed,
  describeTable,
  flushOf,
  identity,
  openFixture,
  ORIGIN,
  type StoreFixture,
  storeOptions,
  testOnBoth,
} from "./store_fixture.ts";

const server = await sharedPostgres();

/** Enough to be copied. */
const MANY = 500;

/** Every hundredth sequence: messages near each other have no entries of their own. */
const STEP = 100;

/** Messages from one number on, a row each. */
function messagesFrom(first: number, count = MANY): { sequence: number; rows: string[] }[] {
  return Array.from({ length: count }, (_, at) => ({
    sequence: STEP * (first + at),
    rows: [String(first + at)],
  }));
}

async function tableOf({ sql, store }: StoreFixture): Promise<TableDescription> {
  await sql`create table t (a int)`;
  return await describeTable(store, "t");
}

/** What is in the table and in the ledger: count, and the sum of numbers. */
async function contents({ sql }: StoreFixture): Promise<number[]> {
  const [row] = await sql`select
    (select count(*)::int from t) as rows, (select sum(a)::int from t) as sum,
    (select count(*)::int from state_tables.delivered) as entries,
    (select sum(seq / ${STEP})::int from state_tables.delivered
     where stored_ns = 1763976000000000000 + seq) as keys`;
  return [row?.rows, row?.sum, row?.entries, row?.keys];
}

/** The query that waits for rows, as far as the server shows it. */
async function queryInCopy({ sql }: StoreFixture): Promise<string> {
  return await waitFor(
    async () => {
      const [found] = await sql`select query from pg_stat_activity
        where datname = current_database() and query like 'BEGIN%'
          and state = 'active' and wait_event = 'ClientRead'`;
      return found?.query;
    },
    { what: "a flush to wait for its rows" },
  );
}

/** The pace of a flush that follows another. */
function following(mayWrite: Promise<boolean>): FlushPace {
  return { follows: true, mayWrite, onSent: () => {}, onSetback: () => {} };
}

/** Of so many numbers from the first on. */
function sumFrom(first: number, count: number): number {
  return count * (2 * first + count - 1) / 2;
}

testOnBoth(
  "write() copies many entries into the ledger, and no row before it may",
  async (fixture) => {
    const table = await tableOf(fixture);
    const mayWrite = Promise.withResolvers<boolean>();
    const { tables } = fixture.store;
    const writing = tables.write(flushOf(table, messagesFrom(1)), following(mayWrite.promise));
    const query = await queryInCopy(fixture);
    assert.ok(query.includes(LEDGER_COPY), query);
    mayWrite.resolve(true);
    assert.equal(committed(await writing).rowsWritten, MANY);
    const sum = sumFrom(1, MANY);
    assert.deepEqual(await contents(fixture), [MANY, sum, MANY, sum]);
  },
);

testOnBoth("write() sends entries and few rows with their query", async (fixture) => {
  const table = await tableOf(fixture);
  for (let first = 1; first < 5 * MANY; first += MANY) {
    const outcome = committed(
      await fixture.store.tables.write(flushOf(table, messagesFrom(first))),
    );
    assert.equal(outcome.rowsWritten, MANY);
  }
  const sum = sumFrom(1, 5 * MANY);
  assert.deepEqual(await contents(fixture), [5 * MANY, sum, 5 * MANY, sum]);
});

testOnBoth("write() takes the new ones of many messages", async (fixture) => {
  const table = await tableOf(fixture);
  const { tables } = fixture.store;
  await tables.write(flushOf(table, messagesFrom(100)));
  const outcome = committed(await tables.write(flushOf(table, messagesFrom(1))));
  assert.deepEqual(
    outcome.known.map(({ index }) => index),
    Array.from({ length: MANY - 99 }, (_, at) => at + 99),
  );
  const sum = sumFrom(1, MANY + 99);
  assert.deepEqual(await contents(fixture), [MANY + 99, sum, MANY + 99, sum]);
});

testOnBoth("write() leaves no entry of a flush that is called off", async (fixture) => {
  const table = await tableOf(fixture);
  const { tables } = fixture.store;
  const flush = flushOf(table, messagesFrom(1));
  assert.deepEqual(await tables.write(flush, following(Promise.resolve(false))), {
    kind: "called-off",
  });
  assert.deepEqual(await contents(fixture), [0, null, 0, null]);
  assert.equal(committed(await tables.write(flush)).rowsWritten, MANY);
});

Deno.test("write() of many messages leaves no entry when the plan is stale", async () => {
  await using fixture = await openFixture(server);
  const table = await tableOf(fixture);
  await fixture.sql`alter table t add b int`;
  const outcome = await fixture.store.tables.write(flushOf(table, messagesFrom(1)));
  assert.deepEqual(outcome, { kind: "plan-stale" });
  assert.deepEqual(await contents(fixture), [0, null, 0, null]);
});

Deno.test("write() of many messages isolates a row that is refused", async () => {
  await using fixture = await openFixture(server);
  const table = await tableOf(fixture);
  await fixture.sql`alter table t add check (a <> 77) not valid`;
  const outcome = committed(await fixture.store.tables.write(flushOf(table, messagesFrom(1))));
  assert.deepEqual([outcome.rowsWritten, outcome.rejects.length], [MANY - 1, 1]);
  const sum = sumFrom(1, MANY);
  assert.deepEqual(await contents(fixture), [MANY - 1, sum - 77, MANY, sum]);
});

Deno.test("write() of many messages notices those that were pruned", async () => {
  await using fixture = await openFixture(server);
  const table = await tableOf(fixture);
  const { tables } = fixture.store;
  await tables.write(flushOf(table, [{ sequence: 900_000, rows: [] }])); // the source has its number
  await fixture.sql`update state_tables.source set pruned_seq = ${3 * STEP},
    pruned_ns = ${storedNs(identity(3 * STEP))}`;
  const outcome = committed(await tables.write(flushOf(table, messagesFrom(1))));
  assert.deepEqual(outcome.known.map(({ index }) => index), [0, 1, 2]);
  assert.equal(outcome.rowsWritten, MANY - 3);
});

Deno.test("write() of many messages keeps entries of several sources apart", async () => {
  await using fixture = await openFixture(server);
  const table = await tableOf(fixture);
  const { tables } = fixture.store;
  const other = { ...ORIGIN, stream: "other" };
  const messages = [
    ...messagesFrom(1).map((message) => ({ ...message, origin: other })),
    ...messagesFrom(1),
  ];
  assert.equal(committed(await tables.write(flushOf(table, messages))).rowsWritten, 2 * MANY);
  const counts = await fixture.sql`select count(*)::int as n from state_tables.delivered
    group by source`;
  assert.deepEqual(counts.map(({ n }) => n), [MANY, MANY]);
});

Deno.test("write() of many messages does not trust a ledger with a trigger", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  const table = await tableOf(fixture);
  await store.tables.write(flushOf(table, messagesFrom(1)));
  await sql.unsafe(`
    create function turn_away() returns trigger language plpgsql as
    $$ begin if new.seq = ${1_001 * STEP} then return null; end if; return new; end $$;
    create trigger turn_away before insert on state_tables.delivered
    for each row execute function turn_away()`);
  const flush = flushOf(table, messagesFrom(1_001));
  await assert.rejects(store.tables.write(flush), /did not keep 1 of 500 entries/);
  await sql`drop trigger turn_away on state_tables.delivered`;
  assert.equal(committed(await store.tables.write(flush)).rowsWritten, MANY);
  const sum = sumFrom(1, MANY) + sumFrom(1_001, MANY);
  assert.deepEqual(await contents(fixture), [2 * MANY, sum, 2 * MANY, sum]);
});

Deno.test("write() of many messages lands where a trigger only looks on", async () => {
  await using fixture = await openFixture(server);
  const table = await tableOf(fixture);
  await fixture.sql.unsafe(`
    create function look_on() returns trigger language plpgsql as $$ begin return null; end $$;
    create trigger look_on after insert on state_tables.delivered
    for each row execute function look_on()`);
  for (const first of [1, 501]) {
    committed(await fixture.store.tables.write(flushOf(table, messagesFrom(first))));
  }
  const sum = sumFrom(1, 2 * MANY);
  assert.deepEqual(await contents(fixture), [2 * MANY, sum, 2 * MANY, sum]);
});

Deno.test("write() of many messages lands where the ledger takes no COPY", async () => {
  await using fixture = await openFixture(server);
  const table = await tableOf(fixture);
  await fixture.sql`alter table state_tables.delivered alter seq type numeric`;
  const outcome = committed(await fixture.store.tables.write(flushOf(table, messagesFrom(1))));
  assert.equal(outcome.rowsWritten, MANY);
  assert.equal((await contents(fixture))[2], MANY);
});

Deno.test("write() of many messages notices that its source is gone", async () => {
  await using fixture = await openFixture(server);
  const table = await tableOf(fixture);
  const { tables } = fixture.store;
  await tables.write(flushOf(table, messagesFrom(1)));
  await fixture.sql`delete from state_tables.source`;
  await assert.rejects(
    tables.write(flushOf(table, messagesFrom(501))),
    /does not have the source \d+ any more/,
  );
  assert.equal((await contents(fixture))[0], MANY);
});

Deno.test("write() of many messages in two instances at once lands each row once", async () => {
  await using fixture = await openFixture(server);
  const other = await openStore(storeOptions(fixture.database.dsn));
  await using _closing = { [Symbol.asyncDispose]: () => other.close(1_000) };
  const table = await tableOf(fixture);
  const outcomes = await Promise.all(
    [fixture.store, other, fixture.store, other].map(({ tables }, turn) =>
      tables.write(flushOf(table, messagesFrom(1 + 50 * turn, 2_000)))
    ),
  );
  const written = outcomes.map((outcome) => committed(outcome).rowsWritten);
  const sum = sumFrom(1, 2_150);
  assert.equal(written.reduce((total, rows) => total + rows, 0), 2_150);
  assert.deepEqual(await contents(fixture), [2_150, sum, 2_150, sum]);
});
