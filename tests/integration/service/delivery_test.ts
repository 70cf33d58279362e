/** Every row lands exactly once: redelivery, several instances, stops under load, all sources. */
import assert from "node:assert/strict";
import { AckPolicy, DeliverPolicy, RetentionPolicy } from "@nats-io/jetstream";
import { sharedNats, sharedPostgres, waitFor } from "../../support/servers.ts";
import { Stage, type StageProcessor } from "../../support/stage.ts";
import { KNOWN_MESSAGES } from "../../../dev/servers/known_messages.ts";

const servers = { nats: await sharedNats(), postgres: await sharedPostgres() };

/** Messages with one unique id a record. */
function* load(
  processors: readonly StageProcessor[],
  messages: number,
): Generator<{ routeId: string; records: { id: number; text: string }[] }> {
  for (let index = 0; index < messages; index++) {
    const processor = processors[index % processors.length];
    assert.ok(processor !== undefined);
    const records = Array.from({ length: 1 + (index % 4) }, (_, row) => ({
      id: index * 10 + row,
      text: `message ${index}, record ${row}`,
    }));
    yield { routeId: processor.routeId, records };
  }
}

/** Asserts that the tables hold each published id exactly once. */
async function assertExactlyOnce(
  stage: Stage,
  processors: readonly StageProcessor[],
  messages: number,
): Promise<void> {
  const published = [...load(processors, messages)];
  for (const { routeId, table } of processors) {
    const expected = published.filter((message) => message.routeId === routeId)
      .flatMap(({ records }) => records.map(({ id }) => id));
    const ids = (await stage.rows(table)).map(({ id }) => Number(id)).sort((a, b) => a - b);
    assert.deepEqual(ids, expected, `ids in ${table}`);
  }
}

Deno.test("run writes nothing twice when the consumer delivers everything again", async () => {
  await using stage = await Stage.open(servers);
  const processor = await stage.addProcessor({ batchSize: 50, batchWindowTTL: 1 });
  const first = await stage.runService();
  await stage.publishAll(load([processor], 400));
  await stage.settled();
  await stage.stopService(first);
  await assertExactlyOnce(stage, [processor], 400);
  const heard = stage.statuses.length;
  const manager = await stage.manager();
  await manager.consumers.delete(stage.stream, stage.stream);
  const second = await stage.runService();
  const info = await stage.settled();
  assert.ok(info.delivered.stream_seq >= 400, "everything was delivered again");
  await stage.stopService(second);
  await assertExactlyOnce(stage, [processor], 400);
  assert.match(await second.log(), /"ledger_drops":400/);
  assert.ok(stage.statuses.length > heard, "the status is said again");
});

Deno.test("run shares a durable with a second instance", async () => {
  await using stage = await Stage.open(servers);
  const processors = await Promise.all(
    Array.from({ length: 5 }, () => stage.addProcessor({ batchSize: 20, batchWindowTTL: 1 })),
  );
  const services = await Promise.all([stage.runService(), stage.runService()]);
  await stage.publishAll(load(processors, 1_000));
  await stage.settled();
  for (const service of services) await stage.stopService(service);
  await assertExactlyOnce(stage, processors, 1_000);
  for (const service of services) assert.match(await service.log(), /"message":"Flushed"/);
});

/** Messages that the ledger knows. */
async function countKnown({ sql }: Stage): Promise<number> {
  const [row] = await sql`select count(*)::int as n from ${sql.unsafe(KNOWN_MESSAGES)} known`;
  return Number(row?.n);
}

Deno.test("run loses and duplicates nothing when it is stopped under load again and again", async () => {
  await using stage = await Stage.open({ ...servers, retention: RetentionPolicy.Limits });
  const processors = await Promise.all(
    Array.from({ length: 3 }, () => stage.addProcessor({ batchSize: 30, batchWindowTTL: 2 })),
  );
  const publishing = stage.publishAll(load(processors, 3_000));
  for (let round = 0; round < 3; round++) {
    const service = await stage.runService();
    const before = await countKnown(stage);
    await waitFor(async () => {
      const now = await countKnown(stage);
      return now > before || now >= 2_900;
    }, { what: "something to be written in this round", timeoutMs: 20_000 });
    await stage.stopService(service);
  }
  await publishing;
  const last = await stage.runService();
  await stage.settled();
  await stage.stopService(last);
  await assertExactlyOnce(stage, processors, 3_000);
});

Deno.test("run loses and duplicates nothing when it is killed under load", async () => {
  await using stage = await Stage.open({
    ...servers,
    retention: RetentionPolicy.Limits,
    route: { ack_wait: 2 },
  });
  const processor = await stage.addProcessor({ batchSize: 30, batchWindowTTL: 1 });
  for (let round = 0; round < 3; round++) {
    const service = await stage.runService();
    const publishing = stage.publishAll(
      [...load([processor], 2_000)].slice(round * 600, 2_000)
        .slice(0, round === 2 ? 800 : 600),
    );
    await waitFor(
      async () => (await service.log()).includes('"message":"Flushed"'),
      { what: "a flush", timeoutMs: 20_000 },
    );
    service.signal("SIGKILL");
    await service.ended;
    await publishing;
  }
  const last = await stage.runService();
  await stage.settled(30_000);
  await stage.stopService(last);
  await assertExactlyOnce(stage, [processor], 2_000);
});

