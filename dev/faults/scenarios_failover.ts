/** Scenarios in which PostgreSQL's primary dies and its standby takes over. */
import { type PostgresStandby, STANDBY_NAME, startStandby } from "../servers/postgres_standby.ts";
import { type Scenario, type ScenarioRun, until, untilGrown, untilWritten } from "./scenario.ts";

/** Of both servers: a standby has to allow as many connections as its primary. */
const SETTINGS = { max_connections: "200", wal_keep_size: "256MB" };

/** See the top of this file. */
export const FAILOVER_SCENARIOS: readonly Scenario[] = [
  {
    name: "failover",
    title: "PostgreSQL's primary dies, its synchronous standby takes over",
    bed: { postgresSettings: SETTINGS },
    faults: failOver,
    seen: (_, { storeRetries }) => storeRetries > 0 ? null : "nothing was tried again",
  },
];

async function failOver(run: ScenarioRun): Promise<void> {
  const { bed } = run;
  const standby = await startStandby(bed.postgres, SETTINGS);
  run.onEnd(async () => await standby[Symbol.asyncDispose]());
  await makeSynchronous(run);
  await untilWritten(run, "processor-0");
  await run.pause(run.random.integer(500, 2_000));
  await bed.postgres.stop("immediate");
  await takeOver(run, standby);
  await untilGrown(run, "processor-0");
}

/** From now on a commit is confirmed when the standby has it on its disk. */
async function makeSynchronous(run: ScenarioRun): Promise<void> {
  const { sql } = run.bed;
  await sql.unsafe(`alter system set synchronous_standby_names = '${STANDBY_NAME}'`);
  await sql`select pg_reload_conf()`;
  await until(async () => {
    const [row] = await sql`select sync_state from pg_stat_replication`;
    return row?.sync_state === "sync";
  }, "the standby to be synchronous");
}

/** The program first meets the standby while it takes no writes. */
async function takeOver(run: ScenarioRun, standby: PostgresStandby): Promise<void> {
  run.bed.failOverTo(standby.server);
  const isRefused = async (): Promise<boolean> =>
    (await Deno.readTextFile(standby.server.logFile)).includes("ERROR:  cannot execute");
  await until(isRefused, "a flush to be refused by the standby");
  await standby.promote();
}
