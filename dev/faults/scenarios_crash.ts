/** Scenarios in which the program ends itself at an exact place of its work, see `failpoints.ts`. */
import type { Failpoint } from "./failpoints.ts";
import {
  type ProgramCounts,
  type Scenario,
  type ScenarioRun,
  untilGrown,
  untilWritten,
} from "./scenario.ts";

/** Crashes of a scenario. */
const ROUNDS = 6;

/** Flushes or statuses that go well before the crash, at most. */
const PASSED_MAX = 15;

/** See the top of this file. */
export const CRASH_SCENARIOS: readonly Scenario[] = [
  crashScenario("after-change", "a table or column was made for rows that are not written", {
    passedMax: 3,
    load: { lateKeys: 40, messagesMin: 8_000 },
  }),
  crashScenario("before-write", "a flush is handed to the store"),
  crashScenario("before-commit", "the ledger's entries are in the transaction, the rows are not", {
    // Few rows go out with the query otherwise, and there is no such moment.
    bed: { settings: { DB_PREPARE: "false" } },
  }),
  crashScenario("commit-sent", "COMMIT is sent, nobody reads what becomes of it"),
  crashScenario("after-commit", "committed, nothing is said or acked", {
    isShort: true,
    seen: ledgerDropped,
  }),
  crashScenario("after-status", "a status is stored, nothing is acked", { seen: ledgerDropped }),
  crashScenario("half-acked", "a part of a flush is acked", { seen: ledgerDropped }),
  {
    name: "crash-after-rejects",
    title: "the program ends itself where rows of a locked table are parked, nothing is acked",
    bed: {
      processors: 10,
      route: { ack_wait: 3, max_ack_pending: 200 },
      settings: { DB_LOCK_TIMEOUT_MS: "500" },
    },
    load: { favoured: "state-0:processor-0", lateKeys: 0 },
    refusedRoutes: ["state-0:processor-0"],
    faults: crashWhileParking,
    seen: (_, counts) => ledgerDropped(counts),
  },
];

interface CrashShape extends Pick<Scenario, "bed" | "load" | "isShort"> {
  readonly passedMax?: number;
  readonly seen?: (counts: ProgramCounts) => string | null;
}

function crashScenario(failpoint: Failpoint, where: string, shape: CrashShape = {}): Scenario {
  const { passedMax = PASSED_MAX, seen = redelivered, ...others } = shape;
  return {
    ...others,
    name: `crash-${failpoint}`,
    title: `the program ends itself again and again where ${where}`,
    faults: (run) => crashAgain(run, failpoint, passedMax),
    seen: (_, counts) => seen(counts),
  };
}

/** Crashes one instance after another: in turns with another beside it, and alone. */
async function crashAgain(
  run: ScenarioRun,
  failpoint: Failpoint,
  passedMax: number,
): Promise<void> {
  const { bed, random } = run;
  for (let round = 0; round < run.rounds(ROUNDS); round++) {
    const isAlone = round % 2 === 1;
    if (isAlone) { for (const instance of bed.running) await bed.stopInstance(instance); }
    await bed.crashInstance({ failpoint, occurrence: random.integer(1, passedMax) });
    if (isAlone) await bed.runInstance();
  }
}

/** Messages that were parked come again: they are known, and written once when the table is back. */
async function crashWhileParking(run: ScenarioRun): Promise<void> {
  const { bed, random } = run;
  await untilWritten(run, "processor-0");
  for (let round = 0; round < run.rounds(3); round++) {
    for (const instance of bed.running) await bed.stopInstance(instance);
    await bed.sql.begin(async (sql) => {
      await sql`lock table "processor-0" in access exclusive mode`;
      await bed.crashInstance({ failpoint: "after-rejects", occurrence: random.integer(1, 2) });
    });
    await bed.runInstance();
    await untilGrown(run, "processor-0");
  }
}

function redelivered(counts: ProgramCounts): string | null {
  return counts.redelivered > 0 ? null : "nothing was redelivered";
}

function ledgerDropped(counts: ProgramCounts): string | null {
  return counts.ledgerDrops > 0 ? null : "the ledger dropped nothing";
}
