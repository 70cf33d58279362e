/** The main job on real servers, the program as a subprocess with its production permissions. */
import assert from "node:assert/strict";
import { sharedNats, sharedPostgres } from "../../support/servers.ts";
import { Stage } from "../../support/stage.ts";

const servers = { nats: await sharedNats(), postgres: await sharedPostgres() };

/** Batches that are written as soon as the writer is free. */
const INSTANT = { batchSize: 1, batchWindowTTL: 0 };

Deno.test("run writes a message's records as typed rows, says COMPLETED and acks", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ tableName: "results", batchSize: 2 });
  const service = await stage.runService();
  await stage.publish(routeId, [
    { question: "why?", score: 0.7, run_id: "a1", at: "2026-02-22T16:42:31.123456+00:00" },
    { question: "how?", score: 2, useful: true, tokens: { prompt: 5 }, big: 2 ** 53 },
  ]);
  const rows = await stage.waitForRows(table, 2);
  assert.deepEqual(await stage.columns(table), {
    question: "text",
    score: "double precision",
    run_id: "text",
    at: "timestamp with time zone",
    useful: "boolean",
    tokens: "jsonb",
    big: "bigint",
    _timestamp: "timestamp with time zone",
  });
  assert.equal(rows[0]?.question, "why?");
  assert.equal(rows[0]?.score, 0.7);
  assert.equal(rows[0]?.useful, null);
  assert.equal((rows[0]?.at as Date).toISOString(), "2026-02-22T16:42:31.123Z");
  assert.deepEqual(rows[1]?.tokens, { prompt: 5 });
  assert.equal(rows[1]?.big, "9007199254740992");
  assert.ok(Math.abs((rows[1]?._timestamp as Date).getTime() - Date.now()) < 60_000);
  assert.deepEqual(await stage.waitForStatuses(routeId, 1), [
    { type: "models", route_id: routeId, status: "COMPLETED", data: null },
  ]);
  await stage.settled();
  await stage.stopService(service);
});

Deno.test("run takes every message type, a single object, and a processor_id without a route", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, processorId, table } = await stage.addProcessor(INSTANT);
  const service = await stage.runService();
  const types = [
    "query_state",
    "query_state_entry",
    "query_state_route",
    "query_state_direct",
    "x",
  ];
  for (const type of types) await stage.publish(routeId, [{ type }], { type });
  await stage.publish(routeId, { type: "single object" });
  await stage.publishRaw(
    JSON.stringify({ processor_id: processorId, query_state: [{ type: "by processor" }] }),
  );
  await stage.publish("unknown-route", [{ type: "both" }], { processor_id: processorId });
  const rows = await stage.waitForRows(table, types.length + 3);
  // Each way to name the processor has a look-up of its own, so these have no order.
  assert.deepEqual(
    rows.map((row) => row.type).sort(),
    [...types, "single object", "by processor", "both"].sort(),
  );
  await stage.stopService(service);
});

Deno.test("run writes 1 and 1,000 records a message, in order", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ batchSize: 500, batchWindowTTL: 1 });
  const service = await stage.runService();
  const thousand = Array.from({ length: 1_000 }, (_, n) => ({ n, text: `row ${n}` }));
  await stage.publish(routeId, thousand);
  await stage.publish(routeId, [{ n: 1_000, text: "one more" }]);
  const rows = await stage.waitForRows(table, 1_001);
  assert.deepEqual(rows.map((row) => row.n), Array.from({ length: 1_001 }, (_, n) => String(n)));
  await stage.stopService(service);
});

Deno.test("run reports an empty list at once and writes nothing", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ batchSize: 100, batchWindowTTL: 3_600 });
  const service = await stage.runService();
  await stage.publish(routeId, []);
  const [status] = await stage.waitForStatuses(routeId, 1);
  assert.equal(status?.status, "COMPLETED");
  await stage.settled();
  assert.deepEqual(await stage.rows(table), []);
  await stage.stopService(service);
});

Deno.test("run adds a column that appears late, and keeps rows without any key", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor(INSTANT);
  const service = await stage.runService();
  await stage.publish(routeId, [{ a: 1 }]);
  await stage.waitForRows(table, 1);
  await stage.publish(routeId, [{ a: 2, late: [1, 2] }, {}, { nothing: null }]);
  const rows = await stage.waitForRows(table, 4);
  assert.deepEqual(Object.keys(await stage.columns(table)), ["a", "_timestamp", "late"]);
  assert.deepEqual(rows.map(({ a, late }) => [a, late]), [
    ["1", null],
    ["2", [1, 2]],
    [null, null],
    [null, null],
  ]);
  const changes = await stage.sql`
    select column_name, change from state_tables.schema_change order by id`;
  assert.ok(changes.some((change) => change.column_name === "late"));
  await stage.stopService(service);
});

Deno.test("run keeps every digit of a number", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor(INSTANT);
  const service = await stage.runService();
  const digits = ["9007199254740993", "123456789012345678901234567890", "0.1", "1e400", "1.10"];
  const record = digits.map((number, index) => `"n${index}":${number}`).join(",");
  await stage.publishRaw(`{"route_id":"${routeId}","query_state":[{${record}}]}`);
  const [row] = await stage.waitForRows(table, 1);
  assert.deepEqual(await stage.columns(table), {
    n0: "bigint",
    n1: "numeric",
    n2: "double precision",
    n3: "numeric",
    n4: "double precision",
    _timestamp: "timestamp with time zone",
  });
  assert.equal(row?.n0, digits[0]);
  assert.equal(row?.n1, digits[1]);
  assert.equal(row?.n3, `1${"0".repeat(400)}`);
  await stage.stopService(service);
});

