/** Listing, purging and trimming `state_tables.rejected`. */
import assert from "node:assert/strict";
import { ANY_REJECT, type RejectFilter } from "../../../lib/ingest/kept_reject.ts";
import { keepReject } from "../../support/kept_rejects.ts";
import { sharedPostgres } from "../../support/servers.ts";
import { openFixture, type StoreFixture, testOnBoth } from "../store/store_fixture.ts";

const server = await sharedPostgres();
const NEVER = new AbortController().signal;
const DAY_MS = 86_400_000;

function daysAgo(days: number): Date {
  return new Date(Date.now() - days * DAY_MS);
}

async function ids(fixture: StoreFixture): Promise<string[]> {
  const rows = await fixture.sql`select r.id::text from state_tables.rejected r order by r.id`;
  return rows.map(({ id }) => id);
}

testOnBoth("list() finds rejects by every filter, the newest first", async ({ sql, store }) => {
  const first = await keepReject(sql, {
    record: "{}",
    processorId: "p1",
    tableName: "p1_t",
    routeId: "r1",
    reason: "Value too LONG",
    keptAt: daysAgo(3),
    sequence: 5,
  });
  const second = await keepReject(sql, { payload: "x", state: "parked", reason: "100% bad" });
  const find = async (filter: Partial<RejectFilter>): Promise<string[]> => {
    const found = await store.rejects.list({ ...ANY_REJECT, ...filter }, 10);
    return found.map(({ id }) => id);
  };
  assert.deepEqual(await find({}), [second, first]);
  const onlyFirst: Partial<RejectFilter>[] = [
    { processorId: "p1" },
    { tableName: "p1_t" },
    { routeId: "r1" },
    { reasonPart: "too long" },
    { state: "rejected" },
    { ageMinMs: 2 * DAY_MS },
    { ids: [first] },
  ];
  for (const filter of onlyFirst) {
    assert.deepEqual(await find(filter), [first], JSON.stringify(filter));
  }
  assert.deepEqual(await find({ ageMaxMs: 2 * DAY_MS }), [second]);
  assert.deepEqual(await find({ reasonPart: "%" }), [second]);
});

testOnBoth("list() tells where a message came from", async ({ sql, store }) => {
  await keepReject(sql, { record: '{"a": 1}', sequence: 5, ordinal: 2 });
  const [reject] = await store.rejects.list(ANY_REJECT, 1);
  assert.deepEqual(reject?.origin, {
    stream: "orders",
    consumer: "durable",
    streamCreated: "2026-11-24T10:00:00Z",
    sequence: "5",
    storedNs: "5000",
  });
  assert.deepEqual([reject?.ordinal, reject?.payloadBytes], [2, 8]);
});

Deno.test("read() bounds a page by bytes, and reads a first reject of any size", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  for (const length of [500, 100, 100, 100]) {
    await keepReject(sql, { payload: "x".repeat(length) });
  }
  const sizes: number[][] = [];
  for (let afterId = "0";;) {
    const page = { afterId, lastId: "100", rowsMax: 10, bytesMax: 250 };
    const rejects = await store.rejects.read(ANY_REJECT, page);
    if (rejects.length === 0) break;
    sizes.push(rejects.map(({ payload }) => payload.length));
    afterId = rejects.at(-1)?.id ?? "100";
  }
  assert.deepEqual(sizes, [[500], [100, 100], [100]]);
});

Deno.test("purge() deletes a chunk of the oldest, none behind the last id, none that is locked", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  const kept = [];
  for (let at = 0; at < 5; at++) kept.push(await keepReject(sql, { record: "{}" }));
  const [first = "", , , fourth = "", fifth = ""] = kept;
  const bounds = { lastId: fourth, rowsMax: 2 };
  await sql.begin(async (other) => {
    await other`select from state_tables.rejected where id = ${first} for update`;
    assert.equal(await store.rejects.purge(ANY_REJECT, bounds), 2);
  });
  assert.deepEqual(await ids(fixture), [first, fourth, fifth]);
  assert.equal(await store.rejects.purge(ANY_REJECT, bounds), 2);
  assert.equal(await store.rejects.purge(ANY_REJECT, bounds), 0);
  assert.deepEqual(await ids(fixture), [fifth]);
});

testOnBoth("trim() drops what is too old, and never what is parked", async (fixture) => {
  const { sql, store } = fixture;
  await keepReject(sql, { record: "{}", keptAt: daysAgo(31) });
  const parked = await keepReject(sql, { record: "{}", keptAt: daysAgo(31), state: "parked" });
  const young = await keepReject(sql, { record: "{}", keptAt: daysAgo(29) });
  const trimmed = await store.rejects.trim({ ageMaxMs: 30 * DAY_MS, bytesMax: 1e9 }, NEVER);
  assert.deepEqual(trimmed, { forAge: 1, forSize: 0 });
  assert.deepEqual(await ids(fixture), [parked, young]);
});

testOnBoth("trim() drops the oldest beyond the size, and never what is parked", async (fixture) => {
  const { sql, store } = fixture;
  // Random bytes: what is stored may be compressed.
  const payload = (): Uint8Array => crypto.getRandomValues(new Uint8Array(50_000));
  const parked = await keepReject(sql, { payload: payload(), state: "parked" });
  const kept: string[] = [];
  for (let at = 0; at < 10; at++) kept.push(await keepReject(sql, { payload: payload() }));
  const trimmed = await store.rejects.trim({ ageMaxMs: DAY_MS, bytesMax: 210_000 }, NEVER);
  assert.deepEqual(trimmed, { forAge: 0, forSize: 6 });
  assert.deepEqual(await ids(fixture), [parked, ...kept.slice(6)]);
});

Deno.test("trim() drops more than one chunk, and does nothing while another instance trims", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`
    insert into state_tables.rejected (at, ordinal, reason, record, received_at)
    select now() - interval '2 days', 0, 'unfit', '{}', now() from generate_series(1, 2500)`;
  const bounds = { ageMaxMs: DAY_MS, bytesMax: 1e9 };
  await sql.begin(async (other) => {
    await other`select pg_advisory_xact_lock(${0x53544142 + 2}, 0)`;
    assert.deepEqual(await store.rejects.trim(bounds, NEVER), { forAge: 0, forSize: 0 });
  });
  assert.deepEqual(await store.rejects.trim(bounds, NEVER), { forAge: 2500, forSize: 0 });
});
