/** Scenarios that hurt PostgreSQL or the way to it. */
import postgres from "postgres";
import type { PostgresCut } from "./postgres_filter.ts";
import { countRows, type Scenario, type ScenarioRun, until, untilWritten } from "./scenario.ts";

/** The program may win the race for a place a few times; then all are taken. */
const CONNECTIONS_REFUSED = 3;

/** See the top of this file. */
export const POSTGRES_SCENARIOS: readonly Scenario[] = [
  cutScenario("commit-not-sent", "connection cut before COMMIT is passed on", "before-commit"),
  cutScenario("commit-answer-lost", "COMMIT carried out, its answer lost", "after-commit"),
  cutScenario("cut-in-copy", "connection cut in the middle of COPY data", "in-copy"),
  {
    name: "postgres-crash",
    title: "kill -9 of a backend: the whole server goes through crash recovery",
    faults: async (run) => {
      for (let round = 0; round < run.rounds(4); round++) {
        await run.pause(run.random.integer(300, 1_500));
        await until(async () => {
          const pid = await backendOf(run).catch(() => null); // just coming back
          if (pid !== null) Deno.kill(pid, "SIGKILL");
          return pid !== null;
        }, "a session of the program");
        await untilUp(run);
      }
    },
    seen: (_, { storeRetries }) => storeRetries > 0 ? null : "nothing was tried again",
  },
  {
    name: "postgres-restart",
    title: "PostgreSQL restarted, fast and as a crash",
    isShort: true,
    faults: async (run) => {
      for (let round = 0; round < run.rounds(4); round++) {
        await run.pause(run.random.integer(300, 1_500));
        if (round % 2 === 0) await run.bed.postgres.stop("immediate");
        await run.bed.postgres.restart();
        await untilUp(run);
      }
    },
    seen: (_, { storeRetries }) => storeRetries > 0 ? null : "nothing was tried again",
  },
  {
    name: "postgres-away",
    title: "PostgreSQL stopped for 12 s under load",
    faults: async (run) => {
      await run.pause(1_000);
      await run.bed.postgres.stop();
      await run.pause(run.rounds(12) * 1_000);
      await run.bed.postgres.restart();
      await untilUp(run);
    },
    seen: (_, { storeRetries }) => storeRetries > 0 ? null : "nothing was tried again",
  },
  {
    name: "postgres-away-at-start",
    title: "PostgreSQL unreachable when the program starts, for 5 s",
    awaitsReady: false,
    prepare: ({ bed }) => {
      bed.postgresProxy.refuses = true;
      return Promise.resolve();
    },
    faults: async ({ bed, pause }) => {
      await pause(5_000);
      bed.postgresProxy.refuses = false;
      await Promise.all(bed.running.map(({ process }) => process.ready));
    },
    seen: ({ bed }) => bed.postgresProxy.refused > 0 ? null : "no connection was refused",
  },
  {
    name: "terminate-backends",
    title: "pg_terminate_backend of every session of the program, again and again",
    faults: async (run) => {
      for (let round = 0; round < run.rounds(12); round++) {
        await run.pause(run.random.integer(50, 600));
        await until(async () => await endSessions(run) > 0, "a session to end");
      }
    },
  },
  {
    name: "terminate-in-copy",
    title: "pg_terminate_backend of sessions seen in COPY, on a slow link",
    load: { recordsMax: 20 },
    faults: async (run) => {
      const { bed } = run;
      bed.postgresProxy.bytesPerSecond = 40_000;
      let ended = 0;
      await until(
        async () => {
          const gone = await bed.sql`
          select pg_terminate_backend(pid) from pg_stat_progress_copy
          join pg_stat_activity using (pid) where application_name = 'state-tables'`;
          ended += gone.length;
          return ended >= run.rounds(8);
        },
        "COPYs to terminate",
        60_000,
      );
      bed.postgresProxy.bytesPerSecond = Infinity;
      bed.postgresProxy.resetAll();
    },
    seen: (_, { storeRetries }) => storeRetries > 0 ? null : "nothing was tried again",
  },
  {
    name: "postgres-half-open",
    title: "packets to PostgreSQL vanish for 4 s, no reset: dead connections are found",
    bed: { settings: { DB_LOCK_TIMEOUT_MS: "500" } },
    faults: async (run) => {
      await run.pause(1_000);
      run.bed.postgresProxy.setBlackHole(true);
      await run.pause(4_000);
      run.bed.postgresProxy.setBlackHole(false);
    },
    seen: ({ bed }) => bed.postgresProxy.swallowedBytes > 0 ? null : "nothing vanished",
  },
  {
    name: "postgres-slow",
    title: "20 ms for each packet to and from PostgreSQL, 200 kB/s",
    faults: async (run) => {
      run.bed.postgresProxy.delayMs = 20;
      run.bed.postgresProxy.bytesPerSecond = 200_000;
      await run.pause(run.rounds(6) * 1_000);
      run.bed.postgresProxy.delayMs = 0;
      run.bed.postgresProxy.bytesPerSecond = Infinity;
    },
    seen: ({ bed }) => bed.postgresProxy.slowedBytes > 0 ? null : "nothing was slowed down",
  },
  {
    name: "read-only",
    title: "the database turns read-only for 4 s",
    faults: async (run) => {
      const { sql } = run.bed;
      await run.pause(1_000);
      await sql`alter database faults set default_transaction_read_only = on`;
      await endSessions(run);
      await run.pause(4_000);
      await sql`set default_transaction_read_only = off`;
      await sql`alter database faults reset default_transaction_read_only`;
      await endSessions(run);
    },
    seen: (_, { storeRetries }) => storeRetries > 0 ? null : "nothing was tried again",
  },
  {
    name: "out-of-connections",
    title: "others take every connection of PostgreSQL for 4 s",
    bed: { postgresSettings: { max_connections: "24" } },
    faults: async (run) => {
      await run.pause(1_000);
      await using _others = await takeAllConnections(run);
      await run.pause(4_000);
    },
    seen: (_, { storeRetries }) => storeRetries > 0 ? null : "nothing was tried again",
  },
];

