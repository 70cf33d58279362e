/** Scenarios that end instances of the program: kills, stops, and messages held by two of them. */
import { replaceKilled, type Scenario, type ScenarioRun, until } from "./scenario.ts";

/** See the top of this file. */
export const SERVICE_SCENARIOS: readonly Scenario[] = [
  {
    name: "kill-one",
    title: "kill -9 of the only instance at random moments",
    isShort: true,
    faults: (run) => killAtRandom(run, 10),
    seen: ({ bed }, { redelivered }) =>
      redelivered > 0 && bed.instances.length > 1 ? null : "nothing was redelivered",
  },
  {
    name: "kill-three",
    title: "kill -9 of one of three instances at random moments",
    instances: 3,
    faults: (run) => killAtRandom(run, 10),
    seen: (_, { redelivered }) => redelivered > 0 ? null : "nothing was redelivered",
  },
  {
    name: "kill-after-commit",
    title: "all acks lost, then kill -9: committed, never acked",
    isShort: true,
    faults: killAfterCommit,
    seen: (_, { ledgerDrops }) => ledgerDrops > 0 ? null : "the ledger dropped nothing",
  },
  {
    name: "control",
    title: "the same with deliveryMode atLeastOnce: rows have to be there twice",
    isShort: true,
    isControl: true,
    bed: { properties: { batchSize: 50, batchWindowTTL: 1, deliveryMode: "atLeastOnce" } },
    faults: killAfterCommit,
    seen: (_, { redelivered }) => redelivered > 0 ? null : "nothing was redelivered",
  },
  {
    name: "stop-under-load",
    title: "SIGTERM under load, again and again, two instances",
    instances: 2,
    faults: async (run) => {
      for (let round = 0; round < run.rounds(6); round++) {
        await run.pause(run.random.integer(100, 900));
        const instance = run.random.pick(run.bed.running);
        const next = run.bed.startInstance();
        await run.bed.stopInstance(instance);
        await (await next).process.ready;
      }
    },
    seen: ({ bed }) => bed.instances.length > 2 ? null : "no instance was stopped",
  },
  {
    name: "stop-without-postgres",
    title: "SIGTERM while PostgreSQL is away: gives back within the grace",
    bed: { settings: { SHUTDOWN_GRACE_SECONDS: "3" } },
    faults: async (run) => {
      const { bed } = run;
      await run.pause(1_000);
      bed.postgresProxy.refuses = true;
      bed.postgresProxy.resetAll();
      await run.pause(1_000);
      const startedMs = performance.now();
      for (const instance of bed.running) await bed.stopInstance(instance);
      const tookMs = performance.now() - startedMs;
      bed.postgresProxy.refuses = false;
      await bed.runInstance();
      return tookMs > 6_000 ? `The stop took ${Math.round(tookMs)} ms` : null;
    },
    seen: ({ bed }) => bed.postgresProxy.resets > 0 ? null : "no connection was reset",
  },
  {
    name: "stop-without-nats",
    title: "SIGTERM while NATS is away: writes what it holds and ends",
    bed: { settings: { SHUTDOWN_GRACE_SECONDS: "3" } },
    faults: async (run) => {
      const { bed } = run;
      await run.pause(1_000);
      bed.natsProxy.refuses = true;
      bed.natsProxy.resetAll();
      const startedMs = performance.now();
      for (const instance of bed.running) await bed.stopInstance(instance);
      const tookMs = performance.now() - startedMs;
      bed.natsProxy.refuses = false;
      await bed.runInstance();
      return tookMs > 6_000 ? `The stop took ${Math.round(tookMs)} ms` : null;
    },
    seen: ({ bed }, { redelivered }) =>
      bed.natsProxy.resets > 0 && redelivered > 0 ? null : "nothing was redelivered",
  },
  {
    name: "second-signal",
    title: "SIGTERM twice: ends at once, nothing lost",
    exitCodes: [143],
    faults: async (run) => {
      const { bed } = run;
      for (let round = 0; round < run.rounds(3); round++) {
        await run.pause(run.random.integer(600, 1_200));
        const [instance] = bed.running;
        if (instance === undefined) throw new TypeError("Cannot stop as nothing runs");
        instance.process.signal("SIGTERM");
        await run.pause(run.random.integer(1, 30));
        await bed.stopInstance(instance);
        await bed.runInstance();
      }
    },
    seen: ({ bed }) => bed.instances.length > 1 ? null : "no instance was stopped",
  },
  {
    name: "freeze",
    title: "an instance frozen (SIGSTOP) beyond ack_wait while another takes over, then thawed",
    instances: 2,
    bed: { route: { ack_wait: 1 } },
    faults: async (run) => {
      for (let round = 0; round < run.rounds(3); round++) {
        const [instance] = run.bed.running;
        instance?.process.signal("SIGSTOP");
        await run.pause(3_000);
        instance?.process.signal("SIGCONT");
        await run.pause(1_000);
      }
    },
    seen: (_, { redelivered }) => redelivered > 0 ? null : "nothing was redelivered",
  },
];

/** Kills one instance after another at random moments; each is replaced. */
export async function killAtRandom(run: ScenarioRun, usualRounds: number): Promise<void> {
  const { bed, random } = run;
  for (let round = 0; round < run.rounds(usualRounds); round++) {
    await run.pause(random.integer(50, 1_200));
    const next = await replaceKilled(bed, random.pick(bed.running));
    if (bed.running.length === 1 || random.chance(0.5)) await next.process.ready;
  }
  for (const { process } of bed.running) await process.ready;
}

/** Loses all acks, then kills whoever sent them: everything was committed and comes again. */
export async function killAfterCommit(run: ScenarioRun): Promise<void> {
  const { bed } = run;
  for (let round = 0; round < run.rounds(4); round++) {
    bed.drops.ackShare = 1;
    const dropped = bed.drops.acksDropped;
    await until(() => bed.drops.acksDropped >= dropped + 100, "acks to be dropped");
    await replaceAll(run);
    bed.drops.ackShare = 0;
    await run.pause(1_500);
  }
}

async function replaceAll({ bed }: ScenarioRun): Promise<void> {
  for (const instance of bed.running) {
    await (await replaceKilled(bed, instance)).process.ready;
  }
}
