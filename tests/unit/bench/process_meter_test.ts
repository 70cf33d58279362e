import assert from "node:assert/strict";
import { parseProcessStat } from "../../../dev/bench/process_meter.ts";

Deno.test("parseProcessStat() finds the fields behind a name with spaces and brackets", () => {
  const text = "42 (a) b c) S 7 42 42 0 -1 4194560 100 0 0 0 11 22 33 44 20 0 1 0 555";
  assert.deepEqual(parseProcessStat(text), {
    parentPid: 7,
    ownTicks: 33,
    endedChildrenTicks: 77,
  });
});

Deno.test("parseProcessStat() rejects text that is too short", () => {
  assert.throws(() => parseProcessStat("42 (a) S 7"), /Cannot read field/);
});
