/**
 * The short form of the fault suite: the real program on servers of its own, a few rounds of each
 * fault that breaks promises most easily. `deno task faults` is the long form.
 */
import assert from "node:assert/strict";
import { failureLines } from "../../dev/faults/report.ts";
import { runScenario } from "../../dev/faults/run_scenario.ts";
import { SCENARIOS } from "../../dev/faults/scenario_list.ts";

/** Share of the long form's rounds. */
const SCALE = 0.2;

const SEED = 1;

for (const scenario of SCENARIOS.filter(({ isShort }) => isShort === true)) {
  Deno.test(`run loses and repeats nothing when there is ${scenario.name}`, async () => {
    const result = await runScenario(scenario, { seed: SEED, scale: SCALE });
    assert.equal(result.faults.length, 0, failureLines(result).join("\n"));
  });
}
