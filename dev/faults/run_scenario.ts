/**
 * Runs one scenario from beginning to end: bed, load, faults, probe, settlement, verdict. Every wait
 * is bounded; what the program did wrong becomes sentences, and a mistake of the harness an error.
 */
import { Bed, type BedOptions, SUBJECT } from "./bed.ts";
import { type LoadShape, plannedMessages, Publisher } from "./load.ts";
import type { Comparison } from "./oracle.ts";
import { ProgressWatch } from "./progress_watch.ts";
import { Random } from "./random.ts";
import type { ProgramCounts, Scenario, ScenarioRun } from "./scenario.ts";
import { complaints, type LogLine } from "./service_log.ts";
import {
  compareTables,
  comparisonFaults,
  countsOf,
  instanceFaults,
  orderFaults,
  readLogs,
  sessionFaults,
  statusFaults,
} from "./verdict.ts";

/** What came of a scenario. */
export interface ScenarioResult {
  readonly scenario: Scenario;
  readonly seed: number;
  readonly comparison: Comparison;
  readonly counts: ProgramCounts;
  readonly longestStallMs: number;
  readonly peakBytes: number;
  readonly probeMs: number | null;
  readonly durationMs: number;
  /** Empty when the program did everything right and the fault was seen. */
  readonly faults: readonly string[];
  /** What each instance logged. */
  readonly logs: readonly LogLine[][];
  /** The last warnings and errors of the logs, for who looks for the cause. */
  readonly evidence: readonly string[];
}

const USUAL_BED: BedOptions = {
  processors: 10,
  properties: { batchSize: 50, batchWindowTTL: 1 },
  route: { ack_wait: 3 },
  settings: {},
  postgresSettings: {},
  isPlainRole: false,
  entry: "main.ts",
  natsVersion: null,
};

const USUAL_LOAD: LoadShape = {
  messagesMin: 1_000,
  perSecond: 400,
  recordsMax: 4,
  poisonShare: 0,
  lateKeys: 3,
};

/** A fresh row has to land within this after the faults, in milliseconds (issue of the suite). */
const PROBE_MAX_MS = 5_000;
/** Probes that are late are waited for a while longer, to tell late from never. */
const PROBE_GIVE_UP_MS = 45_000;
const SETTLE_MAX_MS = 60_000;
/** Faults of one scenario at most. */
const FAULTS_MAX_MS = 300_000;
const PROBE_FIRST_ID = 1_000_000_000;
const EVIDENCE_LINES = 30;

/** How a scenario is run. */
export interface ScenarioOptions {
  readonly seed: number;
  /** Below 1 for fewer rounds of faults. */
  readonly scale: number;
  /** Version of nats-server unless the scenario names one; null or absent for a recent one. */
  readonly natsVersion?: string | null;
  /** Ends everything that was started and rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** Runs the scenario. */
export async function runScenario(
  scenario: Scenario,
  options: ScenarioOptions,
): Promise<ScenarioResult> {
  const random = new Random(options.seed);
  await using atEnd = new AsyncDisposableStack();
  await using bed = await Bed.open({
    ...USUAL_BED,
    natsVersion: options.natsVersion ?? null,
    ...scenario.bed,
  }, random);
  const work = runOnBed(scenario, { ...options, bed, random, atEnd });
  const { signal } = options;
  if (signal === undefined) return await work;
  const aborted = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => aborted.reject(signal.reason), { once: true });
  if (signal.aborted) aborted.reject(signal.reason);
  // What is under way fails when its servers end; nobody waits for it any more.
  return await Promise.race([work, aborted.promise]);
}

async function runOnBed(
  scenario: Scenario,
  { seed, scale, bed, random, atEnd }: ScenarioOptions & {
    readonly bed: Bed;
    readonly random: Random;
    readonly atEnd: AsyncDisposableStack;
  },
): Promise<ScenarioResult> {
  const startedMs = performance.now();
  const publisher = new Publisher(bed.stream, SUBJECT);
  const run: ScenarioRun = {
    bed,
    random,
    publisher,
    scale,
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    onEnd: (work) => atEnd.defer(work),
    hasLogged: async (text) => {
      const logs = await Promise.all(bed.running.map(({ process }) => process.log()));
      return logs.some((log) => log.includes(text));
    },
    rounds: (usual) => Math.max(1, Math.round(usual * scale)),
  };
  await scenario.prepare?.(run);
  await startInstances(bed, scenario);
  await using watch = new ProgressWatch(bed, publisher);
  const problems: string[] = [];
  const probeMs = await harmUnderLoad(run, scenario, { seed, problems });
  if (!await settle(bed)) problems.push(await unsettled(bed));
  watch.stop();
  const { published } = publisher;
  const comparison = await compareTables(bed, published, scenario);
  problems.push(...comparisonFaults(comparison), ...await sessionFaults(bed));
  problems.push(...watch.lies);
  if (scenario.isOrdered === true) problems.push(...await orderFaults(bed));
  for (const instance of bed.running) await bed.stopInstance(instance);
  problems.push(...await statusFaults(bed, published, scenario.refusedRoutes ?? []));
  const logs = await readLogs(bed);
  const counts = countsOf(logs);
  problems.push(...instanceFaults(bed, logs, scenario));
  const unseen = scenario.seen?.(run, counts) ?? null;
  const unseenFaults = unseen === null ? [] : [`The fault was not seen: ${unseen}`];
  return {
    scenario,
    seed,
    comparison,
    counts,
    longestStallMs: watch.longestStallMs,
    peakBytes: Math.max(0, ...bed.instances.map(({ peakBytes }) => peakBytes)),
    probeMs,
    durationMs: performance.now() - startedMs,
    faults: [
      ...scenario.isControl === true ? controlFaults(comparison) : problems,
      ...unseenFaults,
    ],
    logs,
    evidence: evidenceOf(logs),
  };
}

