import assert from "node:assert/strict";
import { readSoakArguments } from "../../../dev/soak/soak_arguments.ts";

Deno.test("readSoakArguments() runs for half an hour when nothing is said", () => {
  assert.deepEqual(readSoakArguments([]), {
    kind: "run",
    minutes: 30,
    seed: 1,
    rate: 2_000,
    isKept: false,
  });
});

Deno.test("readSoakArguments() takes values behind a blank and behind an equals sign", () => {
  assert.deepEqual(readSoakArguments(["--minutes", "2", "--seed=7", "--rate=500", "--keep"]), {
    kind: "run",
    minutes: 2,
    seed: 7,
    rate: 500,
    isKept: true,
  });
});

Deno.test("readSoakArguments() refuses values out of range and unknown names", () => {
  for (const args of [["--minutes", "0"], ["--rate"], ["--seed", "x"], ["--hours", "1"]]) {
    assert.equal(readSoakArguments(args).kind, "wrong", args.join(" "));
  }
});
