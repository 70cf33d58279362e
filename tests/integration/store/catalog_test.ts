/** Catalog look-ups, the ledger's position and message rejects, on a real server. */
import assert from "node:assert/strict";
import { addProcessor } from "../../../dev/servers/catalog.ts";
import { ConfigurationError, StoreUnavailableError } from "../../../lib/errors.ts";
import { openStore } from "../../../lib/store/store.ts";
import { freshDatabase, sharedPostgres } from "../../support/servers.ts";
import {
  describeTable,
  flushOf,
  identity,
  openFixture,
  ORIGIN,
  rejectOf,
  storeOptions,
} from "./store_fixture.ts";

const server = await sharedPostgres();

Deno.test("findProcessor() finds the processor of a route", async () => {
  await using fixture = await openFixture(server);
  const properties = { tableName: "custom", batchSize: 7, nested: { deep: [1, null] } };
  await addProcessor(fixture.sql, { processorId: "p1", properties, routes: ["s1:p1", "s2:p1"] });
  const found = await fixture.store.catalog.findProcessor("s2:p1", null);
  assert.deepEqual(found, { processorId: "p1", properties });
});

Deno.test("findProcessor() prefers the route's processor to the one named", async () => {
  await using fixture = await openFixture(server);
  await addProcessor(fixture.sql, { processorId: "p1", routes: ["r1"] });
  await addProcessor(fixture.sql, { processorId: "p2", routes: [] });
  const { catalog } = fixture.store;
  assert.equal((await catalog.findProcessor("r1", "p2"))?.processorId, "p1");
});

Deno.test("findProcessor() uses the processor named when the route is null or unknown", async () => {
  await using fixture = await openFixture(server);
  await addProcessor(fixture.sql, { processorId: "p1", routes: [] });
  const { catalog } = fixture.store;
  const expected = { processorId: "p1", properties: null };
  assert.deepEqual(await catalog.findProcessor(null, "p1"), expected);
  assert.deepEqual(await catalog.findProcessor("unknown", "p1"), expected);
  assert.deepEqual(await catalog.findProcessor("nul\0", "p1"), expected);
});

Deno.test("findProcessor() says null when nobody is there", async () => {
  await using fixture = await openFixture(server);
  const { catalog } = fixture.store;
  assert.equal(await catalog.findProcessor("unknown", "nobody"), null);
  assert.equal(await catalog.findProcessor("unknown", null), null);
});

Deno.test("findProcessors() answers each key as findProcessor() would, in their order", async () => {
  await using fixture = await openFixture(server);
  const properties = { batchSize: 7, nested: { deep: [1, null] } };
  await addProcessor(fixture.sql, { processorId: "p1", properties, routes: ["r1", 'r"\\,{}'] });
  await addProcessor(fixture.sql, { processorId: "p2", routes: ["NULL"] });
  const { catalog } = fixture.store;
  const keys = [
    { routeId: "r1", processorId: "p2" },
    { routeId: "unknown", processorId: null },
    { routeId: null, processorId: "p2" },
    { routeId: "unknown", processorId: "p1" },
    { routeId: "nul\0", processorId: "p1" },
    { routeId: "NULL", processorId: null },
    { routeId: 'r"\\,{}', processorId: null },
    { routeId: "r1", processorId: null },
    { routeId: "unknown", processorId: "nobody" },
  ];
  const found = await catalog.findProcessors(keys);
  const singly = await Promise.all(
    keys.map(({ routeId, processorId }) => catalog.findProcessor(routeId, processorId)),
  );
  assert.deepEqual(found, singly);
  assert.deepEqual(found.map((record) => record?.processorId ?? null), [
    "p1",
    null,
    "p2",
    "p1",
    "p1",
    "p2",
    "p1",
    "p1",
    null,
  ]);
  assert.deepEqual(found[0]?.properties, properties);
  assert.deepEqual(await catalog.findProcessors([]), []);
});

Deno.test("findProcessor() gives up soon when somebody locks the catalog", async () => {
  await using fixture = await openFixture(server, {
    timeouts: { lockMs: 20, statementMs: 10_000 },
  });
  await fixture.sql.begin(async (holder) => {
    await holder`lock table processor`;
    await assert.rejects(
      fixture.store.catalog.findProcessor("r", null),
      (error) => error instanceof StoreUnavailableError && error.sqlState === "55P03",
    );
  });
});

Deno.test("check() names the catalog table that is missing", async () => {
  await using database = await freshDatabase(server);
  const store = await openStore(storeOptions(database.dsn));
  try {
    await assert.rejects(
      store.catalog.check(),
      (error) =>
        error instanceof ConfigurationError && /relation "processor" does not exist/.test(
          error.message,
        ),
    );
  } finally {
    await store.close(1_000);
  }
});

Deno.test("check() is content when the catalog is there", async () => {
  await using fixture = await openFixture(server);
  await fixture.store.catalog.check();
});

/** What the ledger says of a source that it has never heard of. */
const UNKNOWN = { isKnown: false, begins: null, shared: null, prunedFloor: null };

