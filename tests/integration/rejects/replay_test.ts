/** Replaying rejects into real tables: what moves, what stays, and that nothing moves twice. */
import assert from "node:assert/strict";
import { systemClock } from "../../../lib/clock.ts";
import { ANY_REJECT, type RejectFilter } from "../../../lib/ingest/kept_reject.ts";
import { type ReplayCounts, replayRejects } from "../../../lib/ingest/replay.ts";
import { openStore, type Store } from "../../../lib/store/store.ts";
import { addProcessor } from "../../../dev/servers/catalog.ts";
import { keepNumbers, keepReject } from "../../support/kept_rejects.ts";
import { sharedPostgres } from "../../support/servers.ts";
import { openFixture, RecordingLog, storeOptions, testOnBoth } from "../store/store_fixture.ts";

const server = await sharedPostgres();

const RECEIVED = new Date("2026-11-20T08:00:00.123Z");

async function replay(
  store: Store,
  filter: Partial<RejectFilter> = {},
  onLeft: (sentence: string) => void = (sentence) => assert.fail(sentence),
): Promise<ReplayCounts> {
  return await replayRejects({ ...ANY_REJECT, ...filter }, Infinity, {
    catalog: store.catalog,
    store: store.tables,
    rejects: store.rejects,
    clock: systemClock,
    log: new RecordingLog(),
    stop: new AbortController().signal,
    onLeft,
  });
}

testOnBoth("replayRejects() moves a record that fits, with its first time of receipt", async ({
  sql,
  store,
}) => {
  await addProcessor(sql, { processorId: "p1", routes: [] });
  await sql`create table p1 (n bigint, _timestamp timestamptz)`;
  await keepReject(sql, {
    record: '{"n": 12}',
    processorId: "p1",
    sequence: 7,
    ordinal: 3,
    receivedAt: RECEIVED,
  });
  assert.deepEqual(await replay(store), { moved: 1, rows: 1, stayed: 0, gone: 0 });
  assert.deepEqual([...await sql`select n::int, _timestamp from p1`], [
    { n: 12, _timestamp: RECEIVED },
  ]);
  assert.deepEqual([...await sql`select id from state_tables.rejected`], []);
});

testOnBoth(
  "replayRejects() keeps what still does not fit under its id, with the new reason",
  async ({
    sql,
    store,
  }) => {
    await addProcessor(sql, { processorId: "p1", routes: [] });
    await sql`create table p1 (n bigint check (n < 10), _timestamp timestamptz)`;
    const id = await keepReject(sql, {
      record: '{"n": 12}',
      processorId: "p1",
      sequence: 7,
      ordinal: 3,
    });
    await keepReject(sql, { record: '{"n": 5}', processorId: "p1", sequence: 7, ordinal: 4 });
    assert.deepEqual(await replay(store), { moved: 1, rows: 1, stayed: 1, gone: 0 });
    const kept = await sql`
    select id::text, seq::int, ordinal, sqlstate, constraint_name, record, reason
    from state_tables.rejected`;
    assert.deepEqual([...kept], [{
      id,
      seq: 7,
      ordinal: 3,
      sqlstate: "23514",
      constraint_name: "p1_n_check",
      record: '{"n": 12}',
      reason: 'new row for relation "p1" violates check constraint "p1_n_check"',
    }]);
  },
);

Deno.test("replayRejects() moves a row that was mended by hand, and refuses a mend that is no JSON", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await addProcessor(sql, { processorId: "p1", routes: [] });
  await keepReject(sql, { record: '{"n": 1}', processorId: "p1" });
  await keepReject(sql, { record: '{"n": 1', processorId: "p1" });
  await keepReject(sql, { record: '{"n": 1} {"n": 2}', processorId: "p1" });
  assert.deepEqual(await replay(store), { moved: 1, rows: 1, stayed: 2, gone: 0 });
  const reasons = await sql`select reason from state_tables.rejected order by id`;
  for (const { reason } of reasons) assert.match(reason, /as it is not valid JSON: /);
});

testOnBoth("replayRejects() reads a whole message again once its route is known", async ({
  sql,
  store,
}) => {
  const payload = '{"route_id": "r1", "query_state": [{"n": 1}, 7, {"n": 2}]}';
  await keepReject(sql, { payload, routeId: "r1", sequence: 9, receivedAt: RECEIVED });
  assert.deepEqual(await replay(store), { moved: 0, rows: 0, stayed: 1, gone: 0 });
  const [unknown] = await sql`select reason from state_tables.rejected`;
  assert.match(unknown?.reason, /route_id 'r1' is not in processor_state/);

  await addProcessor(sql, { processorId: "p1", routes: ["r1"] });
  assert.deepEqual(await replay(store), { moved: 0, rows: 2, stayed: 1, gone: 0 });
  assert.deepEqual([...await sql`select n::int from p1 order by n`], [{ n: 1 }, { n: 2 }]);
  const kept = await sql`
    select seq::int, ordinal, record, payload, route_id, processor_id, received_at
    from state_tables.rejected`;
  assert.deepEqual([...kept], [{
    seq: 9,
    ordinal: 1,
    record: "7",
    payload: null,
    route_id: "r1",
    processor_id: "p1",
    received_at: RECEIVED,
  }]);
});

