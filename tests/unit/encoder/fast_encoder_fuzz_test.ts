/**
 * Differential fuzz of the fast encoder against the exact one, some thousand cases in every run;
 * `deno task fuzz` does more. Seeds that once failed are kept here.
 */
import assert from "node:assert/strict";
import { FastEncoder } from "../../../lib/encoder/fast_encoder.ts";
import { checkSeed } from "../../support/encoder_fuzz/difference.ts";

/** Every second of them is one for COPY binary where its table allows. */
const CASES = 6_000;

/** Seeds of cases that failed before. */
const REGRESSIONS: readonly number[] = [];

Deno.test("FastEncoder gives what the exact encoder gives on seeds that once failed", () => {
  const fast = new FastEncoder();
  for (const seed of REGRESSIONS) checkSeed(seed, fast);
});

Deno.test("FastEncoder gives what the exact encoder gives on random tables and messages", () => {
  const fast = new FastEncoder();
  for (let seed = 1; seed <= CASES; seed++) checkSeed(seed, fast);
  const { recordsFast, recordsPassed, envelopesFast, traps } = fast.counts;
  assert.equal(traps, 0);
  // Else the cases are too odd to say anything about what is accepted.
  assert.ok(recordsFast > CASES, `${recordsFast} records were encoded fast`);
  assert.ok(envelopesFast > CASES, `${envelopesFast} envelopes were read fast`);
  const reasons = [...recordsPassed.keys()].sort();
  for (
    const reason of ["duplicate_key", "escaped_key", "misfit", "not_object", "number", "other_type"]
      .concat("plan", "text", "unknown_key", "default_column")
  ) assert.ok(reasons.some((each) => each === reason), `no record was passed for ${reason}`);
});
