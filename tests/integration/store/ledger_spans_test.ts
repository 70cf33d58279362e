/** Consecutive messages share a row of the ledger, which knows them as it knows those with an entry. */
import assert from "node:assert/strict";
import type postgres from "postgres";
import { type MessageIdentity, storedNs, type StreamOrigin } from "../../../lib/ingest/delivery.ts";
import type { Flush, FlushOutcome } from "../../../lib/ingest/ports.ts";
import type { TableDescription } from "../../../lib/schema/table_description.ts";
import { openStore } from "../../../lib/store/store.ts";
import { waitFor } from "../../support/servers.ts";
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
  writeSpans,
} from "./span_fixture.ts";

testOnOne("write() keeps consecutive messages as spans", async (fixture) => {
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

testOnOne("write() knows messages that stand in spans", async (fixture) => {
  const table = await writeSpans(fixture);
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

testOnOne("write() of a span notices that an entry has one of its messages", async (fixture) => {
  const table = await writeSpans(fixture);
  const { tables } = fixture.store;
  committed(await tables.write(flushOf(table, [message(700)])));
  assert.deepEqual(knownOf(await tables.write(flushOf(table, messagesFrom(501)))), [199]);
  assert.deepEqual(await rowsOf(fixture, "t"), [2 * MANY, 2 * MANY]);
});

Deno.test("write() tells messages of a stream that lost its tail from those in spans", async () => {
  await using fixture = await openFixture(server, ONE);
  const table = await writeSpans(fixture);
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

Deno.test("write() makes no spans while a transaction has entries that were not looked at", async () => {
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
  await sql.begin(async (holder) => {
    // Whoever begins later looks, so that nobody has to wait for it.
    await holder`insert into state_tables.delivered
      select id, 100001, ${storedNs(identity(100_001))} from state_tables.source`;
    committed(await store.tables.write(flushOf(table, messagesFrom(501, 200))));
  });
  assert.deepEqual(await ledgerOf(fixture), [1, 3 + MANY, 3 + MANY + 200]);
});

Deno.test("write() makes no spans while the end of spans cannot be moved", async () => {
  await using fixture = await openFixture(server, ONE);
  const { sql, store } = fixture;
  const table = await tableOf(fixture);
  committed(await store.tables.write(flushOf(table, [message(90_000)])));
  let first = 1;
  const writeNext = async (): Promise<void> => {
    committed(await store.tables.write(flushOf(table, messagesFrom(first))));
    first += MANY;
  };
  await sql.begin(async (holder) => {
    await holder`select from state_tables.source for update`;
    await writeNext();
  });
  assert.equal(await spanEnd(sql), null);
  await waitFor(async () => {
    await writeNext();
    return ((await ledgerOf(fixture))[0] ?? 0) > 0;
  }, { what: "spans" });
  assert.equal((await ledgerOf(fixture))[2], first);
});

async function spanEnd(sql: postgres.Sql): Promise<string | null> {
  const [row] = await sql`select span_end from state_tables.source`;
  return row?.span_end ?? null;
}

Deno.test("write() allows spans ahead, before they are needed", async () => {
  await using fixture = await openFixture(server, ONE);
  const table = await writeSpans(fixture);
  const { sql, store } = fixture;
  assert.equal(await spanEnd(sql), "1000");
  committed(await store.tables.write(flushOf(table, [message(100_000)])));
  committed(await store.tables.write(flushOf(table, messagesFrom(501, 200))));
  assert.equal(await spanEnd(sql), "1000", "far enough yet");
  committed(await store.tables.write(flushOf(table, messagesFrom(701, 200))));
  assert.equal(await spanEnd(sql), "1900", "twice as far as before");
  assert.deepEqual((await ledgerOf(fixture)).slice(1), [1, MANY + 401]);
});

Deno.test("write() goes on with spans while it waits for those further on", async () => {
  await using fixture = await openFixture(server, ONE);
  const table = await writeSpans(fixture);
  const { sql, store } = fixture;
  await sql.begin(async (holder) => {
    await holder`insert into state_tables.delivered
      select id, 100000, ${storedNs(identity(100_000))} from state_tables.source`;
    for (const first of [501, 701]) {
      committed(await store.tables.write(flushOf(table, messagesFrom(first, 200))));
    }
    assert.deepEqual((await ledgerOf(fixture)).slice(1), [0, MANY + 400]);
    committed(await store.tables.write(flushOf(table, messagesFrom(901, 200))));
    assert.deepEqual((await ledgerOf(fixture)).slice(1), [200, MANY + 600]);
  });
  committed(await store.tables.write(flushOf(table, messagesFrom(1_101, 200))));
  assert.deepEqual((await ledgerOf(fixture)).slice(1), [201, MANY + 801]);
});

Deno.test("write() makes spans of a stream anew when the ledger was dropped", async () => {
  await using fixture = await openFixture(server, ONE);
  const table = await writeSpans(fixture);
  const { sql, store } = fixture;
  for (const target of ["table state_tables.delivered_span", "schema state_tables cascade"]) {
    await sql.unsafe(`drop ${target}; truncate t`);
    const flush = flushOf(table, messagesFrom(1));
    await assert.rejects(store.tables.write(flush), /state_tables/);
    committed(await store.tables.write(flush));
    assert.deepEqual(await rowsOf(fixture, "t"), [MANY, MANY]);
    assert.equal((await ledgerOf(fixture))[2], MANY);
  }
});

Deno.test("write() does not trust spans when the end that it knows is not the ledger's", async () => {
  await using fixture = await openFixture(server, ONE);
  const table = await writeSpans(fixture);
  const { sql, store } = fixture;
  committed(await store.tables.write(flushOf(table, messagesFrom(501, 400))));
  await sql`update state_tables.source set span_end = null`;
  committed(await store.tables.write(flushOf(table, messagesFrom(901, 200))));
  assert.deepEqual((await ledgerOf(fixture)).slice(1), [200, MANY + 600]);
  committed(await store.tables.write(flushOf(table, messagesFrom(1_101, 200))));
  assert.deepEqual((await ledgerOf(fixture)).slice(1), [200, MANY + 800]);
  assert.deepEqual(await rowsOf(fixture, "t"), [MANY + 800, MANY + 800]);
});

testOnOne(
  "write() of entries finds spans by the index, however small their table is",
  async (fixture) => {
    const table = await writeSpans(fixture);
    const { sql, store } = fixture;
    // VACUUM tells the planner how small it is; the plan of a prepared statement is kept from some
    // uses on.
    await sql`vacuum analyze state_tables.delivered_span`;
    await sql`select pg_stat_force_next_flush()`; // what the test itself read
    const before = await scansOf(sql);
    for (const { sequence } of messagesFrom(501, 10)) {
      committed(await store.tables.write(flushOf(table, [message(sequence)])));
    }
    committed(await store.tables.write(flushOf(table, messagesFrom(601, 200))));
    await store.close(5_000); // which makes its connections tell what they did
    const wanted = before.byIndex + 11;
    await waitFor(async () => (await scansOf(sql)).byIndex >= wanted, { what: `${wanted} scans` });
    assert.equal((await scansOf(sql)).rowsOfAll, before.rowsOfAll);
  },
);

/** How often the table of spans was looked into by its index, and the rows read without it. */
async function scansOf(sql: postgres.Sql): Promise<{ byIndex: number; rowsOfAll: number }> {
  const [row] = await sql`select idx_scan::int as "byIndex", seq_tup_read::int as "rowsOfAll"
    from pg_stat_all_tables where schemaname = 'state_tables' and relname = 'delivered_span'`;
  return { byIndex: row?.byIndex, rowsOfAll: row?.rowsOfAll };
}

Deno.test("write() does not trust spans that a trigger may turn away", async () => {
  await using fixture = await openFixture(server, ONE);
  const table = await writeSpans(fixture);
  const { sql, store } = fixture;
  await sql.unsafe(`
    create function turn_away() returns trigger language plpgsql as $$ begin return null; end $$;
    create trigger turn_away before insert on state_tables.delivered_span
    for each row execute function turn_away()`);
  committed(await store.tables.write(flushOf(table, messagesFrom(501))));
  assert.deepEqual(await ledgerOf(fixture), [3, MANY, 2 * MANY]);
});

testOnOne("write() of a group makes spans of what its tables have together", async (fixture) => {
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
    assert.deepEqual(await ledgerOf(fixture), [5, 1, 901]);
    assert.deepEqual(
      (await writeAll()).map((outcome) => knownOf(outcome).length),
      [1, 300, 300, 300],
    );
    assert.deepEqual(await rowsOf(fixture, ...names), [901, 901]);
    const [transactions] = await sql`select count(distinct xmin::text)::int as n
      from state_tables.delivered_span`;
    assert.equal(transactions?.n, 1);
  } finally {
    await single.close(5_000);
  }
  const few = described.map((table, at) => flushOf(table, [message(1 + at), message(2_000 + at)]));
  const outcomes = await Promise.all(few.map((flush) => store.tables.write(flush)));
  assert.deepEqual(outcomes.map(knownOf), [[0], [0], [0]]);
});

Deno.test("writeRejects() knows messages that stand in spans", async () => {
  await using fixture = await openFixture(server, ONE);
  await writeSpans(fixture);
  const { tables } = fixture.store;
  const known = await tables.writeRejects([rejectOf(identity(7), -1), rejectOf(identity(777), -1)]);
  assert.deepEqual(known.map(({ index }) => index), [0]);
  assert.equal((await fixture.sql`select from state_tables.rejected`).length, 1);
});

Deno.test("position() knows a source that has spans only", async () => {
  await using fixture = await openFixture(server, ONE);
  await writeSpans(fixture);
  assert.equal((await fixture.store.ledger.position(ORIGIN)).isKnown, true);
  const other: StreamOrigin = { ...ORIGIN, stream: "other" };
  assert.equal((await fixture.store.ledger.position(other)).isKnown, false);
});

Deno.test("prune() deletes spans of blocks that end below the floor, and they stay known", async () => {
  await using fixture = await openFixture(server, ONE);
  const { sql, store } = fixture;
  const table = await tableOf(fixture);
  const count = 1_500;
  // Two spans for each block: every third message, and the others.
  for (const isThird of [true, false]) {
    const messages = messagesFrom(1, count).filter(({ sequence }) =>
      (sequence % 3 === 0) === isThird
    );
    committed(await store.tables.write(flushOf(table, messages)));
  }
  for (
    const [floor, left] of [
      [1_022, count],
      [1_023, count - 1_023],
      [1_300, count - 1_023],
      [1_500, count - 1_023],
    ] as const
  ) {
    await store.pruner.recordFloor({ origin: ORIGIN, sequence: floor });
    while (await store.pruner.prune(ORIGIN, 0));
    assert.equal((await ledgerOf(fixture))[2], left, `${floor}`);
    const { prunedFloor } = await store.ledger.position(ORIGIN);
    assert.deepEqual(prunedFloor, { sequence: floor, storedNs: storedNs(identity(floor)) });
    const again = await store.tables.write(flushOf(table, messagesFrom(1, count)));
    assert.deepEqual(knownOf(again), numbers(0, count));
  }
  committed(await store.tables.write(flushOf(table, messagesFrom(1_501, 600))));
  await store.pruner.recordFloor({ origin: ORIGIN, sequence: 2_100 });
  while (await store.pruner.prune(ORIGIN, 0));
  assert.equal((await ledgerOf(fixture))[2], 2_100 - 2_047);
  assert.equal((await sql`select from t`).length, 2_100);
});

/** What version 2 had in the place of spans. */
const RANGES = `create table state_tables.delivered_range (source int not null, seq bigint not null,
    stored_ns bigint[] not null, primary key (source, seq));
  alter table state_tables.source rename column span_end to range_end;
  update state_tables.source set range_end = 5000;
  insert into state_tables.delivered_range
  select s.id, n, array(select 1763976000000000000 + m from generate_series(n, least(n + 239, 3000)) m)
  from state_tables.source s, generate_series(2::bigint, 3000, 240) n`;

for (
  const [version, known, before] of [
    [1, 1, "alter table state_tables.source drop column span_end"],
    [2, 3_000, RANGES],
  ] as const
) {
  Deno.test(`openStore() brings the tables of version ${version} up to date`, async () => {
    await using fixture = await openFixture(server, ONE);
    const { sql, store, database } = fixture;
    const table = await tableOf(fixture);
    committed(await store.tables.write(flushOf(table, [message(1)])));
    await store.close(5_000);
    await sql.unsafe(`drop table state_tables.delivered_span; ${before};
      update state_tables.version set version = ${version}, readable_by = ${version}`);
    const other = await openStore(storeOptions(database.dsn));
    try {
      const [row] = await sql`select max(readable_by) as n from state_tables.version`;
      assert.equal(row?.n, 3);
      const tables = await sql`select from pg_tables
        where schemaname = 'state_tables' and tablename = 'delivered_range'`;
      assert.equal(tables.length, 0);
      assert.equal((await ledgerOf(fixture))[2], known);
      const messages = messagesFrom(1, known);
      assert.deepEqual(
        knownOf(await other.tables.write(flushOf(table, messages))),
        numbers(0, known),
      );
      committed(await other.tables.write(flushOf(table, messagesFrom(known + 1))));
      assert.deepEqual(await rowsOf(fixture, "t"), [1 + MANY, 1 + MANY]);
    } finally {
      await other.close(5_000);
    }
  });
}
