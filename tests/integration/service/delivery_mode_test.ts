/** `deliveryMode` of a processor: with the ledger or without, and what stays true without it. */
import assert from "node:assert/strict";
import { sharedNats, sharedPostgres, waitFor } from "../../support/servers.ts";
import { Stage, type StageProcessor } from "../../support/stage.ts";

const servers = { nats: await sharedNats(), postgres: await sharedPostgres() };

const AT_ONCE = { batchSize: 1, batchWindowTTL: 0 };

/** Has the consumer deliver the whole stream again, to a new instance. */
async function deliverAgain(stage: Stage): Promise<void> {
  const manager = await stage.manager();
  await manager.consumers.delete(stage.stream, stage.stream);
  const service = await stage.runService({ START_FROM: "all" });
  await stage.settled();
  await stage.stopService(service);
}

async function idsOf(stage: Stage, { table }: StageProcessor): Promise<number[]> {
  return (await stage.rows(table)).map(({ id }) => Number(id)).sort((a, b) => a - b);
}

Deno.test("run writes a redelivery again when deliveryMode is atLeastOnce", async () => {
  await using stage = await Stage.open(servers);
  const once = await stage.addProcessor(AT_ONCE);
  const atLeast = await stage.addProcessor({ ...AT_ONCE, deliveryMode: "atLeastOnce" });
  const service = await stage.runService();
  for (const { routeId } of [once, atLeast]) await stage.publish(routeId, [{ id: 1 }, { id: 2 }]);
  await stage.settled();
  await stage.stopService(service);
  const entries = await stage.sql`select seq from state_tables.delivered`;
  assert.deepEqual(entries.map(({ seq }) => seq), ["1"]);
  await deliverAgain(stage);
  assert.deepEqual(await idsOf(stage, once), [1, 2]);
  assert.deepEqual(await idsOf(stage, atLeast), [1, 1, 2, 2]);
});

Deno.test("run keeps a reject once when deliveryMode is atLeastOnce", async () => {
  await using stage = await Stage.open(servers);
  const processor = await stage.addProcessor({ ...AT_ONCE, deliveryMode: "atLeastOnce" });
  const { routeId } = processor;
  const service = await stage.runService();
  await stage.publish(routeId, [{ id: 1 }, 13, { id: 2 }]);
  await stage.publishRaw("no message");
  await stage.settled();
  await stage.stopService(service);
  await deliverAgain(stage);
  const kept = await stage.sql`select ordinal from state_tables.rejected order by ordinal`;
  assert.deepEqual(kept.map(({ ordinal }) => ordinal), [-1, 1]);
  assert.deepEqual(await idsOf(stage, processor), [1, 1, 2, 2]);
  const statuses = stage.statuses.filter(({ route_id }) => route_id === routeId);
  assert.ok(statuses.length > 0 && statuses.every(({ status }) => status === "FAILED"));
});

Deno.test("run applies a deliveryMode that changes while it works", async () => {
  await using stage = await Stage.open(servers);
  const processor = await stage.addProcessor(AT_ONCE);
  const { routeId, processorId } = processor;
  const service = await stage.runService({ CATALOG_CACHE_SECONDS: "1" });
  const log = (): Promise<number> =>
    service.log().then((text) => text.split("Settings of a processor changed").length - 1);
  const change = async (properties: object, times: number): Promise<void> => {
    await stage.configure(processorId, properties);
    // Settings are looked up when something comes: a message without rows changes nothing.
    await waitFor(async () => {
      await stage.publish(routeId, []);
      return await log() >= times;
    }, { what: "the settings to be applied" });
  };
  await stage.publish(routeId, [{ id: 1 }]);
  await stage.waitForRows(processor.table, 1);
  await change({ ...AT_ONCE, deliveryMode: "atLeastOnce" }, 1);
  await stage.publish(routeId, [{ id: 2 }]);
  await stage.waitForRows(processor.table, 2);
  await change(AT_ONCE, 2);
  await stage.publish(routeId, [{ id: 3 }]);
  await stage.waitForRows(processor.table, 3);
  await stage.settled();
  await stage.stopService(service);
  await deliverAgain(stage);
  // The ledger knows what was written with it, and only that.
  assert.deepEqual(await idsOf(stage, processor), [1, 2, 2, 3]);
});
