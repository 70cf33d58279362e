/** Writes docs/performance.md's part of results and docs/performance.svg from `results/latest.json`. */
import { join } from "node:path";
import { type BenchResults, LATEST_FILE, readResults, updateLatest } from "./bench_results.ts";
import { withResults } from "./performance_doc.ts";
import { performancePicture } from "./performance_picture.ts";
import { WORKLOADS } from "./workload_list.ts";

const DOCS = join(import.meta.dirname ?? ".", "..", "..", "docs");

/** The document. */
export const PERFORMANCE_DOCUMENT = join(DOCS, "performance.md");
/** The picture that it shows. */
export const PERFORMANCE_PICTURE = join(DOCS, "performance.svg");

/**
 * Takes the results of these files, oldest first, as the latest of their workloads, comparable or not,
 * and writes document and picture.
 *
 * @throws {TypeError} a file is not there, or nothing was ever measured
 */
export async function report(files: readonly string[]): Promise<void> {
  const order = WORKLOADS.map(({ id }) => id);
  for (const file of files) await updateLatest(await readExisting(file), order);
  const latest = await readExisting(LATEST_FILE);
  const document = await Deno.readTextFile(PERFORMANCE_DOCUMENT);
  await Deno.writeTextFile(PERFORMANCE_DOCUMENT, withResults(document, latest));
  await Deno.writeTextFile(PERFORMANCE_PICTURE, performancePicture(latest));
}

async function readExisting(file: string): Promise<BenchResults> {
  const results = await readResults(file);
  if (results === null) throw new TypeError(`Cannot report as there are no results in ${file}`);
  return results;
}
