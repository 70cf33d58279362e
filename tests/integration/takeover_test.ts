/**
 * Taking over from the Go service and going back to it (contract §2): with a client that behaves as
 * it does, nothing that it wrote is lost, and nothing is there twice.
 */
import assert from "node:assert/strict";
import { RetentionPolicy } from "@nats-io/jetstream";
import { GoClient } from "../support/go_client.ts";
import { sharedNats, sharedPostgres, waitFor } from "../support/servers.ts";
import { Stage, type StageProcessor } from "../support/stage.ts";

const servers = { nats: await sharedNats(), postgres: await sharedPostgres() };

/** The usual way of the tests: written at once, no timestamp, as the Go client writes none. */
const PROPERTIES = { batchSize: 1, batchWindowTTL: 0, includeTimestamp: false };

async function startGo(
  stage: Stage,
  { table }: StageProcessor,
  startSequence: number | null,
): Promise<GoClient> {
  return await GoClient.start({
    connection: stage.connection,
    manager: await stage.manager(),
    sql: stage.sql,
    stream: stage.stream,
    queue: stage.stream,
    subject: stage.subject,
    table,
    startSequence,
  });
}

/** Publishes messages of two records; ids `first` to `last`, as the Go client's tables hold text. */
async function publish(stage: Stage, routeId: string, first: number, last: number): Promise<void> {
  for (let id = first; id <= last; id += 2) {
    await stage.publish(routeId, [{ id, score: id / 4 }, { id: id + 1, score: null }]);
  }
}

async function assertIds(stage: Stage, table: string, last: number): Promise<void> {
  const ids = (await stage.rows(table)).map(({ id }) => Number(id)).sort((a, b) => a - b);
  assert.deepEqual(ids, Array.from({ length: last }, (_, index) => index + 1));
}

/** Deletes the program's durable, as the guide for going back says; returns what it had settled. */
async function giveDurableBack(stage: Stage): Promise<number> {
  const manager = await stage.manager();
  const { ack_floor } = await manager.consumers.info(stage.stream, stage.stream);
  await manager.consumers.delete(stage.stream, stage.stream);
  return ack_floor.stream_seq;
}

Deno.test("run takes over from the Go service and back again on a stream with limits", async () => {
  await using stage = await Stage.open({ ...servers, retention: RetentionPolicy.Limits });
  const processor = await stage.addProcessor(PROPERTIES);
  const { routeId, table } = processor;
  const go = await startGo(stage, processor, null);
  await publish(stage, routeId, 1, 40);
  await go.waitForWritten(40);
  const floor = await go.ackFloor();
  await go.stop();
  await publish(stage, routeId, 41, 60);
  const service = await stage.runService({ START_FROM: String(floor + 1) });
  await stage.settled();
  await publish(stage, routeId, 61, 80);
  await stage.settled();
  await stage.stopService(service);
  await assertIds(stage, table, 80);
  assert.deepEqual(await stage.columns(table), { id: "text", score: "text" });
  await publish(stage, routeId, 81, 90);
  const again = await startGo(stage, processor, await giveDurableBack(stage) + 1);
  await again.waitForWritten(10);
  await again.stop();
  await assertIds(stage, table, 90);
});

Deno.test("run takes over from the Go service and back again on a work queue", async () => {
  await using stage = await Stage.open({ ...servers, retention: RetentionPolicy.Workqueue });
  const processor = await stage.addProcessor(PROPERTIES);
  const { routeId, table } = processor;
  const go = await startGo(stage, processor, null);
  await publish(stage, routeId, 1, 40);
  await go.waitForWritten(40);
  await go.stop();
  await publish(stage, routeId, 41, 60);
  const service = await stage.runService();
  await stage.settled();
  await stage.stopService(service);
  await publish(stage, routeId, 61, 70);
  await giveDurableBack(stage);
  const again = await startGo(stage, processor, null);
  await again.waitForWritten(10);
  await again.stop();
  await assertIds(stage, table, 70);
});

Deno.test("run takes over a second time behind what the Go service wrote in between", async () => {
  await using stage = await Stage.open({ ...servers, retention: RetentionPolicy.Workqueue });
  const processor = await stage.addProcessor(PROPERTIES);
  const { routeId, table } = processor;
  const first = await stage.runService();
  await publish(stage, routeId, 1, 20);
  await stage.settled();
  await stage.stopService(first);
  await giveDurableBack(stage);
  const go = await startGo(stage, processor, null);
  await publish(stage, routeId, 21, 40);
  await go.waitForWritten(20);
  await go.stop();
  const second = await stage.runService();
  await publish(stage, routeId, 41, 60);
  await stage.settled();
  await stage.stopService(second);
  await assertIds(stage, table, 60);
});

