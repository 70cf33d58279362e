/** Consecutive messages share a row of the ledger, which knows them as it knows those with an entry. */
import assert from "node:assert/strict";
import { type MessageIdentity, storedNs, type StreamOrigin } from "../../../lib/ingest/delivery.ts";
import type { Flush, FlushOutcome } from "../../../lib/ingest/ports.ts";
import type { TableDescription } from "../../../lib/schema/table_description.ts";
import { openStore } from "../../../lib/store/store.ts";
import {
  committed,
  flushOf,
  identity,
  openFixture,
  ORIGIN,
  rejectOf,
  storeOptions,
} from "./store_fixture.ts";
import {
  knownOf,
  ledgerOf,
  MANY,
  message,
  messagesFrom,
  numbers,
  ONE,
  openOther,
  rowsOf,
  server,
  tableOf,
  testOnOne,
  writeRanges,
} from "./range_fixture.ts";
import type postgres from "postgres";

testOnOne("write() keeps consecutive messages as ranges", async (fixture) => {
  const table = await tableOf(fixture);
  const { tables } = fixture.store;
  committed(await tables.write(flushOf(table, messagesFrom(1, 10))));
  for (const first of [11, 511]) {
    const outcome = committed(await tables.write(flushOf(table, messagesFrom(first))));
    assert.equal(outcome.rowsWritten, MANY);
  }
  assert.deepEqual(await ledgerOf(fixture), [6, 10, 10 + 2 * MANY]);
  assert.deepEqual(await rowsOf(fixture, "t"), [10 + 2 * MANY, 10 + 2 * MANY]);
});

testOnOne("write() knows messages that stand in ranges", async (fixture) => {
  const table = await writeRanges(fixture);
  const { tables } = fixture.store;
  await using other = await openOther(fixture);
  for (const store of [fixture.store, other, other]) {
    const few = await store.tables.write(flushOf(table, [message(1), message(240), message(241)]));
    assert.deepEqual(knownOf(few), [0, 1, 2]);
    const some = await store.tables.write(flushOf(table, messagesFrom(300, 100)));
    assert.deepEqual(knownOf(some), numbers(0, 100));
  }
  const overlapping = await tables.write(flushOf(table, messagesFrom(251)));
  assert.deepEqual(knownOf(overlapping), numbers(0, 250));
  const around = await other.tables.write(flushOf(table, messagesFrom(1, 2_000)));
  assert.deepEqual(knownOf(around), numbers(0, 750));
  assert.deepEqual(await rowsOf(fixture, "t"), [2_000, 2_000]);
  assert.equal((await ledgerOf(fixture))[2], 2_000);
});

testOnOne("write() of a range notices that an entry has one of its messages", async (fixture) => {
  const table = await writeRanges(fixture);
  const { tables } = fixture.store;
  committed(await tables.write(flushOf(table, [message(700)])));
  assert.deepEqual(knownOf(await tables.write(flushOf(table, messagesFrom(501)))), [199]);
  assert.deepEqual(await rowsOf(fixture, "t"), [2 * MANY, 2 * MANY]);
});

Deno.test("write() tells messages of a stream that lost its tail from those in ranges", async () => {
  await using fixture = await openFixture(server, ONE);
  const table = await writeRanges(fixture);
  const { tables } = fixture.store;
  const later = (flush: Flush): Flush => ({
    ...flush,
    messages: {
      ...flush.messages,
      identities: flush.messages.identities.map((one): MessageIdentity | null =>
        one === null ? null : { ...one, storedSeconds: one.storedSeconds + 60 }
      ),
    },
  });
  for (const messages of [messagesFrom(401), [message(300)]]) {
    const flush = later(flushOf(table, messages));
    assert.deepEqual(knownOf(await tables.write(flush)), []);
    assert.deepEqual(knownOf(await tables.write(flush)), numbers(0, messages.length));
  }
  assert.deepEqual(knownOf(await tables.write(flushOf(table, messagesFrom(1)))), numbers(0, MANY));
  assert.equal((await rowsOf(fixture, "t"))[0], MANY + MANY + 1);
});

