/**
 * Scenarios in which a table cannot be written for so long that its rows are parked (design §7), and
 * in which the ledger is pruned before stream or consumer are made anew.
 */
import { MONITOR_STREAM, STREAM, SUBJECT } from "./bed.ts";
import type { LoadShape } from "./load.ts";
import { pruneByHand } from "./prune_by_hand.ts";
import {
  type Scenario,
  type ScenarioRun,
  until,
  untilSettled,
  untilWritten,
  whileGrowing,
} from "./scenario.ts";

const HURT_TABLE = "processor-0";
const HURT_ROUTE = "state-0:processor-0";
const OTHER_TABLE = "processor-1";

/** A quarter of it is soon held by one table of many. */
const ACK_PENDING = 200;

/** See the top of this file. */
export const PARKING_SCENARIOS: readonly Scenario[] = [
  {
    name: "parked-locked",
    title: "one table locked for 20 s, max_ack_pending 200: it parks, 99 others flow",
    bed: {
      processors: 100,
      route: { ack_wait: 30, max_ack_pending: ACK_PENDING },
      settings: { DB_LOCK_TIMEOUT_MS: "500" },
    },
    load: favouring(HURT_ROUTE),
    refusedRoutes: [HURT_ROUTE],
    isOrdered: true,
    faults: async (run) => {
      await untilWritten(run, HURT_TABLE);
      await untilWritten(run, OTHER_TABLE);
      return await run.bed.sql.begin(async (sql) => {
        await sql`lock table "processor-0" in access exclusive mode`;
        await untilParked(run);
        return await whileGrowing(run, { table: OTHER_TABLE, steps: 4, stepMs: 5_000 });
      });
    },
    seen: parkedAndBack,
  },
  {
    name: "parked-refused",
    title: "no right to insert into one table for 15 s, max_ack_pending 200",
    bed: {
      processors: 10,
      isPlainRole: true,
      route: { ack_wait: 30, max_ack_pending: ACK_PENDING },
    },
    load: favouring(HURT_ROUTE),
    refusedRoutes: [HURT_ROUTE],
    isOrdered: true,
    faults: async (run) => {
      await untilWritten(run, HURT_TABLE);
      await untilWritten(run, OTHER_TABLE);
      await run.bed.sql`revoke insert on "processor-0" from writer`;
      await untilParked(run);
      const wrong = await whileGrowing(run, { table: OTHER_TABLE, steps: 3, stepMs: 5_000 });
      const statuses = await statusesOf(run, HURT_ROUTE);
      await run.bed.sql`grant insert on "processor-0" to writer`;
      const isFailed = statuses.at(-1) === "FAILED";
      return wrong ?? (isFailed ? null : `The last status while parked is ${statuses.at(-1)}`);
    },
    seen: parkedAndBack,
  },
  {
    name: "parked-restart",
    title: "the program killed and started again while rows are parked, then the table is back",
    bed: {
      processors: 10,
      isPlainRole: true,
      route: { ack_wait: 3, max_ack_pending: ACK_PENDING },
    },
    load: favouring(HURT_ROUTE),
    refusedRoutes: [HURT_ROUTE],
    faults: async (run) => {
      await untilWritten(run, HURT_TABLE);
      for (let round = 0; round < run.rounds(2); round++) {
        await run.bed.sql`revoke insert on "processor-0" from writer`;
        await untilParked(run);
        const [instance] = run.bed.running;
        if (instance === undefined) throw new TypeError("Cannot end what does not run");
        if (round % 2 === 0) await run.bed.killInstance(instance);
        else await run.bed.stopInstance(instance);
        await run.bed.runInstance();
        await run.bed.sql`grant insert on "processor-0" to writer`;
        await until(async () => await countParked(run) === 0, "the parked rows to be written");
      }
    },
    seen: ({ bed }) => bed.instances.length > 1 ? null : "nothing was started again",
  },
  {
    name: "pruned-consumer-anew",
    title: "ledger pruned, then the consumer deleted: it begins behind what was pruned",
    faults: async (run) => {
      const floor = await pruneByHand(run);
      await (await run.bed.manager()).consumers.delete(STREAM, STREAM);
      await until(
        async () => (await run.bed.consumer())?.config.opt_start_seq === floor + 1,
        "the consumer to be made again behind what was pruned",
      );
    },
  },
  {
    name: "pruned-consumer-from-start",
    title: "ledger pruned, then somebody makes the consumer anew from the stream's beginning",
    faults: async (run) => {
      await pruneByHand(run);
      const manager = await run.bed.manager();
      const { config } = await manager.consumers.info(STREAM, STREAM);
      const { opt_start_seq: _seq, opt_start_time: _time, ...others } = config;
      await manager.consumers.delete(STREAM, STREAM);
      // The program may be quicker; then what it made is taken away again.
      await until(async () => {
        try {
          await manager.consumers.add(STREAM, { ...others, deliver_policy: "all" });
          return true;
        } catch {
          await manager.consumers.delete(STREAM, STREAM).catch(() => undefined); // not there yet
          return false;
        }
      }, "a consumer from the beginning");
    },
    seen: (_, { ledgerDrops }) => ledgerDrops > 0 ? null : "nothing came again",
  },
  {
    name: "pruned-stream-purged",
    title: "ledger pruned, then the stream purged: what comes next lands",
    faults: async (run) => {
      await pruneByHand(run);
      await run.publisher.hold();
      await untilSettled(run);
      const { purged } = await (await run.bed.manager()).streams.purge(STREAM);
      run.publisher.release();
      return purged > 0 ? null : "The stream had nothing to purge";
    },
  },
  {
    name: "pruned-stream-anew",
    title: "ledger pruned, then the stream deleted and made anew: low sequences are other messages",
    faults: async (run) => {
      await pruneByHand(run);
      await run.publisher.hold();
      await untilSettled(run);
      const manager = await run.bed.manager();
      await manager.streams.delete(STREAM);
      await manager.streams.add({ name: STREAM, subjects: [SUBJECT] });
      run.publisher.release();
      await until(
        async () => ((await run.bed.consumer())?.ack_floor.stream_seq ?? 0) > 0,
        "the consumer to be made again, and messages to be settled",
      );
    },
  },
];

/** Half of all messages go to one route. */
function favouring(routeId: string): Partial<LoadShape> {
  return { favoured: routeId, lateKeys: 0 };
}

async function countParked({ bed: { sql } }: ScenarioRun): Promise<number> {
  const [row] = await sql`
    select count(*)::int as n from state_tables.rejected where state = 'parked'`;
  return Number(row?.n);
}

async function untilParked(run: ScenarioRun): Promise<void> {
  await until(async () => await countParked(run) > 0, "rows to be parked");
}

function parkedAndBack(
  _: ScenarioRun,
  { parkedMessages, unparkedMessages }: { parkedMessages: number; unparkedMessages: number },
): string | null {
  if (parkedMessages === 0) return "nothing was parked";
  return unparkedMessages > 0 ? null : "nothing parked was written";
}

/** Statuses of a route, in the order in which the monitor's stream holds them. */
async function statusesOf({ bed }: ScenarioRun, routeId: string): Promise<string[]> {
  const { state } = await (await bed.manager()).streams.info(MONITOR_STREAM);
  const consumer = await bed.stream.consumers.get(MONITOR_STREAM);
  const statuses: string[] = [];
  let left = state.messages;
  for await (const message of await consumer.fetch({ max_messages: left, expires: 2_000 })) {
    const { route_id, status } = message.json<{ route_id: string; status: string }>();
    if (route_id === routeId) statuses.push(status);
    if (--left === 0) break;
  }
  return statuses;
}
