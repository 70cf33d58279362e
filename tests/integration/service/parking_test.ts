/** Tables that cannot be written: their rows wait, park, and come back; nobody else waits. */
import assert from "node:assert/strict";
import { sharedNats, sharedPostgres, waitFor } from "../../support/servers.ts";
import { Stage, type StageProcessor } from "../../support/stage.ts";

const servers = { nats: await sharedNats(), postgres: await sharedPostgres() };

const INSTANT = { batchSize: 1, batchWindowTTL: 0 };

/** Publishes rows `from` to `to`, one message each. */
async function publishRows(
  stage: Stage,
  { routeId }: StageProcessor,
  from: number,
  to: number,
): Promise<void> {
  const rows = Array.from({ length: to - from + 1 }, (_, n) => from + n);
  await stage.publishAll(rows.map((n) => ({ routeId, records: [{ n }] })));
}

async function parkedCount(stage: Stage): Promise<number> {
  const [row] = await stage.sql`
    select count(*)::int as n from state_tables.rejected where state = 'parked'`;
  return row?.n ?? 0;
}

Deno.test("run parks rows of a locked table, and others flow past a small max_ack_pending", async () => {
  await using stage = await Stage.open({ ...servers, route: { max_ack_pending: 20 } });
  const locked = await stage.addProcessor(INSTANT);
  const free = await stage.addProcessor(INSTANT);
  const service = await stage.runService({ DB_LOCK_TIMEOUT_MS: "200" });
  await publishRows(stage, locked, 1, 1);
  await stage.waitForRows(locked.table, 1);
  await stage.sql.begin(async (sql) => {
    await sql`lock table ${sql(locked.table)} in access exclusive mode`;
    await publishRows(stage, locked, 2, 60);
    await publishRows(stage, free, 1, 60);
    await stage.waitForRows(free.table, 60);
    await waitFor(async () => await parkedCount(stage) > 0, { what: "parked rows" });
  });
  const rows = await stage.waitForRows(locked.table, 60);
  assert.deepEqual(rows.map(({ n }) => Number(n)), Array.from({ length: 60 }, (_, n) => n + 1));
  await stage.settled();
  assert.equal(await parkedCount(stage), 0);
  const statuses = await waitFor(() => {
    const heard = stage.statuses.filter(({ route_id }) => route_id === locked.routeId);
    return heard.at(-1)?.status === "COMPLETED" ? heard : null;
  }, { what: "COMPLETED at last" });
  assert.ok(
    statuses.some(({ status, exception }) =>
      status === "FAILED" && /rows wait: Parked until/.test(exception ?? "")
    ),
  );
  await stage.stopService(service);
});

Deno.test("run writes rows that an earlier run had parked, before those that come", async () => {
  await using stage = await Stage.open(servers);
  const processor = await stage.addProcessor({ ...INSTANT, tableName: "kept" });
  await stage.sql.unsafe(`create table real (n bigint, _timestamp timestamptz);
    create view "${processor.table}" as select * from real`);
  const first = await stage.runService({ START_FROM: "all" });
  await publishRows(stage, processor, 1, 5);
  await waitFor(
    async () => (await first.log()).includes("cannot be written"),
    { what: "the refusal" },
  );
  await stage.stopService(first);
  assert.equal(await parkedCount(stage), 5);
  await stage.settled();
  await stage.sql.unsafe(`drop view "${processor.table}"; drop table real`);
  const second = await stage.runService();
  await publishRows(stage, processor, 6, 6);
  const rows = await stage.waitForRows(processor.table, 6);
  assert.deepEqual(rows.map(({ n }) => Number(n)), [1, 2, 3, 4, 5, 6]);
  assert.equal(await parkedCount(stage), 0);
  await stage.stopService(second);
});
