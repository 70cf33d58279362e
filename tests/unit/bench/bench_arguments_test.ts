import assert from "node:assert/strict";
import { parseBenchArguments } from "../../../dev/bench/bench_arguments.ts";

const KNOWN = ["W1", "W2", "idle"];

Deno.test("parseBenchArguments() runs everything when nothing is named", () => {
  assert.deepEqual(parseBenchArguments([], KNOWN), {
    workloads: KNOWN,
    rounds: 4,
    isQuick: false,
    isProfiled: false,
  });
});

Deno.test("parseBenchArguments() takes workloads in any case, each once", () => {
  assert.deepEqual(parseBenchArguments(["w2", "IDLE", "W2"], KNOWN).workloads, ["W2", "idle"]);
});

Deno.test("parseBenchArguments() takes one round when quick, and as many as are named", () => {
  assert.equal(parseBenchArguments(["--quick"], KNOWN).rounds, 1);
  assert.equal(parseBenchArguments(["--quick", "--rounds", "3"], KNOWN).rounds, 3);
});

Deno.test("parseBenchArguments() rejects what it does not know", () => {
  assert.throws(() => parseBenchArguments(["W9"], KNOWN), /Unknown argument W9/);
  assert.throws(() => parseBenchArguments(["--rounds"], KNOWN), /--rounds needs/);
});
