/** The test runner's counting: it may never hide a failure. */
import assert from "node:assert/strict";
import { readTestCounts } from "../../dev/test_counts.ts";

Deno.test("readTestCounts() reads passed, failed and ignored when all are there", () => {
  const output = "a ... ok (1ms)\n\nFAILED | 12 passed (3 steps) | 2 failed | 1 ignored (3s)\n\n";
  assert.deepEqual(readTestCounts(output, 1), { passed: 12, failed: 2, skipped: 1 });
});

Deno.test("readTestCounts() reads through the colours of a terminal", () => {
  const output =
    "\u001b[0m\u001b[32mok\u001b[0m | 8 passed | 0 failed \u001b[38;5;245m(3s)\u001b[0m\n";
  assert.deepEqual(readTestCounts(output, 0), { passed: 8, failed: 0, skipped: 0 });
});

Deno.test("readTestCounts() counts one failure when there is no summary", () => {
  assert.deepEqual(readTestCounts("", 1), { passed: 0, failed: 1, skipped: 0 });
});

Deno.test("readTestCounts() counts one failure when only the exit code tells of it", () => {
  const output = "ok | 3 passed | 0 failed (1s)\n";
  assert.deepEqual(readTestCounts(output, 1), { passed: 3, failed: 1, skipped: 0 });
});
