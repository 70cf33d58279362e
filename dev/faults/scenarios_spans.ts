/**
 * Scenarios of one busy table, whose messages are near each other and stand in the ledger as spans: what
 * ends, is cut or lost, and what comes again, to the same instance or to another, meanwhile.
 */
import { type Scenario, type ScenarioRun, until } from "./scenario.ts";
import { cutAgain } from "./scenarios_postgres.ts";
import { killAfterCommit, killAtRandom } from "./scenarios_service.ts";

/** Flushes of some hundred messages in a row. */
const BUSY: Pick<Scenario, "bed" | "load"> = {
  bed: {
    processors: 1,
    properties: { batchSize: 400, batchWindowTTL: 1 },
    route: { ack_wait: 2 },
  },
  load: { perSecond: 2_000, messagesMin: 8_000, recordsMax: 2 },
};

/** See the top of this file. */
export const SPAN_SCENARIOS: readonly Scenario[] = [
  spanScenario(
    "spans-killed",
    "kill -9 of the only instance at random moments",
    (run) => killAtRandom(run, 8),
  ),
  {
    ...spanScenario("spans-shared", "two instances, one of them frozen or killed", changeHands),
    seen: (_, { redelivered, ledgerDrops }) =>
      redelivered > 0 && ledgerDrops > 0 ? null : "the ledger dropped nothing",
  },
  {
    ...spanScenario("spans-committed", "all acks lost, then kill -9", killAfterCommit),
    isShort: true,
    seen: (_, { ledgerDrops }) => ledgerDrops > 0 ? null : "the ledger dropped nothing",
  },
  {
    ...spanScenario(
      "spans-answer-lost",
      "COMMIT carried out, its answer lost",
      (run) => cutAgain(run, "after-commit"),
    ),
    seen: ({ bed }, { ledgerDrops }) =>
      bed.cuts.made["after-commit"] > 0 && ledgerDrops > 0 ? null : "the ledger dropped nothing",
  },
];

function spanScenario(
  name: string,
  harm: string,
  faults: (run: ScenarioRun) => Promise<void>,
): Scenario {
  return {
    ...BUSY,
    name,
    title: `one busy table, spans in the ledger: ${harm}`,
    faults: async (run) => {
      await untilSpans(run);
      await faults(run);
      await untilSpans(run);
    },
  };
}

/** Waits until spans are written that were not there before. */
async function untilSpans({ bed: { sql } }: ScenarioRun): Promise<void> {
  const last = async (): Promise<number> => {
    const [row] = await sql`
      select coalesce(max(seq), 0)::float8 as last from state_tables.delivered_span`
      .catch(() => [{ last: 0 }]); // not made yet
    return Number(row?.last);
  };
  const before = await last();
  await until(async () => await last() > before, "spans in the ledger");
}

/**
 * One instance is frozen or killed in the midst of its work, and another takes over: what the first
 * had begun is committed, or rolled back, while the other writes the same messages, alone at first and
 * so as spans.
 */
async function changeHands(run: ScenarioRun): Promise<void> {
  const { bed, random } = run;
  for (let round = 0; round < run.rounds(5); round++) {
    const [instance] = bed.running;
    if (instance === undefined) throw new TypeError("Cannot freeze as nothing runs");
    await run.pause(random.integer(200, 900));
    const isFrozen = random.chance(0.6);
    instance.process.signal(isFrozen ? "SIGSTOP" : "SIGKILL");
    if (!isFrozen) await bed.killInstance(instance);
    await bed.runInstance();
    // Longer than ack_wait: what the first held comes to the other.
    await run.pause(random.integer(2_200, 3_500));
    if (!isFrozen) continue;
    instance.process.signal("SIGCONT");
    await run.pause(random.integer(300, 900));
    await bed.stopInstance(instance);
  }
}
