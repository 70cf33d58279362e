/** A message counts as known only when the ledger really has it, whatever kept its entry out. */
import assert from "node:assert/strict";
import type postgres from "postgres";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import { storedNs } from "../../../lib/ingest/delivery.ts";
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
  testOnBoth,
} from "./store_fixture.ts";

const server = await sharedPostgres();

/** A trigger that turns entries away for which `condition` holds. */
async function turnAway(sql: postgres.Sql, condition: string): Promise<void> {
  await sql.unsafe(`
    create function public.turn_away() returns trigger language plpgsql as
    $$ begin if ${condition} then return null; end if; return new; end $$;
    create trigger turn_away before insert on state_tables.delivered
    for each row execute function public.turn_away()`);
}

/** The error of a ledger that does not keep its entries. */
function isNotKept(error: unknown): boolean {
  assert.ok(error instanceof StoreUnavailableError);
  assert.match(error.message, /^Cannot write the ledger as state_tables\.delivered did not keep/);
  return true;
}

testOnBoth(
  "write() refuses when a trigger keeps every entry out of the ledger",
  async (fixture) => {
    const { sql, store } = fixture;
    await sql`create table t (id bigint)`;
    const table = await describeTable(store, "t");
    await turnAway(sql, "true");
    const flush = flushOf(table, [{ sequence: 1, rows: ["1"] }, { sequence: 2, rows: ["2"] }]);
    await assert.rejects(store.tables.write(flush), isNotKept);
    assert.equal((await sql`select from t`).length, 0);
    await sql`drop trigger turn_away on state_tables.delivered`;
    assert.equal(committed(await store.tables.write(flush)).rowsWritten, 2);
  },
);

Deno.test("write() refuses when a trigger keeps some entries out beside known ones", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (id bigint)`;
  const table = await describeTable(store, "t");
  committed(await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }])));
  await turnAway(sql, "new.seq = 2");
  const messages = [1, 2, 3].map((sequence) => ({ sequence, rows: [String(sequence)] }));
  await assert.rejects(store.tables.write(flushOf(table, messages)), isNotKept);
  assert.deepEqual((await sql`select id from t`).map(({ id }) => id), ["1"]);
  assert.deepEqual((await sql`select seq from state_tables.delivered`).map((row) => row.seq), [
    "1",
  ]);
});

Deno.test("write() refuses when a trigger changes the entries of the ledger", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (id bigint)`;
  const table = await describeTable(store, "t");
  committed(await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }])));
  await sql.unsafe(`
    create function public.shift() returns trigger language plpgsql as
    $$ begin new.seq := new.seq + 100; return new; end $$;
    create trigger shift before insert on state_tables.delivered
    for each row execute function public.shift()`);
  const messages = [1, 2].map((sequence) => ({ sequence, rows: [String(sequence)] }));
  // The fast way cannot see it and writes; what the slow way is asked about must be there.
  committed(await store.tables.write(flushOf(table, [{ sequence: 9, rows: ["9"] }])));
  await assert.rejects(
    store.tables.write(flushOf(table, [...messages, { sequence: 9, rows: ["9"] }])),
    isNotKept,
  );
});

Deno.test("write() refuses when a rule keeps entries out of the ledger", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (id bigint)`;
  const table = await describeTable(store, "t");
  await sql`create rule nothing as on insert to state_tables.delivered do instead nothing`;
  await assert.rejects(
    store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }])),
    StoreUnavailableError,
  );
  assert.equal((await sql`select from t`).length, 0);
});

Deno.test("writeRejects() refuses when a trigger keeps its entry out of the ledger", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await turnAway(sql, "true");
  await assert.rejects(store.tables.writeRejects([rejectOf(identity(1), -1)]), isNotKept);
  assert.equal((await sql`select from state_tables.rejected`).length, 0);
});

Deno.test("write() takes a message for known that is pruned while it writes the ledger", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (id bigint)`;
  const table = await describeTable(store, "t");
  const other = { ...ORIGIN, stream: "other" };
  committed(await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }])));
  committed(
    await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["2"], origin: other }])),
  );
  // Holds an entry of the other stream, so that the flush waits behind its look at the first.
  const holder = await sql.reserve();
  await holder`begin`;
  await holder`insert into state_tables.delivered
    select id, 2, ${storedNs(identity(2))} from state_tables.source where stream = 'other'`;
  const writing = store.tables.write(flushOf(table, [
    { sequence: 1, rows: ["1"] },
    { sequence: 2, rows: ["3"], origin: other },
  ]));
  const isWaiting = async (): Promise<boolean> =>
    (await sql`select from pg_stat_activity where datname = current_database()
      and wait_event_type = 'Lock' and query like '%ON CONFLICT%'`).length > 0;
  await waitFor(isWaiting, { what: "the flush to wait" });
  await sql.begin(async (pruner) => {
    await pruner`delete from state_tables.delivered d using state_tables.source s
      where d.source = s.id and s.stream <> 'other'`;
    await pruner`update state_tables.source set pruned_seq = 1, pruned_ns = ${storedNs(identity(1))}
      where stream <> 'other'`;
  });
  await holder`rollback`;
  holder.release();
  const { known, rowsWritten } = committed(await writing);
  assert.deepEqual([known.map(({ index }) => index), rowsWritten], [[0], 1]);
});

