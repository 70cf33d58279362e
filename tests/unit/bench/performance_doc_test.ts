import assert from "node:assert/strict";
import type { BenchMachine } from "../../../dev/bench/bench_machine.ts";
import type { BenchResults, WorkloadResult } from "../../../dev/bench/bench_results.ts";
import { withResults } from "../../../dev/bench/performance_doc.ts";

const EMPTY = "before\n<!-- results: written by `deno task bench --report` -->\nold\n" +
  "<!-- end of results -->\nafter\n";

const RESULT: WorkloadResult = {
  id: "W1",
  title: "rows",
  at: "2026-11-24T20:00:00.000Z",
  commit: "a1b2c3d",
  isQuick: true,
  isProfiled: false,
  variants: [
    { name: "\\copy", rounds: [{ "rows/s": 500_000, "CPU s/M PostgreSQL": 1.8 }] },
    { name: "state-tables", rounds: [{ "rows/s": 400_000, "p50 ms": 0.5, "% others": 7 }] },
  ],
  reaches: [{
    variant: "state-tables",
    figure: "rows/s",
    yardstick: "\\copy",
    bound: "min",
    value: 0.7,
    measured: 0.8,
    isReached: true,
  }],
};

function document(...results: WorkloadResult[]): string {
  const machine = {
    cpu: "some CPU",
    cores: 2,
    psql: "psql (PostgreSQL) 15.18 (x)",
  } as BenchMachine;
  const file: BenchResults = { machine, results };
  return withResults(EMPTY, file);
}

Deno.test("withResults() shows what was wanted, what was measured, and on which run", () => {
  assert.match(
    document(RESULT),
    /W1 *\| `state-tables` ÷ `\\copy`, rows\/s *\| ≥ 0\.70 *\| 0\.80 *\| reached *\| 2026-11-24, a1b2c3d, 1 round, quick, others 7\.00 % \|/,
  );
});

Deno.test("withResults() shows each variant, figures without a column in the last one", () => {
  const text = document(RESULT);
  assert.match(text, /\| W1 *\| `\\copy` *\| 500,000 *\| *\| *\| 1\.80 /);
  assert.match(text, /\| W1 *\| `state-tables` *\| 400,000 .*\| p50 ms 0\.50 *\|/);
});

Deno.test("withResults() names the machine by what matters", () => {
  assert.match(document(), /Measured on some CPU, 2 cores/);
  assert.match(document(), /psql 15\.18\./);
});

Deno.test("withResults() replaces what stands between the markers, and nothing else", () => {
  const text = document(RESULT);
  assert.match(text, /^before\n/);
  assert.match(text, /\nafter\n$/);
  assert.doesNotMatch(text, /old/);
});

Deno.test("withResults() refuses a document without markers", () => {
  const file = { machine: {} as BenchMachine, results: [] };
  assert.throws(() => withResults("text", file), TypeError);
});
