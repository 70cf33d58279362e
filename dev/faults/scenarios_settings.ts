/** Scenarios in which people change a processor's settings while its rows arrive. */
import { type Scenario, type ScenarioRun, until, untilGrown, untilWritten } from "./scenario.ts";

/** Long enough for a writer to be forgotten, with `short_eviction_program.ts`. */
const QUIET_MS = 700;

const MOVED = "moved";

/** See the top of this file. */
export const SETTINGS_SCENARIOS: readonly Scenario[] = [
  {
    name: "settings-changed",
    title:
      "batch, window, table name, timestamp and indexes of processors change; writers are evicted",
    bed: {
      processors: 4,
      entry: "dev/faults/short_eviction_program.ts",
      settings: { CATALOG_CACHE_SECONDS: "1" },
    },
    tableNames: [MOVED],
    faults: changeSettings,
  },
];

async function changeSettings(run: ScenarioRun): Promise<void> {
  const { bed, random, publisher } = run;
  await untilWritten(run, "processor-0");
  for (let round = 0; round < run.rounds(15); round++) {
    await setProperties(run, random.pick(bed.targets).processorId, {
      batchSize: random.pick([1, 7, 50, 1_000]),
      batchWindowTTL: random.pick([0, 1, 2]),
      includeTimestamp: random.chance(0.5),
      indexColumns: random.chance(0.5) ? ["id"] : [],
      ...(random.chance(0.5) ? { tableName: MOVED } : {}),
    });
    await run.pause(random.integer(100, 900));
    if (random.chance(0.4)) {
      await publisher.hold();
      await run.pause(QUIET_MS);
      publisher.release();
    }
  }
  // So that each was in both tables, and a probe is looked for in the right one.
  await moveAll(run, { tableName: MOVED });
  for (const { table } of bed.targets) await untilWritten(run, `${table}_${MOVED}`);
  await moveAll(run, {});
  for (const { table } of bed.targets) await untilGrown(run, table);
  await until(() => run.hasLogged("Settings of a processor changed"), "changed settings");
  await until(() => run.hasLogged("Forgot an idle writer"), "a writer to be evicted");
}

async function moveAll(run: ScenarioRun, properties: Record<string, unknown>): Promise<void> {
  for (const { processorId } of run.bed.targets) {
    await setProperties(run, processorId, { batchSize: 50, batchWindowTTL: 1, ...properties });
  }
}

async function setProperties(
  { bed: { sql } }: ScenarioRun,
  processorId: string,
  properties: Record<string, unknown>,
): Promise<void> {
  const text = JSON.stringify(properties);
  await sql`update processor set properties = ${text}::text::jsonb where id = ${processorId}`;
}
