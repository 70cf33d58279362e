import assert from "node:assert/strict";
import { type BenchArguments, parseBenchArguments } from "../../../dev/bench/bench_arguments.ts";

const KNOWN = ["W1", "W2", "W5wide", "W5text", "idle"];

function run(args: readonly string[]): BenchArguments {
  const parsed = parseBenchArguments(args, KNOWN);
  assert.equal(parsed.kind, "run");
  return parsed as BenchArguments;
}

Deno.test("parseBenchArguments() runs everything when nothing is named", () => {
  assert.deepEqual(parseBenchArguments([], KNOWN), {
    kind: "run",
    workloads: KNOWN,
    rounds: 3,
    isQuick: false,
    isProfiled: false,
  });
});

Deno.test("parseBenchArguments() takes workloads in any case, each once", () => {
  assert.deepEqual(run(["w2", "IDLE", "W2"]).workloads, ["W2", "idle"]);
});

Deno.test("parseBenchArguments() takes one round when quick, and as many as are named", () => {
  assert.equal(run(["--quick"]).rounds, 1);
  assert.equal(run(["--quick", "--rounds", "2"]).rounds, 2);
});

Deno.test("parseBenchArguments() rejects what it does not know", () => {
  assert.throws(() => parseBenchArguments(["W9"], KNOWN), /Unknown argument W9/);
  assert.throws(() => parseBenchArguments(["--rounds"], KNOWN), /--rounds needs/);
});

Deno.test("parseBenchArguments() takes the beginning of ids for all that have it", () => {
  assert.deepEqual(run(["W5"]).workloads, ["W5wide", "W5text"]);
});

Deno.test("parseBenchArguments() takes files of results to report", () => {
  const args = ["--report", "a.json", "b.json"];
  assert.deepEqual(parseBenchArguments(args, KNOWN), { kind: "report", files: args.slice(1) });
});
