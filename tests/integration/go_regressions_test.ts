/**
 * Ten faults of the Go service that this program took the place of, each with a test that it does not
 * have them. What each name says is what went wrong there.
 */
import assert from "node:assert/strict";
import { sharedNats, sharedPostgres, waitFor } from "../support/servers.ts";
import { Stage } from "../support/stage.ts";

const servers = { nats: await sharedNats(), postgres: await sharedPostgres() };

/** Ids of a table, ascending. */
async function ids(stage: Stage, table: string): Promise<number[]> {
  return (await stage.rows(table)).map(({ id }) => Number(id)).sort((a, b) => a - b);
}

// There: `defer msg.Ack()` before any write, so a crash lost up to a batch.
Deno.test("run acks nothing before it is written (Go regression 1)", async () => {
  await using stage = await Stage.open({ ...servers, route: { ack_wait: 2 } });
  const { processorId, routeId, table } = await stage.addProcessor({
    batchSize: 1_000,
    batchWindowTTL: 600,
  });
  const first = await stage.runService();
  for (let id = 1; id <= 20; id++) await stage.publish(routeId, [{ id }]);
  const manager = await stage.manager();
  const info = await waitFor(async () => {
    const now = await manager.consumers.info(stage.stream, stage.stream);
    return now.num_ack_pending === 20 ? now : null;
  }, { what: "the messages to be held" });
  assert.equal(info.ack_floor.stream_seq, 0);
  first.signal("SIGKILL");
  await first.ended;
  // It writes when it has all of them.
  await stage.configure(processorId, { batchSize: 20, batchWindowTTL: 600 });
  const second = await stage.runService();
  await stage.waitForRows(table, 20);
  const { delivered } = await manager.consumers.info(stage.stream, stage.stream);
  assert.ok(delivered.consumer_seq >= 40, "all came again");
  await stage.stopService(second);
  assert.deepEqual(await ids(stage, table), Array.from({ length: 20 }, (_, index) => index + 1));
});

// There: rows before the bad one were committed one by one and the batch was kept: they came again
// with every later flush, and the writer was stuck.
Deno.test("run writes the rows around a refused one once and goes on (Go regression 2)", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ batchSize: 5, batchWindowTTL: 1 });
  await stage.sql.unsafe(`create table "${table}" (id bigint check (id <> 3))`);
  const service = await stage.runService();
  await stage.publish(routeId, [1, 2, 3, 4, 5].map((id) => ({ id })));
  await stage.publish(routeId, [6, 7].map((id) => ({ id })));
  await stage.settled();
  assert.deepEqual(await ids(stage, table), [1, 2, 4, 5, 6, 7]);
  await stage.publish(routeId, [{ id: 8 }]);
  await stage.settled();
  await stage.stopService(service);
  assert.deepEqual(await ids(stage, table), [1, 2, 4, 5, 6, 7, 8]);
});

// There: errors went to the log only, and the FAILED path was commented out.
Deno.test("run says FAILED with the reason when a row is refused (Go regression 3)", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ batchSize: 1, batchWindowTTL: 0 });
  await stage.sql.unsafe(`create table "${table}" (id bigint constraint never_3 check (id <> 3))`);
  const service = await stage.runService();
  await stage.publish(routeId, [{ id: 3 }, { id: 4 }]);
  const [status] = await stage.waitForStatuses(routeId, 1);
  assert.equal(status?.status, "FAILED");
  assert.match(status?.exception ?? "", /1 of 2 rows.*never_3/);
  await stage.stopService(service);
});

// There: the table was made from the first record's keys; a later key failed with 42703 for ever.
Deno.test("run adds a column for a key that appears later (Go regression 4)", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ batchSize: 1, batchWindowTTL: 0 });
  const service = await stage.runService();
  await stage.publish(routeId, [{ id: 1 }]);
  await stage.waitForRows(table, 1);
  await stage.publish(routeId, [{ id: 2, late: "here" }]);
  const rows = await stage.waitForRows(table, 2);
  await stage.stopService(service);
  assert.deepEqual(rows.map(({ late }) => late), [null, "here"]);
});

// There: names were put into SQL as they came: an injection through a key or a table's name.
Deno.test("run takes any key and table name for a name and nothing else (Go regression 5)", async () => {
  await using stage = await Stage.open(servers);
  const tableName = 'x"; drop table victim; --';
  const key = 'a") values (1); drop table victim; --';
  const { routeId, table } = await stage.addProcessor({ tableName, batchSize: 1 });
  await stage.sql`create table victim (id int)`;
  const service = await stage.runService();
  await stage.publish(routeId, [{ [key]: "value" }]);
  await stage.settled();
  await stage.stopService(service);
  const [found] = await stage.sql`select to_regclass('victim') is not null as there`;
  assert.equal(found?.there, true);
  const rows = await stage.sql`select * from ${stage.sql(await nameLike(stage, table))}`;
  assert.deepEqual(rows.map((row) => row[key]), ["value"]);
});

