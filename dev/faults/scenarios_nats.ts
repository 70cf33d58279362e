/** Scenarios that hurt nats-server, the way to it, or what the consumer is set to. */
import { DiscardPolicy } from "@nats-io/jetstream";
import { MONITOR_STREAM, MONITOR_SUBJECT, STREAM, SUBJECT } from "./bed.ts";
import { type Scenario, until, untilWritten, whileGrowing } from "./scenario.ts";

/** See the top of this file. */
export const NATS_SCENARIOS: readonly Scenario[] = [
  {
    name: "nats-crash",
    title: "kill -9 and restart of nats-server with its store",
    isShort: true,
    faults: async (run) => {
      for (let round = 0; round < run.rounds(5); round++) {
        await run.pause(run.random.integer(400, 2_000));
        await run.bed.nats.kill("SIGKILL");
        await run.bed.nats.restart();
      }
    },
    seen: ({ bed }) => bed.natsProxy.accepted > 1 ? null : "it never connected again",
  },
  {
    name: "nats-cut",
    title: "connection to NATS reset again and again",
    faults: async (run) => {
      for (let round = 0; round < run.rounds(8); round++) {
        await run.pause(run.random.integer(300, 1_500));
        run.bed.natsProxy.resetAll();
      }
    },
    seen: ({ bed }) => bed.natsProxy.resets > 0 ? null : "nothing was reset",
  },
  {
    name: "nats-away",
    title: "NATS unreachable for 8 s",
    faults: async (run) => {
      await run.pause(1_000);
      run.bed.natsProxy.refuses = true;
      run.bed.natsProxy.resetAll();
      await run.pause(run.rounds(8) * 1_000);
      run.bed.natsProxy.refuses = false;
    },
    seen: ({ bed }) => bed.natsProxy.refused > 0 ? null : "no connection was refused",
  },
  {
    name: "nats-away-at-start",
    title: "NATS unreachable when the program starts, for 5 s",
    awaitsReady: false,
    prepare: ({ bed }) => {
      bed.natsProxy.refuses = true;
      return Promise.resolve();
    },
    faults: async ({ bed, pause }) => {
      await pause(5_000);
      bed.natsProxy.refuses = false;
      await Promise.all(bed.running.map(({ process }) => process.ready));
    },
    seen: ({ bed }) => bed.natsProxy.refused > 0 ? null : "no connection was refused",
  },
  {
    name: "nats-half-open",
    title: "packets to NATS vanish, no reset: a new connection is made",
    faults: async (run) => {
      const { natsProxy } = run.bed;
      await run.pause(1_000);
      const accepted = natsProxy.accepted;
      natsProxy.setBlackHole(true);
      await run.pause(2_000);
      natsProxy.setBlackHole(false);
      await until(() => natsProxy.accepted > accepted, "a new connection", 60_000);
    },
    seen: ({ bed }) => bed.natsProxy.swallowedBytes > 0 ? null : "nothing vanished",
  },
  {
    name: "nats-frozen",
    title: "nats-server frozen (SIGSTOP) for 6 s",
    faults: async (run) => {
      await run.pause(1_000);
      await run.bed.nats.kill("SIGSTOP");
      await run.pause(500);
      const confirmed = run.publisher.published.length;
      await run.pause(5_500);
      const isFrozen = run.publisher.published.length === confirmed;
      await run.bed.nats.kill("SIGCONT");
      return isFrozen ? null : "The server went on while it was frozen";
    },
  },
  {
    name: "acks-lost",
    title: "a third of all acks lost",
    faults: async (run) => {
      run.bed.drops.ackShare = 1 / 3;
      await run.pause(run.rounds(8) * 1_000);
      await until(() => run.bed.drops.acksDropped > 50, "acks to be dropped");
      run.bed.drops.ackShare = 0;
    },
    seen: (_, { ledgerDrops }) => ledgerDrops > 0 ? null : "the ledger dropped nothing",
  },
  {
    name: "status-confirmations-lost",
    title: "half of the monitor's confirmations of statuses lost",
    faults: async (run) => {
      run.bed.drops.confirmationShare = 0.5;
      await run.pause(run.rounds(6) * 1_000);
      run.bed.drops.confirmationShare = 0;
    },
    seen: ({ bed }) => bed.drops.confirmationsDropped > 0 ? null : "no confirmation was dropped",
  },
  {
    name: "consumer-deleted",
    title: "consumer deleted while running",
    faults: async (run) => {
      for (let round = 0; round < run.rounds(2); round++) {
        await run.pause(1_500);
        await (await run.bed.manager()).consumers.delete(STREAM, STREAM);
        await until(async () => await run.bed.consumer() !== null, "the consumer to be made again");
      }
    },
    seen: (_, { ledgerDrops }) => ledgerDrops > 0 ? null : "nothing came again",
  },
  {
    name: "stream-made-anew",
    title: "stream deleted and made anew: the same sequences are other messages",
    faults: async (run) => {
      const { bed, publisher } = run;
      const manager = await bed.manager();
      for (let round = 0; round < run.rounds(2); round++) {
        await run.pause(1_500);
        await publisher.hold();
        await until(async () => {
          const info = await bed.consumer();
          return info !== null && info.num_pending === 0 && info.num_ack_pending === 0;
        }, "everything to be settled");
        await manager.streams.delete(STREAM);
        await manager.streams.add({ name: STREAM, subjects: [SUBJECT] });
        publisher.release();
        await until(
          async () => ((await bed.consumer())?.ack_floor.stream_seq ?? 0) > 0,
          "the consumer to be made again, and messages to be settled",
        );
      }
    },
  },
  {
    name: "short-ack-wait",
    title: "ack_wait of 1 s with a window of 10 s",
    bed: { route: { ack_wait: 1 }, properties: { batchSize: 100_000, batchWindowTTL: 10 } },
    load: { perSecond: 200 },
    probeMaxMs: 13_000,
    faults: (run) => run.pause(run.rounds(15) * 1_000),
    seen: ({ bed }) => bed.drops.extensionsPassed > 0 ? null : "no deadline was extended",
  },
  {
    name: "short-ack-wait-shared",
    title: "ack_wait of 1 s with a window of 3 s, two instances",
    instances: 2,
    bed: { route: { ack_wait: 1 }, properties: { batchSize: 100_000, batchWindowTTL: 3 } },
    load: { perSecond: 200 },
    probeMaxMs: 6_000,
    faults: (run) => run.pause(run.rounds(12) * 1_000),
    seen: ({ bed }) => bed.drops.extensionsPassed > 0 ? null : "no deadline was extended",
  },
  smallAckPending("small-ack-pending", 1),
  smallAckPending("shared-ack-pending", 2),
  {
    name: "monitor-gone",
    title: "the monitor's stream deleted for 5 s",
    faults: async (run) => {
      const manager = await run.bed.manager();
      await run.pause(1_000);
      await manager.streams.delete(MONITOR_STREAM);
      await run.pause(5_000);
      await until(() => run.hasLogged("Cannot publish statuses"), "a status that nobody stores");
      await manager.streams.add({ name: MONITOR_STREAM, subjects: [MONITOR_SUBJECT] });
    },
  },
  {
    name: "monitor-full",
    title: "the monitor's stream is full and takes nothing new for 5 s: rows land all the same",
    faults: async (run) => {
      const { streams } = await run.bed.manager();
      await untilWritten(run, "processor-0");
      // A limit of 0 would be none.
      await until(
        async () => (await streams.info(MONITOR_STREAM)).state.messages > 0,
        "a first status",
      );
      const { config, state } = await streams.info(MONITOR_STREAM);
      await streams.update(MONITOR_STREAM, {
        ...config,
        max_msgs: state.messages,
        discard: DiscardPolicy.New,
      });
      await until(() => run.hasLogged("Cannot publish statuses"), "a status that is not taken");
      const wrong = await whileGrowing(run, { table: "processor-0", steps: 2, stepMs: 2_500 });
      await streams.update(MONITOR_STREAM, { ...config, max_msgs: -1 });
      return wrong;
    },
  },
];

/** No batch may wait for messages that the limit keeps away; the last few wait for the window. */
function smallAckPending(name: string, instances: number): Scenario {
  return {
    name,
    title: `max_ack_pending 10 with batchSize 1,000, ${instances} instances`,
    instances,
    bed: {
      route: { max_ack_pending: 10, ack_wait: 30 },
      properties: { batchSize: 1_000, batchWindowTTL: 10 },
      processors: 3,
    },
    load: { messagesMin: 60, perSecond: 10 },
    probeMaxMs: 15_000,
    faults: async (run) => {
      await untilWritten(run, "processor-0");
      const wrong = await whileGrowing(run, { table: "processor-0", steps: 2, stepMs: 5_000 });
      await until(() => run.hasLogged('"reason":"pressure"'), "a flush for want of room");
      return wrong;
    },
  };
}