Deno.test("write() keeps a reject once when it uses no ledger", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (id bigint)`;
  const table = await describeTable(store, "t");
  const flush = flushOf(table, [{ sequence: 1, rows: ["1", "no number"] }], {
    usesLedger: false,
    rejects: [rejectOf(identity(1), 2)],
  });
  for (let delivery = 1; delivery <= 2; delivery++) {
    const { known, rejects } = committed(await store.tables.write(flush));
    assert.deepEqual([known.length, rejects.length], [0, 2]);
  }
  assert.equal((await sql`select from t`).length, 2);
  assert.equal((await sql`select from state_tables.delivered`).length, 0);
  const kept = await sql`select ordinal from state_tables.rejected order by ordinal`;
  assert.deepEqual(kept.map(({ ordinal }) => ordinal), [1, 2]);
});

Deno.test("write() of few messages lands where a trigger on the ledger only looks on", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (id bigint)`;
  const table = await describeTable(store, "t");
  committed(await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }])));
  await sql.unsafe(`
    create function public.look_on() returns trigger language plpgsql as
    $$ begin return null; end $$;
    create trigger look_on after insert on state_tables.delivered
    for each row execute function public.look_on()`);
  for (const sequence of [2, 3, 4]) {
    const flush = flushOf(table, [{ sequence, rows: [String(sequence)] }]);
    assert.equal(committed(await store.tables.write(flush)).rowsWritten, 1);
  }
  assert.equal((await sql`select from t`).length, 4);
  assert.equal((await sql`select from state_tables.delivered`).length, 4);
});

Deno.test("write() of few messages notices that their source is gone", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (id bigint)`;
  const table = await describeTable(store, "t");
  committed(await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }])));
  await sql`delete from state_tables.source`;
  await assert.rejects(
    store.tables.write(flushOf(table, [{ sequence: 2, rows: ["2"] }])),
    /does not have the source \d+ any more/,
  );
  assert.equal((await sql`select from t`).length, 1);
});

Deno.test("write() of few messages works on when the ledger was dropped and made anew", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (id bigint)`;
  const table = await describeTable(store, "t");
  const flushFrom = (sequence: number): Flush =>
    flushOf(table, [{ sequence, rows: [String(sequence)] }]);
  for (const sequence of [1, 2, 3]) committed(await store.tables.write(flushFrom(sequence)));
  await sql`drop schema state_tables cascade`;
  await assert.rejects(store.tables.write(flushFrom(4)), StoreUnavailableError);
  for (const sequence of [4, 5]) committed(await store.tables.write(flushFrom(sequence)));
  assert.equal((await sql`select from t`).length, 5);
  assert.equal((await sql`select from state_tables.delivered`).length, 2);
});

testOnBoth(
  "write() enters few and more messages of several sources, in any order",
  async (fixture) => {
    const { sql, store } = fixture;
    await sql`create table t (id bigint)`;
    const table = await describeTable(store, "t");
    const other = { ...ORIGIN, stream: "another" };
    let expected = 0;
    for (const count of [1, 2, 8, 9, 40]) {
      const messages = Array.from({ length: count }, (_, at) => expected + count - at)
        .flatMap((sequence) => [
          { sequence, rows: [String(sequence)] },
          { sequence, rows: [String(-sequence)], origin: other },
        ]);
      assert.equal(
        committed(await store.tables.write(flushOf(table, messages))).rowsWritten,
        2 * count,
      );
      expected += count;
    }
    assert.equal((await sql`select distinct id from t`).length, 2 * expected);
    assert.equal((await sql`select from state_tables.delivered`).length, 2 * expected);
  },
);
