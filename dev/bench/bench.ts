/**
 * `deno task bench`: measures the whole program against its yardsticks on servers of its own. The
 * variants of a workload run in turn, round by round; medians and what they reach are printed, and
 * written with machine and versions as JSON to `dev/bench/results/`. A run that loses, doubles or
 * changes a row ends the bench with an error.
 */
import { join } from "node:path";
import { BENCH_USAGE, type BenchArguments, parseBenchArguments } from "./bench_arguments.ts";
import { type BenchMachine, describeMachine, limitCores } from "./bench_machine.ts";
import { type BenchStage, openBenchStage } from "./bench_stage.ts";
import { OTHERS_FIGURE } from "./run_figures.ts";
import { printProfiles } from "./cpu_profile.ts";
import {
  describeReach,
  formatTable,
  judge,
  mediansOf,
  type ReachResult,
  type VariantRounds,
} from "./summary.ts";
import type { Figures, Workload } from "./workload.ts";
import { GROWTH } from "./workloads/growth.ts";
import { W4 } from "./workloads/latency.ts";
import { BACKLOG, W2, W3 } from "./workloads/messages.ts";
import { W1, W5_TEXT, W5_WIDE, W7 } from "./workloads/rows.ts";
import { W6 } from "./workloads/statement_shapes.ts";
import { IDLE, START } from "./workloads/standing.ts";

const WORKLOADS: readonly Workload[] = [
  W1,
  W2,
  W3,
  W4,
  W5_WIDE,
  W5_TEXT,
  W6,
  W7,
  BACKLOG,
  IDLE,
  START,
  GROWTH,
];

const RESULTS_FOLDER = join(import.meta.dirname ?? ".", "results");

/** More of the CPU than this, taken by other programs, makes rates worthless. */
const OTHERS_PERCENT_MAX = 10;

/** What one workload gave. */
interface WorkloadResult {
  readonly id: string;
  readonly title: string;
  readonly variants: readonly VariantRounds[];
  readonly reaches: readonly ReachResult[];
}

if (import.meta.main) {
  const args = readArguments();
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interrupted.abort(new Error("Interrupted")));
  }
  try {
    await bench(args, interrupted.signal);
    Deno.exit(0);
  } catch (error) {
    if (interrupted.signal.aborted) Deno.exit(130);
    say(error instanceof Error ? error.stack ?? error.message : String(error));
    Deno.exit(1);
  }
}

function readArguments(): BenchArguments {
  try {
    return parseBenchArguments(Deno.args, WORKLOADS.map(({ id }) => id));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    say(`${error.message}\n${BENCH_USAGE}`);
    Deno.exit(2);
  }
}

async function bench(args: BenchArguments, signal: AbortSignal): Promise<void> {
  const cores = await limitCores();
  await using resources = new AsyncDisposableStack();
  const interruption = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  const profileFolder = args.isProfiled
    ? await Deno.makeTempDir({ prefix: "state-tables-profiles-" })
    : null;
  const stage = await openBenchStage(resources);
  const machine = await describeMachine(stage, cores);
  sayMachine(machine);
  const results: WorkloadResult[] = [];
  for (const workload of WORKLOADS.filter(({ id }) => args.workloads.includes(id))) {
    const running = runWorkload(workload, { stage, args, profileFolder });
    results.push(await Promise.race([running, interruption]));
  }
  await writeResults(args, machine, results);
  if (profileFolder !== null) {
    say("\nWhere the program's CPU goes, by part:");
    await printProfiles(profileFolder, say);
  }
}

async function runWorkload(
  workload: Workload,
  { stage, args, profileFolder }: {
    stage: BenchStage;
    args: BenchArguments;
    profileFolder: string | null;
  },
): Promise<WorkloadResult> {
  say(`\n${workload.id}: ${workload.title}${args.isQuick ? " (quick: a fraction of it)" : ""}`);
  const variants = await workload.prepare(stage, { isQuick: args.isQuick, profileFolder });
  const rounds = variants.map(() => [] as Figures[]);
  for (let round = 0; round < args.rounds; round++) {
    for (const [index, variant] of variants.entries()) rounds[index]?.push(await variant.measure());
  }
  const measured = variants.map(({ name }, i): VariantRounds => ({
    name,
    rounds: rounds[i] ?? [],
  }));
  const reaches = workload.reaches.map((reach) => judge(reach, measured));
  say(formatTable(measured));
  for (const reach of reaches) say(`  ${describeReach(reach)}`);
  if (highestOthersPercent(measured) > OTHERS_PERCENT_MAX) {
    say("  disturbed: other programs took much of the CPU; only CPU per row can be trusted");
  }
  return { id: workload.id, title: workload.title, variants: measured, reaches };
}

/** Results count when everything ran in full and hardly anything else ran on the machine. */
function isComparable(args: BenchArguments, workloads: readonly WorkloadResult[]): boolean {
  return !args.isQuick && !args.isProfiled && workloads.length === WORKLOADS.length &&
    workloads.every(({ variants }) => highestOthersPercent(variants) <= OTHERS_PERCENT_MAX);
}

function highestOthersPercent(variants: readonly VariantRounds[]): number {
  return Math.max(0, ...variants.map((variant) => mediansOf(variant)[OTHERS_FIGURE] ?? 0));
}

/** The newest comparable results replace `latest.json`. */
async function writeResults(
  args: BenchArguments,
  machine: BenchMachine,
  workloads: readonly WorkloadResult[],
): Promise<void> {
  const at = new Date().toISOString();
  const text = JSON.stringify({ at, ...args, machine, results: workloads }, null, 2) + "\n";
  const file = join(RESULTS_FOLDER, `${at.replaceAll(/[:.]/g, "-")}.json`);
  await Deno.writeTextFile(file, text);
  if (isComparable(args, workloads)) {
    await Deno.writeTextFile(join(RESULTS_FOLDER, "latest.json"), text);
  }
  say(`\nResults: ${file}`);
}

function sayMachine(machine: BenchMachine): void {
  say(`${machine.cpu}, ${machine.cores} cores, load ${machine.loadBefore.toFixed(1)}`);
  say(
    `state-tables ${machine.program}, Deno ${machine.deno}, nats-server ${machine.natsServer}, ` +
      `PostgreSQL ${machine.postgres}`,
  );
  if (machine.psql === null) say("psql is not installed: COPY goes through the program's client");
}

function say(text: string): void {
  // deno-lint-ignore no-console -- this is the terminal of whoever started the bench
  console.log(text);
}
