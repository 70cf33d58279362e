/**
 * The faults of the soak, from the fault suite's toolbox. Each does its harm and makes everything whole
 * again before it resolves. The first instance is never ended; it is the one whose growth is watched.
 */
import type { Bed } from "../faults/bed.ts";
import type { Random } from "../faults/random.ts";
import { replaceKilled, until } from "../faults/scenario.ts";

/** What a fault works with. */
export interface SoakGround {
  readonly bed: Bed;
  readonly random: Random;
  /** Lets time pass, in milliseconds; rejects when the soak is interrupted. */
  readonly pause: (ms: number) => Promise<void>;
}

/** One kind of harm. */
export interface SoakFault {
  readonly name: string;
  readonly harm: (ground: SoakGround) => Promise<void>;
}

/** Acks are lost, and links are slow, for so long. */
const HINDERED_MS = 3_000;
/** Longer than `ack_wait`: what the frozen instance held is delivered to the other one. */
const FROZEN_MS = 5_000;
const LINK_DELAY_MS = 30;

/** All kinds. */
export const SOAK_FAULTS: readonly SoakFault[] = [
  {
    name: "instance killed",
    harm: async ({ bed }) => {
      const [, second] = bed.running;
      if (second === undefined) throw new TypeError("Cannot kill as no second instance runs");
      const next = await replaceKilled(bed, second);
      await next.process.ready;
    },
  },
  {
    name: "instance frozen",
    harm: async ({ bed, pause }) => {
      const [, second] = bed.running;
      second?.process.signal("SIGSTOP");
      await pause(FROZEN_MS);
      second?.process.signal("SIGCONT");
    },
  },
  {
    name: "nats-server killed",
    harm: async ({ bed }) => {
      await bed.nats.kill("SIGKILL");
      await bed.nats.restart();
    },
  },
  { name: "nats-server restarted", harm: ({ bed }) => bed.nats.restart() },
  {
    name: "PostgreSQL restarted",
    harm: async (ground) => {
      await ground.bed.postgres.restart();
      await untilUp(ground);
    },
  },
  {
    name: "PostgreSQL crashed",
    harm: async (ground) => {
      await ground.bed.postgres.stop("immediate");
      await ground.bed.postgres.restart();
      await untilUp(ground);
    },
  },
  {
    name: "connections reset",
    harm: ({ bed }) => {
      bed.natsProxy.resetAll();
      bed.postgresProxy.resetAll();
      return Promise.resolve();
    },
  },
  {
    name: "COMMIT cut",
    harm: async ({ bed, random, pause }) => {
      const places = ["before-commit", "after-commit", "in-copy"] as const;
      bed.cuts.arm(random.pick(places), random.integer(1, 3));
      await pause(HINDERED_MS);
    },
  },
  {
    name: "acks lost",
    harm: async ({ bed, pause }) => {
      bed.drops.ackShare = 1 / 3;
      await pause(HINDERED_MS);
      bed.drops.ackShare = 0;
    },
  },
  {
    name: "sessions terminated",
    harm: async ({ bed }) => {
      await bed.sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'state-tables'`;
    },
  },
  {
    name: "slow links",
    harm: async ({ bed, pause }) => {
      bed.postgresProxy.delayMs = LINK_DELAY_MS;
      bed.natsProxy.delayMs = LINK_DELAY_MS;
      await pause(HINDERED_MS);
      bed.postgresProxy.delayMs = 0;
      bed.natsProxy.delayMs = 0;
    },
  },
];

/** All kinds in random order, again and again, so that even a short soak sees most of them. */
export function* faultsWithoutEnd(random: Random): Generator<SoakFault> {
  while (true) {
    const left = [...SOAK_FAULTS];
    while (left.length > 0) {
      const [fault] = left.splice(random.integer(0, left.length - 1), 1);
      if (fault !== undefined) yield fault;
    }
  }
}

/** PostgreSQL answers again. */
async function untilUp({ bed }: SoakGround): Promise<void> {
  await until(() => bed.sql`select 1`.then(() => true, () => false), "PostgreSQL to answer");
}
