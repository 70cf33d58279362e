/** docs/performance.md shows what the latest results of the bench say. */
import assert from "node:assert/strict";
import { LATEST_FILE, readResults } from "../../../dev/bench/bench_results.ts";
import { withResults } from "../../../dev/bench/performance_doc.ts";
import { performancePicture } from "../../../dev/bench/performance_picture.ts";
import { PERFORMANCE_DOCUMENT, PERFORMANCE_PICTURE } from "../../../dev/bench/report.ts";

const HINT = "run `deno task bench --report`";

Deno.test("docs/performance.md shows the latest results as they are", async () => {
  const results = await readResults(LATEST_FILE);
  assert.ok(results !== null);
  const text = await Deno.readTextFile(PERFORMANCE_DOCUMENT);
  assert.equal(text, withResults(text, results), HINT);
});

Deno.test("docs/performance.svg is the picture of the latest results", async () => {
  const results = await readResults(LATEST_FILE);
  assert.ok(results !== null);
  assert.equal(await Deno.readTextFile(PERFORMANCE_PICTURE), performancePicture(results), HINT);
});