Deno.test("position() knows a source once a message of it is durable", async () => {
  await using fixture = await openFixture(server);
  const { store, sql } = fixture;
  assert.deepEqual(await store.ledger.position(ORIGIN), UNKNOWN);
  await sql`create table t (a int)`;
  await store.tables.write(
    flushOf(await describeTable(store, "t"), [{ sequence: 1, rows: ["1"] }]),
  );
  const renewed = { ...ORIGIN, consumerCreated: "another" };
  assert.deepEqual(await store.ledger.position(renewed), { ...UNKNOWN, isKnown: true });
  const other = { ...ORIGIN, created: "later" };
  assert.deepEqual(await store.ledger.position(other), UNKNOWN);
});

Deno.test("position() tells where the consumer began, the first answer", async () => {
  await using fixture = await openFixture(server);
  const { ledger } = fixture.store;
  const time = new Date("2026-11-24T00:00:00Z");
  await ledger.recordStart(ORIGIN, { kind: "time", time });
  await ledger.recordStart(ORIGIN, { kind: "all" });
  assert.deepEqual(await ledger.position(ORIGIN), { ...UNKNOWN, begins: { kind: "time", time } });
});

Deno.test("position() tells how far a shared consumer was settled, until ours is made", async () => {
  await using fixture = await openFixture(server);
  const { ledger, pruner } = fixture.store;
  const seen = async (sequence: number): Promise<void> => {
    const shared = { sequence, storedAt: `time of ${sequence}` };
    await pruner.recordFloor({ origin: ORIGIN, sequence, shared });
  };
  await ledger.recordStart(ORIGIN, { kind: "sequence", sequence: 5 });
  for (const sequence of [4, 12, 9]) await seen(sequence);
  assert.deepEqual(await ledger.position(ORIGIN), {
    ...UNKNOWN,
    shared: { sequence: 12, storedAt: "time of 12" },
  });
  const begins = { kind: "sequence", sequence: 13 } as const;
  await ledger.recordStart(ORIGIN, begins);
  assert.deepEqual(await ledger.position(ORIGIN), { ...UNKNOWN, begins });
});

Deno.test("position() tells what was pruned", async () => {
  await using fixture = await openFixture(server);
  const { store, sql } = fixture;
  await store.tables.writeRejects([rejectOf(identity(1), -1)]);
  await sql`update state_tables.source set pruned_seq = 30, pruned_ns = 1763976000000000030`;
  assert.deepEqual(await store.ledger.position(ORIGIN), {
    ...UNKNOWN,
    isKnown: true,
    prunedFloor: { sequence: 30, storedNs: "1763976000000000030" },
  });
});

Deno.test("hasProcessorTables() looks for tables named after a processor", async () => {
  await using fixture = await openFixture(server);
  const { store, sql } = fixture;
  await addProcessor(sql, { processorId: "abc-1", routes: [] });
  await sql`create table "abc-12" (a int)`;
  assert.equal(await store.ledger.hasProcessorTables(), false);
  await sql`create table "abc-1_custom" (a int)`;
  assert.equal(await store.ledger.hasProcessorTables(), true);
});

Deno.test("writeRejects() keeps the raw bytes and the ledger entry", async () => {
  await using fixture = await openFixture(server);
  const { store, sql } = fixture;
  const payload = new Uint8Array([0, 255, 123]);
  const known = await store.tables.writeRejects([
    { ...rejectOf(identity(1), -1), payload },
    { ...rejectOf(null, -1), payload },
  ]);
  assert.deepEqual(known, []);
  const rows = await sql`select payload, record, seq::int, ordinal, state, received_at
    from state_tables.rejected order by id`;
  assert.deepEqual(new Uint8Array(rows[0]?.payload), payload);
  assert.deepEqual(
    rows.map(({ record, seq, ordinal, state }) => [record, seq, ordinal, state]),
    [[null, 1, -1, "rejected"], [null, null, -1, "rejected"]],
  );
  assert.deepEqual(rows[0]?.received_at, new Date(Date.UTC(2026, 10, 24)));
  assert.equal((await sql`select from state_tables.delivered`).length, 1);
});

Deno.test("writeRejects() tells which were known", async () => {
  await using fixture = await openFixture(server);
  const { store, sql } = fixture;
  await store.tables.writeRejects([rejectOf(identity(2), -1)]);
  const known = await store.tables.writeRejects([1, 2, 3].map((n) => rejectOf(identity(n), -1)));
  assert.deepEqual(known, [
    { index: 1, rejectCount: 1, reasons: ["the record is no object"] },
  ]);
  assert.equal((await sql`select from state_tables.rejected`).length, 3);
});

Deno.test("writeRejects() takes more rejects than one statement holds", async () => {
  await using fixture = await openFixture(server);
  const { store, sql } = fixture;
  const rejects = Array.from({ length: 450 }, (_, n) => rejectOf(identity(n + 1), -1));
  await store.tables.writeRejects(rejects);
  assert.equal((await sql`select from state_tables.rejected`).length, 450);
});
