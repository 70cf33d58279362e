import assert from "node:assert/strict";
import type { BenchMachine } from "../../../dev/bench/bench_machine.ts";
import {
  type BenchResults,
  isComparable,
  mergeResults,
  type WorkloadResult,
} from "../../../dev/bench/bench_results.ts";

const MACHINE = { cpu: "some CPU", cores: 2 } as BenchMachine;
const ORDER = ["W1", "W2"];

function result(id: string, changes: Partial<WorkloadResult> = {}): WorkloadResult {
  return {
    id,
    title: id,
    at: "2026-11-24T20:00:00.000Z",
    commit: "a1b2c3d",
    isQuick: false,
    isProfiled: false,
    variants: [{ name: "ours", rounds: [{ "rows/s": 1 }] }],
    reaches: [],
    ...changes,
  };
}

function file(...results: WorkloadResult[]): BenchResults {
  return { machine: MACHINE, results };
}

Deno.test("isComparable() is false for a quick, a profiled and a disturbed run", () => {
  const disturbed = [{ name: "ours", rounds: [{ "% others": 11 }] }];
  assert.equal(isComparable(result("W1")), true);
  assert.equal(isComparable(result("W1", { isQuick: true })), false);
  assert.equal(isComparable(result("W1", { isProfiled: true })), false);
  assert.equal(isComparable(result("W1", { variants: disturbed })), false);
});

Deno.test("mergeResults() replaces the workloads of the run and keeps the others, in order", () => {
  const newer = result("W1", { commit: "newer" });
  const merged = mergeResults(file(result("W2"), result("W1")), file(newer), ORDER);
  assert.deepEqual(merged.results, [newer, result("W2")]);
});

Deno.test("mergeResults() drops workloads that are no longer there", () => {
  assert.deepEqual(mergeResults(file(result("W9")), file(), ORDER).results, []);
});

Deno.test("mergeResults() takes the parts of a profiled run and not its figures", () => {
  const parts = { encoding: 0.5, other: 0.5 };
  const profiled = result("W1", {
    isProfiled: true,
    variants: [{ name: "ours", rounds: [{ "rows/s": 0.5 }], parts }],
  });
  const merged = mergeResults(file(result("W1")), file(profiled), ORDER);
  const variants = [{ name: "ours", rounds: [{ "rows/s": 1 }], parts }];
  assert.deepEqual(merged.results, [result("W1", { variants })]);
});

Deno.test("mergeResults() takes the parts of a profiled run in the place of older ones", () => {
  const older = result("W1", {
    variants: [{ name: "ours", rounds: [{ "rows/s": 1 }], parts: { other: 1 } }],
  });
  const profiled = result("W1", {
    isProfiled: true,
    variants: [{ name: "ours", rounds: [], parts: { encoding: 1 } }],
  });
  const merged = mergeResults(file(older), file(profiled), ORDER);
  assert.deepEqual(merged.results[0]?.variants[0]?.parts, { encoding: 1 });
});

Deno.test("mergeResults() keeps the parts when the workload is measured again", () => {
  const parts = { other: 1 };
  const older = result("W1", { variants: [{ name: "ours", rounds: [], parts }] });
  const merged = mergeResults(file(older), file(result("W1")), ORDER);
  assert.deepEqual(merged.results[0]?.variants[0]?.parts, parts);
});