/** Cuts again and again, with a good flush of `processor-0` in between. */
export async function cutAgain(run: ScenarioRun, cut: PostgresCut): Promise<void> {
  for (let round = 0; round < run.rounds(10); round++) {
    await untilWritten(run, "processor-0");
    await run.pause(run.random.integer(50, 500));
    run.bed.cuts.arm(cut, run.random.integer(1, 3));
    await until(() => run.bed.cuts.pending === 0, "cuts to be made");
    // Or every try would meet a new cut, and the waits between tries would only grow.
    const durable = await countRows(run, "processor-0");
    await until(async () => await countRows(run, "processor-0") > durable, "a good flush");
  }
}

function cutScenario(name: string, title: string, cut: PostgresCut): Scenario {
  return {
    name,
    title,
    isShort: cut === "after-commit",
    faults: (run) => cutAgain(run, cut),
    seen: ({ bed }, { storeRetries, ledgerDrops }) => {
      if (bed.cuts.made[cut] === 0 || storeRetries === 0) return "nothing was cut";
      if (cut === "after-commit" && ledgerDrops === 0) return "the ledger dropped nothing";
      return null;
    },
  };
}

/** The process id of a session of the program that is at work, or any; null when there is none. */
async function backendOf({ bed }: ScenarioRun): Promise<number | null> {
  const [row] = await bed.sql`
    select pid from pg_stat_activity where application_name = 'state-tables'
    order by state = 'active' desc limit 1`;
  return row === undefined ? null : Number(row.pid);
}

/** Ends all sessions of the program; resolves to how many there were. */
async function endSessions({ bed }: ScenarioRun): Promise<number> {
  const ended = await bed.sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'state-tables'`;
  return ended.length;
}

/** Waits until PostgreSQL answers without the proxy. */
async function untilUp({ bed }: ScenarioRun): Promise<void> {
  const answers = (): Promise<boolean> => bed.sql`select 1`.then(() => true, () => false);
  await until(answers, "PostgreSQL to answer");
}

/** Ends the program's sessions and takes their places until there is none left. */
async function takeAllConnections(run: ScenarioRun): Promise<AsyncDisposable> {
  const clients: postgres.Sql[] = [];
  const url = run.bed.postgres.url("faults");
  for (let refused = 0; refused < CONNECTIONS_REFUSED;) {
    await endSessions(run);
    const client = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 2 });
    clients.push(client);
    await client`select 1`.catch(() => refused++);
  }
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.all(clients.map((client) => client.end({ timeout: 1 })));
    },
  };
}