Deno.test("run attaches to a push durable that another client made", async () => {
  await using stage = await Stage.open({ ...servers, retention: RetentionPolicy.Limits });
  const manager = await stage.manager();
  await manager.consumers.add(stage.stream, {
    durable_name: stage.stream,
    deliver_subject: `deliver.${stage.stream}`,
    deliver_group: stage.stream,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    filter_subject: stage.subject,
  });
  const processor = await stage.addProcessor({ batchSize: 50, batchWindowTTL: 1 });
  const service = await stage.runService();
  assert.match(await service.log(), /"source":"push"/);
  await stage.publishAll(load([processor], 500));
  await stage.settled();
  await stage.stopService(service);
  await assertExactlyOnce(stage, [processor], 500);
});

Deno.test("run creates a push consumer when the route says so", async () => {
  await using stage = await Stage.open({ ...servers, route: { mode: "push" } });
  const processor = await stage.addProcessor({ batchSize: 1 });
  const service = await stage.runService();
  await stage.publishAll(load([processor], 50));
  await stage.settled();
  await stage.stopService(service);
  await assertExactlyOnce(stage, [processor], 50);
});

Deno.test("run consumes core NATS when the route has no stream", async () => {
  await using stage = await Stage.open({ ...servers, route: { name: null } });
  const processor = await stage.addProcessor({ batchSize: 10, batchWindowTTL: 1 });
  const service = await stage.runService();
  assert.match(await service.log(), /at most once/);
  for (const { routeId, records } of load([processor], 40)) {
    stage.connection.publish(
      stage.subject,
      JSON.stringify({ route_id: routeId, query_state: records }),
    );
  }
  await stage.connection.flush();
  await stage.waitForRows(processor.table, 100);
  await stage.stopService(service);
  await assertExactlyOnce(stage, [processor], 40);
});

Deno.test("run empties a work-queue stream", async () => {
  await using stage = await Stage.open({ ...servers, retention: RetentionPolicy.Workqueue });
  const processor = await stage.addProcessor({ batchSize: 25, batchWindowTTL: 1 });
  const service = await stage.runService();
  await stage.publishAll(load([processor], 300));
  await stage.settled();
  await stage.stopService(service);
  const manager = await stage.manager();
  assert.equal((await manager.streams.info(stage.stream)).state.messages, 0);
  await assertExactlyOnce(stage, [processor], 300);
});

Deno.test("run writes what it holds when it is told to stop, though no batch is due", async () => {
  await using stage = await Stage.open(servers);
  const processor = await stage.addProcessor({ batchSize: 10_000, batchWindowTTL: 3_600 });
  const service = await stage.runService();
  await stage.publishAll(load([processor], 20));
  // Messages are taken in order: when the last one's row is there, all before it are held.
  const marker = await stage.addProcessor({ batchSize: 1 });
  await stage.publish(marker.routeId, [{ a: 1 }]);
  await stage.waitForRows(marker.table, 1);
  assert.deepEqual(await stage.rows(processor.table), []);
  await stage.stopService(service);
  await assertExactlyOnce(stage, [processor], 20);
  const manager = await stage.manager();
  const info = await manager.consumers.info(stage.stream, stage.stream);
  assert.equal(info.num_ack_pending, 0);
});

Deno.test("run extends deadlines of a batch that waits longer than ack_wait", async () => {
  await using stage = await Stage.open({ ...servers, route: { ack_wait: 1 } });
  const processor = await stage.addProcessor({ batchSize: 10_000, batchWindowTTL: 4 });
  const service = await stage.runService();
  await stage.publishAll(load([processor], 20));
  const info = await stage.settled();
  assert.equal(info.num_redelivered, 0);
  await stage.stopService(service);
  assert.doesNotMatch(await service.log(), /"redelivered":/);
  await assertExactlyOnce(stage, [processor], 20);
});

Deno.test("run presses a batch that the consumer's limit would never let fill", async () => {
  await using stage = await Stage.open({ ...servers, route: { max_ack_pending: 10 } });
  const processor = await stage.addProcessor({ batchSize: 10_000, batchWindowTTL: 3_600 });
  const service = await stage.runService();
  await stage.publishAll(load([processor], 95));
  await waitFor(async () => {
    const manager = await stage.manager();
    const info = await manager.consumers.info(stage.stream, stage.stream);
    return info.num_pending === 0;
  }, { what: "everything to be delivered", timeoutMs: 30_000 });
  await stage.stopService(service);
  assert.match(await service.log(), /max_ack_pending is 10, and one processor has a batchSize/);
  assert.match(await service.log(), /"flushes_pressure":/);
  await assertExactlyOnce(stage, [processor], 95);
});

Deno.test("run ends at once at the second signal, and the next instance writes what it held", async () => {
  await using stage = await Stage.open({ ...servers, route: { ack_wait: 1 } });
  const processor = await stage.addProcessor({ batchSize: 1, batchWindowTTL: 0 });
  const service = await stage.runService();
  await stage.publishAll(load([processor], 1));
  await stage.waitForRows(processor.table, 1);
  await stage.sql.begin(async (sql) => {
    await sql`lock table ${sql(processor.table)} in access exclusive mode`;
    await stage.publishAll([...load([processor], 30)].slice(1));
    service.signal("SIGTERM");
    await waitFor(
      async () => (await service.log()).includes('"message":"Stopping"'),
      { what: "the program to stop" },
    );
    service.signal("SIGTERM");
    assert.equal(await service.ended, 143);
  });
  const next = await stage.runService();
  await stage.settled();
  await stage.stopService(next);
  await assertExactlyOnce(stage, [processor], 30);
});