Deno.test("run spreads many processors over their tables", async () => {
  await using stage = await Stage.open(servers);
  const processors = await Promise.all(
    Array.from({ length: 30 }, () => stage.addProcessor({ batchSize: 10, batchWindowTTL: 1 })),
  );
  const service = await stage.runService();
  await stage.publishAll(
    processors.flatMap(({ routeId }) =>
      Array.from({ length: 7 }, (_, n) => ({ routeId, records: [{ n }, { n: n + 0.5 }] }))
    ),
  );
  for (const { table, routeId } of processors) {
    const rows = await stage.waitForRows(table, 14);
    assert.equal(new Set(rows.map((row) => row.n)).size, 14);
    await stage.waitForStatuses(routeId, 1);
  }
  await stage.settled();
  await stage.stopService(service);
});

Deno.test("run writes a batch when its window ends though batchSize is not reached", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ batchSize: 1_000, batchWindowTTL: 0.5 });
  const service = await stage.runService();
  await stage.publish(routeId, [{ a: 1 }]);
  await stage.waitForRows(table, 1);
  await stage.stopService(service);
});

Deno.test("run keeps a bad row as a reject, lands its neighbours and says FAILED", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ batchSize: 4, batchWindowTTL: 1 });
  const service = await stage.runService();
  await stage.publish(routeId, [{ a: 1 }, { a: 2 }, { a: 3 }, { a: 4 }]);
  await stage.waitForRows(table, 4);
  await stage.publish(routeId, [{ a: 5 }, "no object", ["none"], { a: 6 }]);
  const rows = await stage.waitForRows(table, 6);
  assert.deepEqual(rows.map(({ a }) => a), ["1", "2", "3", "4", "5", "6"]);
  const [, failed] = await stage.waitForStatuses(routeId, 2);
  assert.equal(failed?.status, "FAILED");
  assert.match(failed?.exception ?? "", /2 of 4 rows/);
  const rejects = await stage.sql`
    select ordinal, record, table_name, route_id from state_tables.rejected order by ordinal`;
  assert.deepEqual(rejects.map(({ ordinal, record }) => [ordinal, record]), [
    [1, '"no object"'],
    [2, '["none"]'],
  ]);
  assert.equal(rejects[0]?.table_name, table);
  assert.equal(rejects[0]?.route_id, routeId);
  await stage.settled();
  await stage.stopService(service);
});

Deno.test("run isolates rows that PostgreSQL refuses inside the flush", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, processorId, table } = await stage.addProcessor({ includeTimestamp: false });
  await stage.sql.unsafe(`create table "${processorId}" (a bigint check (a < 100), b text unique)`);
  const service = await stage.runService();
  const records = Array.from({ length: 300 }, (_, n) => ({ a: n < 3 ? 100 + n : 1, b: `${n}` }));
  records.push({ a: 1, b: "299" });
  await stage.publish(routeId, records);
  const rows = await stage.waitForRows(table, 297);
  assert.deepEqual(rows.map(({ b }) => Number(b)), Array.from({ length: 297 }, (_, n) => n + 3));
  const rejects = await stage.sql`
    select ordinal, sqlstate, constraint_name from state_tables.rejected order by ordinal`;
  assert.deepEqual(rejects.map(({ ordinal, sqlstate }) => [ordinal, sqlstate]), [
    [0, "23514"],
    [1, "23514"],
    [2, "23514"],
    [300, "23505"],
  ]);
  await stage.stopService(service);
});

Deno.test("run keeps bytes that are no message and unknown routes, and goes on", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor(INSTANT);
  const service = await stage.runService();
  await stage.publishRaw("{ this is no JSON");
  await stage.publishRaw(new Uint8Array([0x7b, 0xff, 0x7d]));
  await stage.publishRaw(JSON.stringify({ route_id: routeId, query_state: null }));
  await stage.publishRaw(JSON.stringify({ query_state: [{ a: 1 }] }));
  await stage.publish(routeId, [{ a: 1 }]);
  await stage.waitForRows(table, 1);
  await stage.settled();
  const rejects = await stage.sql`
    select ordinal, reason, route_id from state_tables.rejected order by seq`;
  assert.deepEqual(rejects.map(({ ordinal }) => ordinal), [-1, -1, -1, -1]);
  assert.equal(rejects[2]?.route_id, routeId);
  const statuses = await stage.waitForStatuses(routeId, 2);
  assert.deepEqual(statuses.map(({ status }) => status).sort(), ["COMPLETED", "FAILED"]);
  await stage.stopService(service);
});

Deno.test("run writes the TEXT table of the Go service and says what it was named", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, processorId } = await stage.addProcessor(INSTANT);
  const table = `${processorId}_hello_world`;
  await stage.sql.unsafe(`create table "${table}" (question text, score text, _timestamp text)`);
  const service = await stage.runService({ START_FROM: "all" });
  await stage.publish(routeId, [{ question: "q", score: 1.10 }, {
    question: { a: 1 },
    score: true,
  }]);
  const rows = await stage.waitForRows(table, 2);
  assert.deepEqual(rows.map(({ question, score }) => [question, score]), [
    ["q", "1.1"],
    ['{"a":1}', "true"],
  ]);
  assert.match(String(rows[0]?._timestamp), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  await stage.stopService(service);
});
