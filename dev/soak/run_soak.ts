/**
 * Runs a soak from beginning to end: bed with two instances, load, probe, samples, faults, settlement,
 * oracle. Every wait but the soak's own length is bounded; an interruption ends it at once.
 */
import { Bed, type BedOptions, PASSWORD_CANARY, SUBJECT } from "../faults/bed.ts";
import { CELL_CANARY, Publisher } from "../faults/load.ts";
import { type Comparison, sumOf } from "../faults/oracle.ts";
import { Random } from "../faults/random.ts";
import { until } from "../faults/scenario.ts";
import { comparisonFaults, readLogs, sessionFaults } from "../faults/verdict.ts";
import { findCommit } from "../bench/bench_machine.ts";
import { LatencyProbe } from "./latency_probe.ts";
import type { SoakArguments } from "./soak_arguments.ts";
import { faultsWithoutEnd, type SoakGround } from "./soak_faults.ts";
import type { SoakFigures } from "./soak_figures.ts";
import { trendsOf } from "./soak_growth.ts";
import { SoakLoad } from "./soak_load.ts";
import { compareSoak } from "./soak_oracle.ts";
import { type SoakSample, takeSample } from "./soak_sample.ts";

const BED: BedOptions = {
  processors: 20,
  properties: { batchSize: 100, batchWindowTTL: 1 },
  route: { ack_wait: 3 },
  // The ledger is pruned early, so that it can be seen to stop growing.
  settings: { LOG_LEVEL: "INFO", LEDGER_FLOOR_MINUTES: "2" },
  postgresSettings: {},
  isPlainRole: false,
  entry: "main.ts",
  natsVersion: null,
};

const SAMPLE_EVERY_MS = 5_000;
const FAULT_PAUSE_MS = [5_000, 20_000] as const;
/** The last fault is over before the load ends by so much, if it can. */
const CALM_MS = 10_000;
const SETTLE_MAX_MS = 180_000;
/** A fresh row has to land within this after the faults, in milliseconds. */
const PROBE_MAX_MS = 5_000;