Deno.test("write() makes no ranges while a transaction with entries is open", async () => {
  await using fixture = await openFixture(server, ONE);
  const { sql, store } = fixture;
  const table = await tableOf(fixture);
  committed(await store.tables.write(flushOf(table, [message(90_000)])));
  await sql.begin(async (holder) => {
    await holder`insert into state_tables.delivered
      select id, 100000, ${storedNs(identity(100_000))} from state_tables.source`;
    committed(await store.tables.write(flushOf(table, messagesFrom(1))));
    assert.deepEqual(await ledgerOf(fixture), [0, 1 + MANY, 1 + MANY]);
  });
  assert.equal(await rangeEnd(sql), null);
});

async function rangeEnd(sql: postgres.Sql): Promise<string | null> {
  const [row] = await sql`select range_end from state_tables.source`;
  return row?.range_end ?? null;
}

Deno.test("write() allows ranges ahead, and entries behind them need no look", async () => {
  await using fixture = await openFixture(server, ONE);
  const table = await writeRanges(fixture);
  const { sql, store } = fixture;
  assert.equal(await rangeEnd(sql), String(2 * MANY));
  committed(await store.tables.write(flushOf(table, [message(100_000)])));
  committed(await store.tables.write(flushOf(table, messagesFrom(501))));
  assert.equal(await rangeEnd(sql), String(2 * MANY));
  committed(await store.tables.write(flushOf(table, messagesFrom(1_001))));
  assert.equal(await rangeEnd(sql), String(3 * MANY + 2 * MANY), "twice as far as before");
});

Deno.test("write() makes ranges of a stream anew when the ledger was dropped", async () => {
  await using fixture = await openFixture(server, ONE);
  const table = await writeRanges(fixture);
  const { sql, store } = fixture;
  for (const target of ["table state_tables.delivered_range", "schema state_tables cascade"]) {
    await sql.unsafe(`drop ${target}; truncate t`);
    const flush = flushOf(table, messagesFrom(1));
    await assert.rejects(store.tables.write(flush), /state_tables/);
    committed(await store.tables.write(flush));
    assert.deepEqual(await rowsOf(fixture, "t"), [MANY, MANY]);
    assert.equal((await ledgerOf(fixture))[2], MANY);
  }
});

Deno.test("write() does not trust ranges when the end that it knows is not the ledger's", async () => {
  await using fixture = await openFixture(server, ONE);
  const table = await writeRanges(fixture);
  const { sql, store } = fixture;
  await sql`update state_tables.source set range_end = null`;
  committed(await store.tables.write(flushOf(table, messagesFrom(501))));
  assert.deepEqual(await ledgerOf(fixture), [3, MANY, 2 * MANY]);
  committed(await store.tables.write(flushOf(table, messagesFrom(1_001))));
  assert.deepEqual(await ledgerOf(fixture), [6, MANY, 3 * MANY]);
  assert.deepEqual(await rowsOf(fixture, "t"), [3 * MANY, 3 * MANY]);
});

Deno.test("write() does not trust ranges that a trigger may turn away", async () => {
  await using fixture = await openFixture(server, ONE);
  const table = await writeRanges(fixture);
  const { sql, store } = fixture;
  await sql.unsafe(`
    create function turn_away() returns trigger language plpgsql as $$ begin return null; end $$;
    create trigger turn_away before insert on state_tables.delivered_range
    for each row execute function turn_away()`);
  committed(await store.tables.write(flushOf(table, messagesFrom(501))));
  assert.deepEqual(await ledgerOf(fixture), [3, MANY, 2 * MANY]);
});

