/** Connect, consume, write on the oldest servers that are promised. */
import { sharedNats, sharedPostgres } from "../../support/servers.ts";
import { Stage } from "../../support/stage.ts";
import assert from "node:assert/strict";

const servers = { nats: await sharedNats("2.10.25"), postgres: await sharedPostgres("15") };

Deno.test("run consumes from nats-server 2.10 and writes into PostgreSQL 15", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ batchSize: 5, indexColumns: ["n"] });
  const service = await stage.runService();
  await stage.publish(routeId, Array.from({ length: 10 }, (_, n) => ({ n, nested: { n } })));
  await stage.waitForRows(table, 10);
  await stage.publish(routeId, [{ n: 10, late: 0.5 }, 5, "x", { n: 11 }, { n: 12 }]);
  const rows = await stage.waitForRows(table, 13);
  assert.deepEqual(rows.map(({ n }) => Number(n)), Array.from({ length: 13 }, (_, n) => n));
  const statuses = await stage.waitForStatuses(routeId, 2);
  assert.deepEqual(statuses.map(({ status }) => status), ["COMPLETED", "FAILED"]);
  await stage.settled();
  await stage.stopService(service);
});