Deno.test("run asks for START_FROM where the Go service left tables and no durable", async () => {
  await using stage = await Stage.open({ ...servers, retention: RetentionPolicy.Limits });
  const processor = await stage.addProcessor(PROPERTIES);
  const go = await startGo(stage, processor, null);
  await publish(stage, processor.routeId, 1, 10);
  await go.waitForWritten(10);
  await go.stop();
  const service = await stage.startService();
  assert.equal(await service.ended, 2);
  assert.match(await service.log(), /START_FROM/);
  await assertIds(stage, processor.table, 10);
});

/** Publishes until both have written rows; returns the highest id. All is settled then. */
async function publishToBoth(
  stage: Stage,
  { routeId, table }: StageProcessor,
  go: GoClient,
): Promise<number> {
  const publishMore = async (): Promise<number> => {
    const count = (await stage.rows(table)).length;
    await publish(stage, routeId, count + 1, count + 20);
    await waitFor(
      async () => (await stage.rows(table)).length >= count + 20,
      { what: "the rows of both" },
    );
    return count + 20;
  };
  const before = go.written;
  let last = 0;
  await waitFor(async () => {
    last = await publishMore();
    return last > go.written && go.written > before;
  }, { what: "rows of the program and of the client" });
  await stage.settled();
  return last;
}

/** Waits until the program remembers what the shared durable has settled. */
async function waitForMemory(stage: Stage, floor: number): Promise<void> {
  const remembered = async (): Promise<boolean> => {
    const found = await stage.sql`
      select from state_tables.source where begins_at->>'sequence' = ${String(floor)}`;
    return found.length === 1;
  };
  await waitFor(remembered, { what: "the floor to be remembered", timeoutMs: 20_000 });
}

Deno.test("run writes nothing twice when the Go service takes the shared durable along", async () => {
  await using stage = await Stage.open({ ...servers, retention: RetentionPolicy.Limits });
  const processor = await stage.addProcessor(PROPERTIES);
  const { routeId, table } = processor;
  const go = await startGo(stage, processor, null);
  await publish(stage, routeId, 1, 10);
  await go.waitForWritten(10);
  const service = await stage.runService();
  const last = await publishToBoth(stage, processor, go);
  await waitForMemory(stage, await go.ackFloor());
  await go.stop();
  await publish(stage, routeId, last + 1, last + 20);
  // The program looks the consumer up when it has been silent for a while.
  await waitFor(
    async () => (await stage.rows(table)).length >= last + 20,
    { what: "the rows behind the Go service", timeoutMs: 40_000 },
  );
  await stage.settled();
  await stage.stopService(service);
  await assertIds(stage, table, last + 20);
});

Deno.test("run asks for START_FROM where the durable that it shared is gone", async () => {
  await using stage = await Stage.open({ ...servers, retention: RetentionPolicy.Limits });
  const processor = await stage.addProcessor(PROPERTIES);
  const { routeId, table } = processor;
  const go = await startGo(stage, processor, null);
  const first = await stage.runService();
  const last = await publishToBoth(stage, processor, go);
  await stage.stopService(first);
  const written = go.written;
  await publish(stage, routeId, last + 1, last + 10);
  await go.waitForWritten(written + 10);
  const floor = await go.ackFloor();
  await go.stop();
  const refused = await stage.startService();
  assert.equal(await refused.ended, 2);
  assert.match(await refused.log(), /START_FROM/);
  const second = await stage.runService({ START_FROM: String(floor + 1) });
  await publish(stage, routeId, last + 11, last + 20);
  await stage.settled();
  await stage.stopService(second);
  await assertIds(stage, table, last + 20);
});

Deno.test("run takes over a second time from START_FROM on a stream with limits", async () => {
  await using stage = await Stage.open({ ...servers, retention: RetentionPolicy.Limits });
  const processor = await stage.addProcessor(PROPERTIES);
  const { routeId, table } = processor;
  const first = await stage.runService();
  await publish(stage, routeId, 1, 20);
  await stage.settled();
  await stage.stopService(first);
  const go = await startGo(stage, processor, await giveDurableBack(stage) + 1);
  await publish(stage, routeId, 21, 40);
  await go.waitForWritten(20);
  const floor = await go.ackFloor();
  await go.stop();
  const second = await stage.runService({ START_FROM: String(floor + 1) });
  await publish(stage, routeId, 41, 60);
  await stage.settled();
  await stage.stopService(second);
  await assertIds(stage, table, 60);
});

Deno.test("run shares the durable of a Go service that still runs", async () => {
  await using stage = await Stage.open({ ...servers, retention: RetentionPolicy.Limits });
  const processor = await stage.addProcessor(PROPERTIES);
  const { routeId, table } = processor;
  const go = await startGo(stage, processor, null);
  await publish(stage, routeId, 1, 10);
  await go.waitForWritten(10);
  const service = await stage.runService();
  const last = await publishToBoth(stage, processor, go);
  await stage.stopService(service);
  await assertIds(stage, table, last);
  await go.stop();
});