testOnOne("write() of a group makes ranges of what its tables have together", async (fixture) => {
  const names = ["t1", "t2", "t3"];
  const { sql, store, database } = fixture;
  const described: TableDescription[] = [];
  for (const name of names) described.push(await tableOf(fixture, name));
  const single = await openStore(storeOptions(database.dsn, ONE));
  try {
    const first = described[0];
    assert.ok(first !== undefined);
    const blocker = flushOf(first, [message(10_000)]);
    const flushes = described.map((table, at) =>
      flushOf(table, messagesFrom(1, 900).filter(({ sequence }) => sequence % 3 === at))
    );
    const writeAll = (): Promise<FlushOutcome[]> =>
      Promise.all([blocker, ...flushes].map((flush) => single.tables.write(flush)));
    assert.deepEqual((await writeAll()).map((outcome) => knownOf(outcome).length), [0, 0, 0, 0]);
    assert.deepEqual(await ledgerOf(fixture), [4, 1, 901]);
    assert.deepEqual(
      (await writeAll()).map((outcome) => knownOf(outcome).length),
      [1, 300, 300, 300],
    );
    assert.deepEqual(await rowsOf(fixture, ...names), [901, 901]);
    const [transactions] = await sql`select count(distinct xmin::text)::int as n
      from state_tables.delivered_range`;
    assert.equal(transactions?.n, 1);
  } finally {
    await single.close(5_000);
  }
  const few = described.map((table, at) => flushOf(table, [message(1 + at), message(2_000 + at)]));
  const outcomes = await Promise.all(few.map((flush) => store.tables.write(flush)));
  assert.deepEqual(outcomes.map(knownOf), [[0], [0], [0]]);
});

Deno.test("writeRejects() knows messages that stand in ranges", async () => {
  await using fixture = await openFixture(server, ONE);
  await writeRanges(fixture);
  const { tables } = fixture.store;
  const known = await tables.writeRejects([rejectOf(identity(7), -1), rejectOf(identity(777), -1)]);
  assert.deepEqual(known.map(({ index }) => index), [0]);
  assert.equal((await fixture.sql`select from state_tables.rejected`).length, 1);
});

Deno.test("position() knows a source that has ranges only", async () => {
  await using fixture = await openFixture(server, ONE);
  await writeRanges(fixture);
  assert.equal((await fixture.store.ledger.position(ORIGIN)).isKnown, true);
  const other: StreamOrigin = { ...ORIGIN, stream: "other" };
  assert.equal((await fixture.store.ledger.position(other)).isKnown, false);
});

Deno.test("prune() deletes ranges that end below the floor, and they stay known", async () => {
  await using fixture = await openFixture(server, ONE);
  const table = await writeRanges(fixture);
  const { sql, store } = fixture;
  await store.pruner.recordFloor({ origin: ORIGIN, sequence: 300 });
  while (await store.pruner.prune(ORIGIN, 0));
  assert.deepEqual(await ledgerOf(fixture), [2, 0, MANY - 240]);
  const { prunedFloor } = await store.ledger.position(ORIGIN);
  assert.deepEqual(prunedFloor, { sequence: 300, storedNs: storedNs(identity(300)) });
  const again = await store.tables.write(flushOf(table, messagesFrom(1)));
  assert.deepEqual(knownOf(again), numbers(0, MANY));
  await store.pruner.recordFloor({ origin: ORIGIN, sequence: MANY });
  while (await store.pruner.prune(ORIGIN, 0));
  assert.deepEqual(await ledgerOf(fixture), [0, 0, 0]);
  assert.deepEqual(
    knownOf(await store.tables.write(flushOf(table, messagesFrom(1)))),
    numbers(0, MANY),
  );
  assert.equal((await sql`select from t`).length, MANY);
});

Deno.test("openStore() brings the tables of version 1 up to date", async () => {
  await using fixture = await openFixture(server, ONE);
  const { sql, store, database } = fixture;
  const table = await tableOf(fixture);
  committed(await store.tables.write(flushOf(table, [message(1)])));
  await store.close(5_000);
  await sql.unsafe(`drop table state_tables.delivered_range;
    alter table state_tables.source drop column range_end;
    update state_tables.version set version = 1, readable_by = 1`);
  const other = await openStore(storeOptions(database.dsn));
  try {
    const [version] = await sql`select max(readable_by) as n from state_tables.version`;
    assert.equal(version?.n, 2);
    assert.deepEqual(knownOf(await other.tables.write(flushOf(table, [message(1)]))), [0]);
    committed(await other.tables.write(flushOf(table, messagesFrom(2))));
    assert.deepEqual(await rowsOf(fixture, "t"), [MANY + 1, MANY + 1]);
  } finally {
    await other.close(5_000);
  }
});