Deno.test("replayRejects() keeps bytes that are no message", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await keepReject(sql, { payload: new Uint8Array([0xff, 0x00]), sequence: 1 });
  assert.deepEqual(await replay(store), { moved: 0, rows: 0, stayed: 1, gone: 0 });
  const [kept] = await sql`select reason, payload from state_tables.rejected`;
  assert.match(kept?.reason, /^Cannot read the message as /);
  assert.deepEqual([...kept?.payload], [0xff, 0x00]);
});

Deno.test("replayRejects() leaves parked rows and what the filter leaves out alone", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await addProcessor(sql, { processorId: "p1", routes: [] });
  await addProcessor(sql, { processorId: "p2", routes: [] });
  await keepReject(sql, { record: '{"n": 1}', processorId: "p1", state: "parked" });
  await keepReject(sql, { record: '{"n": 2}', processorId: "p2" });
  const id = await keepReject(sql, { record: '{"n": 3}', processorId: "p1" });
  const counts = await replay(store, { processorId: "p1", ids: [id] });
  assert.deepEqual(counts, { moved: 1, rows: 1, stayed: 0, gone: 0 });
  const left = await sql`select record from state_tables.rejected order by id`;
  assert.deepEqual(left.map(({ record }) => record), ['{"n": 1}', '{"n": 2}']);
});

Deno.test("replayRejects() leaves rejects as they are when their table cannot be written", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await addProcessor(sql, { processorId: "p1", routes: [] });
  await sql`create view p1 as select 1 as n`;
  await keepReject(sql, { record: '{"n": 3}', processorId: "p1" });
  const sentences: string[] = [];
  const counts = await replay(store, {}, (sentence) => sentences.push(sentence));
  assert.deepEqual(counts, { moved: 0, rows: 0, stayed: 1, gone: 0 });
  assert.match(sentences.join(), /^Cannot change p1 as it is a view/);
  const [kept] = await sql`select reason from state_tables.rejected`;
  assert.equal(kept?.reason, "unfit");
});

Deno.test("replayRejects() writes nothing while the processor's properties are malformed", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await addProcessor(sql, { processorId: "p1", properties: { tableName: 5 }, routes: [] });
  await keepReject(sql, { record: '{"n": 3}', processorId: "p1" });
  const sentences: string[] = [];
  const counts = await replay(store, {}, (sentence) => sentences.push(sentence));
  assert.deepEqual(counts, { moved: 0, rows: 0, stayed: 1, gone: 0 });
  assert.match(sentences.join(), /^Cannot replay into the table of p1 as its property 'tableName'/);
});

Deno.test("replayRejects() moves nothing when everything has moved before", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await addProcessor(sql, { processorId: "p1", routes: [] });
  await keepNumbers(sql, "p1", 200);
  assert.deepEqual(await replay(store), { moved: 200, rows: 200, stayed: 0, gone: 0 });
  assert.deepEqual(await replay(store), { moved: 0, rows: 0, stayed: 0, gone: 0 });
  const [table] = await sql`select count(*)::int, count(distinct n)::int as numbers from p1`;
  assert.deepEqual(table, { count: 200, numbers: 200 });
});

Deno.test("replayRejects() moves every reject once when several replays run at once", async () => {
  await using fixture = await openFixture(server);
  const { sql, database } = fixture;
  await addProcessor(sql, { processorId: "p1", routes: [] });
  await keepNumbers(sql, "p1", 1_000);
  const stores = await Promise.all(
    [1, 2, 3].map(() => openStore(storeOptions(database.dsn))),
  );
  try {
    const counts = await Promise.all(stores.map((store) => replay(store)));
    assert.equal(counts.reduce((sum, { moved }) => sum + moved, 0), 1_000);
    assert.equal(counts.reduce((sum, { stayed }) => sum + stayed, 0), 0);
  } finally {
    await Promise.all(stores.map((store) => store.close(1_000)));
  }
  const [table] = await sql`select count(*)::int, count(distinct n)::int as numbers from p1`;
  assert.deepEqual(table, { count: 1_000, numbers: 1_000 });
});

Deno.test("replayRejects() skips a reject that another transaction holds", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await addProcessor(sql, { processorId: "p1", routes: [] });
  await keepNumbers(sql, "p1", 3);
  await sql.begin(async (other) => {
    await other`select from state_tables.rejected where record = '{"n": 2}' for update`;
    assert.deepEqual(await replay(store), { moved: 2, rows: 2, stayed: 0, gone: 1 });
  });
  assert.deepEqual(await replay(store), { moved: 1, rows: 1, stayed: 0, gone: 0 });
});

Deno.test("replayRejects() finds the few that fit among many that do not", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await addProcessor(sql, { processorId: "p1", routes: [] });
  await sql`create table p1 (n bigint check (n % 50 = 0), _timestamp timestamptz)`;
  await keepNumbers(sql, "p1", 300);
  assert.deepEqual(await replay(store), { moved: 6, rows: 6, stayed: 294, gone: 0 });
});
