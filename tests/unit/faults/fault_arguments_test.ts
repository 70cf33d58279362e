import assert from "node:assert/strict";
import { readFaultArguments } from "../../../dev/faults/fault_arguments.ts";

const NAMES = ["kill-one", "backlog"];

Deno.test("readFaultArguments() runs everything once, on the usual servers, when told nothing", () => {
  assert.deepEqual(readFaultArguments([], NAMES), {
    kind: "run",
    rounds: 1,
    seed: 1,
    only: null,
    isShort: false,
    logs: null,
    natsVersion: null,
  });
});

Deno.test("readFaultArguments() takes values behind the name or an equals sign", () => {
  const args = ["--rounds", "3", "--seed=7", "--only", "backlog", "--nats=2.9.10", "--short"];
  assert.deepEqual(readFaultArguments([...args, "--logs", "here"], NAMES), {
    kind: "run",
    rounds: 3,
    seed: 7,
    only: ["backlog"],
    isShort: true,
    logs: "here",
    natsVersion: "2.9.10",
  });
});

for (
  const [args, reason] of [
    [["--rounds", "0"], "--rounds must be a whole number from 1"],
    [["--seed", "x"], "--seed must be a whole number"],
    [["--nats", "latest"], "--nats must be a version such as 2.10.25"],
    [["--only", "backlog,other"], "There is no scenario other; see --list"],
    [["--fast"], "Unknown argument --fast"],
  ] as const
) {
  Deno.test(`readFaultArguments() refuses ${args.join(" ")}`, () => {
    assert.deepEqual(readFaultArguments(args, NAMES), { kind: "wrong", reason });
  });
}
