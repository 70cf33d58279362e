/**
 * `deno task bench`: measures the whole program against its yardsticks on servers of its own. The
 * variants of a workload run in turn, round by round; medians and what they reach are printed, and
 * written with machine and versions as JSON to `dev/bench/results/`; what is comparable goes on into
 * docs/performance.md. A run that loses, doubles or changes a row ends the bench with an error.
 */
import {
  BENCH_USAGE,
  type BenchArguments,
  parseBenchArguments,
  type ReportArguments,
} from "./bench_arguments.ts";
import { type BenchMachine, describeMachine, limitCores } from "./bench_machine.ts";
import { type BenchStage, openBenchStage } from "./bench_stage.ts";
import {
  type BenchResults,
  highestOthersPercent,
  isComparable,
  OTHERS_PERCENT_MAX,
  updateLatest,
  type WorkloadResult,
  writeRun,
} from "./bench_results.ts";
import { report } from "./report.ts";
import { printProfiles, profileFiles, readProfile } from "./cpu_profile.ts";
import { partShares } from "./profile_parts.ts";
import { describeReach, formatTable, judge, type VariantRounds } from "./summary.ts";
import type { Figures, Variant, Workload } from "./workload.ts";
import { WORKLOADS } from "./workload_list.ts";

if (import.meta.main) {
  const args = readArguments();
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interrupted.abort(new Error("Interrupted")));
  }
  try {
    if (args.kind === "report") await report(args.files);
    else await bench(args, interrupted.signal);
    Deno.exit(0);
  } catch (error) {
    if (interrupted.signal.aborted) Deno.exit(130);
    say(error instanceof Error ? error.stack ?? error.message : String(error));
    Deno.exit(1);
  }
}

function readArguments(): BenchArguments | ReportArguments {
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
    const running = runWorkload(workload, { stage, args, profileFolder, commit: machine.commit });
    results.push(await Promise.race([running, interruption]));
  }
  await keepResults({ machine, results });
  if (profileFolder !== null) {
    say("\nWhere the program's CPU goes, by part:");
    await printProfiles(profileFolder, say);
  }
}

async function runWorkload(
  workload: Workload,
  { stage, args, profileFolder, commit }: {
    stage: BenchStage;
    args: BenchArguments;
    profileFolder: string | null;
    commit: string;
  },
): Promise<WorkloadResult> {
  say(`\n${workload.id}: ${workload.title}${args.isQuick ? " (quick: a fraction of it)" : ""}`);
  const startMs = performance.now();
  const variants = await workload.prepare(stage, { isQuick: args.isQuick, profileFolder });
  const preparedMs = performance.now();
  const roundCount = roundsOf(workload, args);
  const measured = await measureInTurn(variants, roundCount, profileFolder);
  const roundMs = (performance.now() - preparedMs) / roundCount;
  await stage.dropDatabases();
  const reaches = workload.reaches.map((reach) => judge(reach, measured));
  say(formatTable(measured));
  for (const reach of reaches) say(`  ${describeReach(reach)}`);
  if (highestOthersPercent({ variants: measured }) > OTHERS_PERCENT_MAX) {
    say("  disturbed: other programs took much of the CPU; only CPU per row can be trusted");
  }
  say(`  prepared in ${seconds(preparedMs - startMs)} s, ${seconds(roundMs)} s a round`);
  return {
    id: workload.id,
    title: workload.title,
    at: new Date().toISOString(),
    commit,
    isQuick: args.isQuick,
    isProfiled: args.isProfiled,
    variants: measured,
    reaches,
  };
}

/** A round of all variants, then the next. */
async function measureInTurn(
  variants: readonly Variant[],
  roundCount: number,
  profileFolder: string | null,
): Promise<VariantRounds[]> {
  const measured = variants.map(({ name }) => ({
    name,
    rounds: [] as Figures[],
    profiles: [] as string[],
  }));
  for (let round = 0; round < roundCount; round++) {
    for (const [index, variant] of variants.entries()) {
      const known = profileFolder === null ? [] : await profileFiles(profileFolder);
      measured[index]?.rounds.push(await variant.measure());
      const files = profileFolder === null ? [] : await profileFiles(profileFolder);
      measured[index]?.profiles.push(...files.filter((file) => !known.includes(file)));
    }
  }
  return await Promise.all(measured.map(async ({ name, rounds, profiles }) => {
    if (profiles.length === 0) return { name, rounds };
    return { name, rounds, parts: partShares(await Promise.all(profiles.map(readProfile))) };
  }));
}

/** As many as are asked for, but no more than the workload needs. */
function roundsOf({ roundsMax }: Workload, { rounds }: BenchArguments): number {
  return Math.min(rounds, roundsMax ?? rounds);
}

/**
 * Of each workload the newest comparable result is the latest, which the documentation shows, with
 * the parts of the newest profile.
 */
async function keepResults(run: BenchResults): Promise<void> {
  say(`\nResults: ${await writeRun(run)}`);
  const counted = run.results.filter((result) => isComparable(result) || result.isProfiled);
  if (counted.length === 0) return;
  await updateLatest({ ...run, results: counted }, WORKLOADS.map(({ id }) => id));
  await report([]);
  say(`In docs/performance.md now: ${counted.map(({ id }) => id).join(", ")}`);
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(0);
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
