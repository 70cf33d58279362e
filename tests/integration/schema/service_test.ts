/** Types, conflicts and defaults through the whole program, with its production permissions. */
import assert from "node:assert/strict";
import { sharedNats, sharedPostgres, waitFor } from "../../support/servers.ts";
import { Stage } from "../../support/stage.ts";

const servers = { nats: await sharedNats(), postgres: await sharedPostgres() };

Deno.test("run widens, overflows and counts both in its summary", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ batchSize: 1, includeTimestamp: false });
  const service = await stage.runService();
  await stage.publish(routeId, [{ a: 1, b: 1 }]);
  await stage.waitForRows(table, 1);
  await stage.sql.unsafe(`create view watched as select b from "${table}"`);
  await stage.publish(routeId, [{ a: "x", b: "y" }]);
  const rows = await stage.waitForRows(table, 2);
  assert.deepEqual(rows, [{ a: "1", b: "1", _overflow: null }, {
    a: "x",
    b: null,
    _overflow: { b: "y" },
  }]);
  const statuses = await stage.waitForStatuses(routeId, 2);
  assert.deepEqual(statuses.map(({ status }) => status), ["COMPLETED", "COMPLETED"]);
  await stage.settled();
  await stage.stopService(service);
  const summary = (await service.log()).split("\n").find((line) => /"Summary"/.test(line)) ?? "";
  assert.match(summary, /"widened_columns":1/);
  assert.match(summary, /"overflow_values":1/);
});

Deno.test("run takes the service's choices where a processor makes none", async () => {
  await using stage = await Stage.open(servers);
  const usual = await stage.addProcessor({ batchSize: 1 });
  const own = await stage.addProcessor({ batchSize: 1, schemaMode: "infer" });
  const service = await stage.runService({ SCHEMA_MODE: "text", ON_TYPE_CONFLICT: "reject" });
  await stage.publish(usual.routeId, [{ a: 1 }]);
  await stage.publish(own.routeId, [{ a: 1 }]);
  await stage.waitForRows(usual.table, 1);
  await stage.waitForRows(own.table, 1);
  await stage.publish(own.routeId, [{ a: "x" }]);
  const [, failed] = await stage.waitForStatuses(own.routeId, 2);
  assert.equal(failed?.status, "FAILED");
  assert.deepEqual(await stage.columns(usual.table), { a: "text", _timestamp: "text" });
  assert.equal((await stage.columns(own.table))["a"], "bigint");
  await stage.settled();
  await stage.stopService(service);
});

Deno.test("run applies changed choices to what comes after", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, processorId, table } = await stage.addProcessor({ batchSize: 1 });
  const service = await stage.runService({ CATALOG_CACHE_SECONDS: "1" });
  await stage.publish(routeId, [{ a: 1 }]);
  await stage.waitForRows(table, 1);
  await stage.configure(processorId, { batchSize: 1, onTypeConflict: "overflow" });
  let tries = 0;
  await waitFor(async () => {
    const key = `k${tries++}`;
    await stage.publish(routeId, [{ [key]: 1 }]);
    await stage.settled();
    await stage.publish(routeId, [{ [key]: "x" }]);
    await stage.settled();
    return "_overflow" in await stage.columns(table);
  }, { what: "a value in _overflow" });
  await stage.settled();
  await stage.stopService(service);
});