interface SoakContext {
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** What happened while the load ran. */
interface SoakCourse {
  readonly samples: SoakSample[];
  readonly faultNames: string[];
  readonly faultSeconds: number[];
}

/** Runs it; rejects with the signal's reason when interrupted. */
export async function runSoak(
  args: SoakArguments,
  { say, signal }: SoakContext,
): Promise<SoakFigures> {
  const random = new Random(args.seed);
  say(`Soak: ${args.minutes} minutes at ${args.rate} messages/s, seed ${args.seed}`);
  await using bed = await Bed.open(BED, random);
  const probe = await LatencyProbe.open(bed, args.seed);
  for (let instances = 0; instances < 2; instances++) await bed.runInstance();
  const load = new SoakLoad(new Publisher(bed.stream, SUBJECT), {
    seed: args.seed,
    targets: bed.targets,
    perSecond: args.rate,
  });
  const course = await harmUnderLoad(bed, { args, load, probe, random, say, signal });
  const problems: string[] = [];
  const probeMs = await probe.measure(AbortSignal.any([signal, AbortSignal.timeout(60_000)]));
  if (probeMs > PROBE_MAX_MS) problems.push(`A row landed after ${Math.round(probeMs)} ms`);
  await until(() => isSettled(bed), "everything to be settled", SETTLE_MAX_MS);
  say(`${load.confirmed} messages published; comparing the tables ...`);
  const { seed } = args;
  const part = { seed, targets: bed.targets, messages: load.confirmed };
  const comparison = sumOf([await compareSoak(bed, part), await probe.compare()]);
  problems.push(...comparisonFaults(comparison), ...await sessionFaults(bed));
  problems.push(...await endInstances(bed));
  return await figuresOf(args, { course, comparison, problems });
}

/** Load, probe, samples and faults side by side until the time is over. */
async function harmUnderLoad(
  bed: Bed,
  { args, load, probe, random, say, signal }: SoakContext & {
    readonly args: SoakArguments;
    readonly load: SoakLoad;
    readonly probe: LatencyProbe;
    readonly random: Random;
  },
): Promise<SoakCourse> {
  const course: SoakCourse = { samples: [], faultNames: [], faultSeconds: [] };
  const over = new AbortController();
  const stopped = AbortSignal.any([signal, over.signal]);
  const startMs = performance.now();
  const endMs = startMs + args.minutes * 60_000;
  const secondsNow = (): number => (performance.now() - startMs) / 1_000;
  const running = Promise.all([load.run(stopped), probe.run(stopped), sampling()]);

  async function sampling(): Promise<void> {
    while (true) {
      await pause(SAMPLE_EVERY_MS, stopped).catch(() => undefined); // the end of the soak
      if (stopped.aborted) return;
      course.samples.push(await takeSample(bed, { load, probe, seconds: secondsNow() }));
    }
  }

  async function harming(): Promise<void> {
    const ground: SoakGround = { bed, random, pause: (ms) => pause(ms, stopped) };
    for (const fault of faultsWithoutEnd(random)) {
      const restMs = random.integer(...FAULT_PAUSE_MS);
      if (performance.now() + restMs > endMs - CALM_MS) break;
      await pause(restMs, stopped);
      say(`${secondsNow().toFixed(0).padStart(6)} s  ${lastLook(course)}  ${fault.name}`);
      course.faultNames.push(fault.name);
      course.faultSeconds.push(secondsNow());
      await fault.harm(ground);
    }
    await pause(Math.max(0, endMs - performance.now()), stopped);
  }

  try {
    await Promise.race([harming(), running]);
  } finally {
    over.abort();
  }
  await running;
  return course;
}

function lastLook({ samples }: SoakCourse): string {
  const last = samples.at(-1);
  if (last === undefined) return "";
  const { memoryMb, settled, latencyMs } = last;
  return `${memoryMb?.toFixed(0) ?? "–"} MB, ${settled ?? "–"} settled, ` +
    `${latencyMs?.toFixed(1) ?? "–"} ms`;
}

async function isSettled(bed: Bed): Promise<boolean> {
  const info = await bed.consumer();
  return info !== null && info.num_pending === 0 && info.num_ack_pending === 0;
}

/** Ends both instances; says what their ends and their logs show that should not be. */
async function endInstances(bed: Bed): Promise<string[]> {
  const faults: string[] = [];
  const [first] = bed.instances;
  if (first?.end !== "running") faults.push("The instance that should run throughout did not");
  for (const instance of bed.running) {
    await bed.stopInstance(instance);
    if (instance.exitCode !== 0) faults.push(`An instance ended with ${instance.exitCode}`);
  }
  for (const lines of await readLogs(bed)) {
    for (const { message, fields, raw, level } of lines) {
      if (message === "Unexpected error") faults.push(`A bug: ${String(fields.error)}`);
      else if (level === "raw") faults.push(`Not a log line: ${raw.slice(0, 200)}`);
      const isSecret = raw.includes(CELL_CANARY) || raw.includes(PASSWORD_CANARY);
      if (isSecret) faults.push(`A log line shows what none may: ${message}`);
    }
  }
  return faults;
}

async function figuresOf(
  { minutes, seed, rate }: SoakArguments,
  { course, comparison, problems }: {
    readonly course: SoakCourse;
    readonly comparison: Comparison;
    readonly problems: readonly string[];
  },
): Promise<SoakFigures> {
  const trends = trendsOf(course.samples);
  const grown = trends.filter(({ isFlat }) => !isFlat).map(({ name }) => `Not flat: ${name}`);
  const counts = Map.groupBy(course.faultNames, (name) => name);
  const { published, lost, duplicated, changed } = comparison;
  return {
    at: new Date().toISOString(),
    commit: await findCommit(),
    minutes,
    seed,
    rate,
    rows: {
      published,
      lost: lost.length,
      duplicated: duplicated.length,
      changed: changed.length,
    },
    longestLatencyMs: Math.max(0, ...course.samples.map(({ latencyMaxMs }) => latencyMaxMs ?? 0)),
    faultCounts: Object.fromEntries([...counts].map(([name, some]) => [name, some.length])),
    faultSeconds: course.faultSeconds,
    trends,
    samples: course.samples,
    faults: [...problems, ...grown],
  };
}

/** Resolves after so many milliseconds; rejects with the signal's reason. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = (): void => reject(signal.reason);
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}