/** The table whose name begins as this one: names over 63 bytes are cut and end in a hash. */
async function nameLike({ sql }: Stage, table: string): Promise<string> {
  const [found] = await sql`
    select relname from pg_class where relkind = 'r' and starts_with(relname, ${
    table.slice(0, 40)
  })`;
  return String(found?.relname);
}

// There: without a window, or one below 5 s, no timer ran: rows waited for a full batch for ever.
Deno.test("run writes rows that are fewer than a batch (Go regression 6)", async () => {
  await using stage = await Stage.open(servers);
  const none = await stage.addProcessor({ batchSize: 1_000, batchWindowTTL: null });
  const zero = await stage.addProcessor({ batchSize: 1_000, batchWindowTTL: 0 });
  const short = await stage.addProcessor({ batchSize: 1_000, batchWindowTTL: 1 });
  const service = await stage.runService();
  for (const { routeId } of [none, zero, short]) await stage.publish(routeId, [{ id: 1 }]);
  await stage.waitForRows(zero.table, 1);
  await stage.waitForRows(short.table, 1);
  // The usual window is 30 s; at a stop nothing waits.
  await stage.stopService(service);
  assert.deepEqual(await ids(stage, none.table), [1]);
});

// There: `Stop()` did not wait, and rows in memory were lost with it.
Deno.test("run writes what it holds before it stops (Go regression 7)", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ batchSize: 1_000, batchWindowTTL: 600 });
  const service = await stage.runService();
  for (let id = 1; id <= 50; id++) await stage.publish(routeId, [{ id }]);
  // Messages come in order: what was published before is held once a later one has landed.
  const later = await stage.addProcessor({ batchSize: 1 });
  await stage.publish(later.routeId, [{ id: 51 }]);
  await stage.waitForRows(later.table, 1);
  const manager = await stage.manager();
  await stage.stopService(service);
  assert.equal((await stage.rows(table)).length, 50);
  const { num_ack_pending } = await manager.consumers.info(stage.stream, stage.stream);
  assert.equal(num_ack_pending, 0);
});

// There: `tableReady` was never reset and settings were read once, while the writer lived.
Deno.test("run makes a dropped table again and follows new settings (Go regression 8)", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, processorId, table } = await stage.addProcessor({ batchSize: 1 });
  const service = await stage.runService({ CATALOG_CACHE_SECONDS: "1" });
  await stage.publish(routeId, [{ id: 1 }]);
  await stage.waitForRows(table, 1);
  await stage.sql`drop table ${stage.sql(table)}`;
  await stage.publish(routeId, [{ id: 2 }]);
  await stage.waitForRows(table, 1);
  await stage.configure(processorId, { batchSize: 1, tableName: "other" });
  await waitFor(
    async () => {
      await stage.publish(routeId, [{ id: 3 }]);
      return (await stage.rows(`${processorId}_other`)).length > 0;
    },
    { what: "rows in the other table" },
  );
  await stage.stopService(service);
});

// There: the server's defaults: ack_wait of 30 s and 1,000 pending, less than a batch may need.
Deno.test("run asks for room for a batch where it makes the consumer (Go regression 9)", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ batchSize: 2_000, batchWindowTTL: 600 });
  const service = await stage.runService();
  const manager = await stage.manager();
  const { config } = await manager.consumers.info(stage.stream, stage.stream);
  assert.ok((config.max_ack_pending ?? 0) >= 50_000, String(config.max_ack_pending));
  await stage.publishAll(
    Array.from({ length: 2_000 }, (_, id) => ({ routeId, records: [{ id }] })),
  );
  const rows = await stage.waitForRows(table, 2_000);
  await stage.stopService(service);
  assert.equal(new Set(rows.map(({ id }) => id)).size, 2_000);
});

// There: nested values went to the driver as they were, and errors showed the payload.
Deno.test("run keeps nested values and shows none of them in the log (Go regression 10)", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ batchSize: 1, batchWindowTTL: 0 });
  const refusing = await stage.addProcessor({ batchSize: 1, batchWindowTTL: 0 });
  await stage.sql.unsafe(`create table "${refusing.table}" (note text check (length(note) < 5))`);
  const service = await stage.runService();
  const nested = { list: [1, { deep: "canary-of-a-cell" }], empty: {} };
  await stage.publish(routeId, [{ id: 1, nested }]);
  await stage.publish(refusing.routeId, [{ note: "canary-of-a-cell" }]);
  const [row] = await stage.waitForRows(table, 1);
  await stage.waitForStatuses(refusing.routeId, 1);
  await stage.stopService(service);
  assert.deepEqual(row?.nested, nested);
  assert.doesNotMatch(await service.log(), /canary-of-a-cell/);
});