/** What the control has to show, and nothing else is asked of it. */
function controlFaults({ duplicated, lost }: Comparison): string[] {
  const faults: string[] = [];
  if (duplicated.length === 0) faults.push("No row is there twice: the suite proves nothing");
  if (lost.length > 0) faults.push(`${lost.length} rows lost: ids ${lost.slice(0, 5).join(", ")}`);
  return faults;
}

async function startInstances(bed: Bed, scenario: Scenario): Promise<void> {
  for (let count = 0; count < (scenario.instances ?? 1); count++) {
    if (scenario.awaitsReady === false) await bed.startInstance();
    else await bed.runInstance();
  }
}

/** Publishes while the faults are done, then a probe; returns how long the probe took to land. */
async function harmUnderLoad(
  run: ScenarioRun,
  scenario: Scenario,
  { seed, problems }: { readonly seed: number; readonly problems: string[] },
): Promise<number | null> {
  const { bed, publisher } = run;
  const shape = { ...USUAL_LOAD, ...scenario.load };
  const over = new AbortController();
  const loading = publisher.publish(plannedMessages(seed, bed.targets, shape), {
    ...shape,
    signal: over.signal,
  });
  // It is awaited below; where the harness fails before, the bed closes its connection.
  loading.catch(() => undefined);
  try {
    const wrong = await bounded(scenario.faults(run), FAULTS_MAX_MS, "The faults took too long");
    if (typeof wrong === "string") problems.push(wrong);
  } finally {
    over.abort();
  }
  const probeMs = await probe(run, seed);
  if (probeMs === null) problems.push(`A probe did not land within ${PROBE_GIVE_UP_MS} ms`);
  else if (probeMs > (scenario.probeMaxMs ?? PROBE_MAX_MS)) {
    problems.push(`A probe landed after ${Math.round(probeMs)} ms`);
  }
  await loading;
  return probeMs;
}

/** Publishes one fresh message to each of a few tables; null when one does not land at all. */
async function probe({ bed, publisher }: ScenarioRun, seed: number): Promise<number | null> {
  const targets = bed.targets.slice(0, 3);
  const shape = { ...USUAL_LOAD, recordsMax: 1, lateKeys: 0, messagesMin: targets.length };
  const messages = targets.flatMap((target, index) => {
    const [first] = plannedMessages(seed + 1, [target], shape, PROBE_FIRST_ID + index);
    return first === undefined ? [] : [first];
  });
  const startedMs = performance.now();
  await publisher.publish(messages, { ...shape, signal: AbortSignal.abort() });
  for (const { target, rows } of messages) {
    const id = Number(rows[0]?.id);
    while (!await hasRow(bed, target.table, id)) {
      if (performance.now() - startedMs > PROBE_GIVE_UP_MS) return null;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  return performance.now() - startedMs;
}

async function hasRow({ sql }: Bed, table: string, id: number): Promise<boolean> {
  try {
    const [found] = await sql`select exists(select from ${sql(table)} where id = ${id}) as yes`;
    return found?.yes === true;
  } catch {
    return false; // no such table yet, or the server is just coming back
  }
}

/** Waits until everything published is delivered and settled; false when that takes too long. */
async function settle(bed: Bed): Promise<boolean> {
  const deadlineMs = performance.now() + SETTLE_MAX_MS;
  while (performance.now() < deadlineMs) {
    const info = await bed.consumer();
    const isSettled = info !== null && info.num_pending === 0 && info.num_ack_pending === 0;
    if (isSettled) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

async function unsettled(bed: Bed): Promise<string> {
  const info = await bed.consumer();
  return info === null
    ? "The consumer cannot be asked"
    : `Not settled within ${SETTLE_MAX_MS} ms: ${info.num_pending} pending, ` +
      `${info.num_ack_pending} unacked`;
}

async function bounded<T>(work: Promise<T>, limitMs: number, sentence: string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(sentence)), limitMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The last complaints of each instance: enough to begin with. */
function evidenceOf(logs: readonly LogLine[][]): string[] {
  return logs.flatMap((lines, index) =>
    complaints(lines).slice(-EVIDENCE_LINES).map(({ raw }) => `#${index} ${raw.slice(0, 600)}`)
  );
}
