/** What an operator sets, and changes while the program runs. */
import assert from "node:assert/strict";
import { sharedNats, sharedPostgres, waitFor } from "../../support/servers.ts";
import { Stage } from "../../support/stage.ts";

const servers = { nats: await sharedNats(), postgres: await sharedPostgres() };

Deno.test("run follows a changed table name after the old batch is written", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, processorId } = await stage.addProcessor({ tableName: "old", batchSize: 1 });
  const service = await stage.runService({ CATALOG_CACHE_SECONDS: "1" });
  await stage.publish(routeId, [{ a: 1 }]);
  await stage.waitForRows(`${processorId}_old`, 1);
  await stage.configure(processorId, { tableName: "new", batchSize: 1 });
  await waitFor(async () => {
    await stage.publish(routeId, [{ a: 2 }]);
    return (await stage.rows(`${processorId}_new`)).length > 0;
  }, { what: "the new table" });
  await stage.settled();
  await stage.stopService(service);
});

Deno.test("run applies changed settings to a batch that waits already", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, processorId, table } = await stage.addProcessor({
    batchSize: 1_000,
    batchWindowTTL: 3_600,
  });
  const service = await stage.runService({ CATALOG_CACHE_SECONDS: "1" });
  await stage.publish(routeId, [{ a: 1 }]);
  await stage.configure(processorId, { batchSize: 1_000, batchWindowTTL: 0 });
  await stage.waitForRows(table, 1);
  await stage.stopService(service);
});

Deno.test("run names a malformed property in the status and uses the default", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ batchSize: "many", batchWindowTTL: 0 });
  const service = await stage.runService();
  await stage.publish(routeId, [{ a: 1 }]);
  await stage.waitForRows(table, 1);
  const [status] = await stage.waitForStatuses(routeId, 1);
  assert.equal(status?.status, "COMPLETED");
  assert.match(status?.exception ?? "", /'batchSize'.*"many"/);
  await stage.stopService(service);
});

Deno.test("run creates indexColumns with the table", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({
    batchSize: 1,
    indexColumns: ["run_id", "absent"],
  });
  const service = await stage.runService();
  await stage.publish(routeId, [{ run_id: "a", b: 1 }]);
  await stage.waitForRows(table, 1);
  const indexes = await stage.sql`select indexdef from pg_indexes where tablename = ${table}`;
  assert.equal(indexes.length, 1);
  assert.match(String(indexes[0]?.indexdef), /\(run_id\)/);
  await stage.stopService(service);
});

Deno.test("run makes indexes on a table that was there before", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, processorId } = await stage.addProcessor({
    batchSize: 1,
    indexColumns: ["run_id"],
  });
  await stage.sql.unsafe(`create table "${processorId}" (run_id text, _timestamp text)`);
  const service = await stage.runService({ START_FROM: "all" });
  await stage.publish(routeId, [{ run_id: "a" }]);
  await waitFor(async () => {
    const indexes = await stage.sql`
      select indexdef from pg_indexes where tablename = ${processorId}`;
    return indexes.length === 1;
  }, { what: "the index" });
  await stage.stopService(service);
});

Deno.test("run works with a pool of one connection and without prepared statements", async () => {
  await using stage = await Stage.open(servers);
  const processors = await Promise.all(
    Array.from({ length: 4 }, () => stage.addProcessor({ batchSize: 5, batchWindowTTL: 0.5 })),
  );
  const service = await stage.runService({ DB_MAX_OPEN_CONNS: "1", DB_PREPARE: "false" });
  await stage.publishAll(
    processors.flatMap(({ routeId }) =>
      Array.from({ length: 11 }, (_, n) => ({ routeId, records: [{ n }] }))
    ),
  );
  for (const { table } of processors) await stage.waitForRows(table, 11);
  await stage.stopService(service);
});

Deno.test("run takes the DSN as a URL", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ batchSize: 1 });
  const service = await stage.runService({ DSN: stage.database.url });
  await stage.publish(routeId, [{ a: 1 }]);
  await stage.waitForRows(table, 1);
  await stage.stopService(service);
});

Deno.test("run refuses to guess where to begin when tables exist and the ledger is empty", async () => {
  await using stage = await Stage.open(servers);
  const { processorId, routeId } = await stage.addProcessor({ batchSize: 1 });
  await stage.sql.unsafe(`create table "${processorId}" (a text)`);
  const manager = await stage.manager();
  await manager.streams.add({ name: stage.stream, subjects: [stage.subject] });
  for (let n = 1; n <= 5; n++) await stage.publish(routeId, [{ a: n }]);
  const refused = await stage.startService();
  assert.equal(await refused.ended, 2);
  assert.match(await refused.log(), /START_FROM.*START_FROM=6/s);
  const service = await stage.runService({ START_FROM: "4" });
  const rows = await stage.waitForRows(processorId, 2);
  assert.deepEqual(rows.map(({ a }) => a), ["4", "5"]);
  await stage.stopService(service);
});

Deno.test("run says what is missing when the catalog's tables are not there", async () => {
  await using stage = await Stage.open(servers);
  await stage.sql`drop table processor_state`;
  const service = await stage.startService();
  assert.equal(await service.ended, 2);
  assert.match(await service.log(), /processor_state/);
});

Deno.test("run lists every wrong setting at once, without secrets", async () => {
  await using stage = await Stage.open(servers);
  const service = await stage.startService({
    DSN: "postgres://me:canary@[bad/db",
    LOG_LEVEL: "LOUD",
    DB_MAX_OPEN_CONNS: "none",
  });
  assert.equal(await service.ended, 2);
  const log = await service.log();
  for (const key of ["DSN", "LOG_LEVEL", "DB_MAX_OPEN_CONNS"]) assert.match(log, new RegExp(key));
  assert.doesNotMatch(log, /canary/);
  assert.doesNotMatch(log, /\n\s+at /);
});
