/**
 * `deno task fuzz`: the differential fuzz of the fast encoder against the exact one, for as long as
 * wanted. A seed that fails is printed, to be kept in tests/unit/encoder/fast_encoder_fuzz_test.ts.
 */
import { parseArgs } from "node:util";
import { FastEncoder } from "../lib/encoder/fast_encoder.ts";
import { checkSeed } from "../tests/support/encoder_fuzz/difference.ts";

const USAGE = "deno task fuzz [--minutes 5] [--seed 1000000]";

/** Failures after which there is no point in looking for more. */
const FAILURES_MAX = 10;

if (import.meta.main) Deno.exit(fuzz(readChoice(Deno.args)));

interface FuzzChoice {
  readonly minutes: number;
  /** The first seed; the next ones follow. */
  readonly seed: number;
}

/** Runs seed after seed; returns the exit code. */
function fuzz({ minutes, seed: first }: FuzzChoice): number {
  const fast = new FastEncoder();
  const failures: number[] = [];
  const endMs = Date.now() + minutes * 60_000;
  let seed = first;
  for (; Date.now() < endMs && failures.length < FAILURES_MAX; seed++) {
    try {
      checkSeed(seed, fast);
    } catch (error) {
      failures.push(seed);
      say(error instanceof Error ? `${error.message}\n${error.cause}` : String(error));
    }
  }
  const { recordsFast, recordsPassed, envelopesFast, envelopesPassed, traps } = fast.counts;
  say(`seeds ${first} to ${seed - 1}: ${recordsFast} records fast, passed:`);
  for (const [reason, count] of recordsPassed) say(`  ${reason}: ${count}`);
  say(`${envelopesFast} envelopes fast, ${envelopesPassed} passed; ${traps} traps`);
  say(failures.length === 0 ? "no difference" : `failing seeds: ${failures.join(", ")}`);
  return failures.length === 0 ? 0 : 1;
}

function readChoice(args: readonly string[]): FuzzChoice {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string", default: "5" },
      seed: { type: "string", default: "1000000" },
    },
  });
  const choice = { minutes: Number(values.minutes), seed: Number(values.seed) };
  if (!(choice.minutes > 0) || !Number.isSafeInteger(choice.seed)) {
    say(USAGE);
    Deno.exit(2);
  }
  return choice;
}

function say(line: string): void {
  // deno-lint-ignore no-console -- this is the terminal of whoever started the task
  console.log(line);
}
