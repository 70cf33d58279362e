/**
 * Reads how many tests passed and failed out of what `deno test` printed. Never counts less failure
 * than there was: a run without a summary, or one whose exit code says more than its summary, has
 * failed once.
 */
import { stripVTControlCharacters } from "node:util";

/** How the tests of one run ended. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Reads the summary line, for example `ok | 8 passed (2 steps) | 0 failed | 1 ignored (3s)`. */
export function readTestCounts(output: string, exitCode: number): TestCounts {
  const summary =
    [...stripVTControlCharacters(output).matchAll(/^(?:ok|FAILED) \| .*$/gm)].at(-1)?.[0] ?? "";
  const count = (word: string): number =>
    Number(new RegExp(`\\| (\\d+) ${word}\\b`).exec(summary)?.[1] ?? 0);
  const failed = count("failed");
  return {
    passed: count("passed"),
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: count("ignored"),
  };
}
