/**
 * What runs of the bench leave: the shape of a results file, and `results/latest.json`, which holds the
 * newest result of each workload that counts. Merging is pure; reading and writing are not.
 */
import { join } from "node:path";
import type { BenchMachine } from "./bench_machine.ts";
import { OTHERS_FIGURE } from "./run_figures.ts";
import { mediansOf, type ReachResult, type VariantRounds } from "./summary.ts";

/** What one workload gave. */
export interface WorkloadResult {
  readonly id: string;
  readonly title: string;
  /** When it ended, ISO 8601. */
  readonly at: string;
  readonly commit: string;
  /** A fraction of the usual sizes. */
  readonly isQuick: boolean;
  /** Its rates are those of a program that was watched: only its parts count. */
  readonly isProfiled: boolean;
  readonly variants: readonly VariantRounds[];
  readonly reaches: readonly ReachResult[];
}

/** A results file. */
export interface BenchResults {
  /** Where the newest of the workloads was measured. */
  readonly machine: BenchMachine;
  readonly results: readonly WorkloadResult[];
}

/** More of the CPU than this, taken by other programs, makes rates worthless. */
export const OTHERS_PERCENT_MAX = 10;

const FOLDER = join(import.meta.dirname ?? ".", "results");

/** The results that docs/performance.md shows. */
export const LATEST_FILE = join(FOLDER, "latest.json");

/** What other programs took of the CPU in the most disturbed variant, in percent. */
export function highestOthersPercent({ variants }: Pick<WorkloadResult, "variants">): number {
  return Math.max(0, ...variants.map((variant) => mediansOf(variant)[OTHERS_FIGURE] ?? 0));
}

/** Measured in full, by itself, on a machine that did hardly anything else. */
export function isComparable(result: WorkloadResult): boolean {
  return !result.isQuick && !result.isProfiled &&
    highestOthersPercent(result) <= OTHERS_PERCENT_MAX;
}

/**
 * Puts the results of a run in the place of older ones of the same workloads. Of a profiled workload
 * only the parts are taken, into variants that were measured without a profile. `order`: ids as they
 * are shown; a workload that is no longer there goes.
 */
export function mergeResults(
  older: BenchResults | null,
  run: BenchResults,
  order: readonly string[],
): BenchResults {
  const merged = new Map(older?.results.map((result) => [result.id, result]));
  for (const result of run.results) {
    const known = merged.get(result.id);
    if (result.isProfiled) {
      if (known !== undefined) merged.set(result.id, withParts(known, result));
    } else {
      merged.set(result.id, known === undefined ? result : withParts(result, known));
    }
  }
  const results = order.flatMap((id) => merged.get(id) ?? []);
  return { machine: run.machine, results };
}

/** The result with the parts of another one, as far as that has any. */
function withParts(result: WorkloadResult, from: WorkloadResult): WorkloadResult {
  const variants = result.variants.map((variant) => {
    const parts = from.variants.find(({ name }) => name === variant.name)?.parts ?? variant.parts;
    return parts === undefined ? variant : { ...variant, parts };
  });
  return { ...result, variants };
}

/** Reads a results file; null when there is none. */
export async function readResults(file: string): Promise<BenchResults | null> {
  try {
    return JSON.parse(await Deno.readTextFile(file)) as BenchResults;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Writes a run's results into a file of its own; returns its path. */
export async function writeRun(run: BenchResults): Promise<string> {
  const at = new Date().toISOString().replaceAll(/[:.]/g, "-");
  const file = join(FOLDER, `${at}.json`);
  await writeResults(file, run);
  return file;
}

/** Makes a run's results the latest of their workloads; `order` as for {@linkcode mergeResults}. */
export async function updateLatest(
  run: BenchResults,
  order: readonly string[],
): Promise<void> {
  await writeResults(LATEST_FILE, mergeResults(await readResults(LATEST_FILE), run, order));
}

async function writeResults(file: string, results: BenchResults): Promise<void> {
  await Deno.writeTextFile(file, JSON.stringify(results, null, 2) + "\n");
}
