import assert from "node:assert/strict";
import { kindOfValue } from "../../../lib/encoder/value_judge.ts";
import { ValueSkipper } from "../../../lib/encoder/value_skipper.ts";
import * as kinds from "../../../lib/schema/value_kind.ts";

function kindOf(json: string): number {
  const bytes = new TextEncoder().encode(json);
  const skipper = new ValueSkipper();
  const end = skipper.skip(bytes, 0);
  assert.equal(end, bytes.length);
  return kindOfValue(skipper.token, bytes, 0, end);
}

const EXAMPLES: Readonly<Record<string, readonly [kind: number, ...json: string[]]>> = {
  "null": [kinds.KIND_NULL, "null"],
  "a boolean": [kinds.KIND_BOOLEAN, "true", "false"],
  "an integer": [kinds.KIND_INTEGER, "0", "-0", "1", "-999999999999999", "9007199254740992"],
  "a long integer": [
    kinds.KIND_LONG_INTEGER,
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775807",
  ],
  "an integer beyond int8": [
    kinds.KIND_BEYOND_INT8,
    "9223372036854775809",
    "12345678901234567890123",
  ],
  "a round integer beyond int8": [kinds.KIND_BEYOND_INT8_EXACT, "10000000000000000000000"],
  "a whole number with a point or exponent": [kinds.KIND_WHOLE, "1.0", "1e3", "-0.0", "0e0"],
  "a long whole number": [kinds.KIND_LONG_WHOLE, "9007199254740993.0"],
  "a fraction": [kinds.KIND_FRACTION, "0.1", "1.10", "5e-324", "1e308", "1e100"],
  "a long fraction": [
    kinds.KIND_LONG_FRACTION,
    "1e309",
    "1e400",
    "0.1000000000000000055",
    "9007199254740990.6",
  ],
  "a number beyond numeric": [kinds.KIND_OUTSIZE_NUMBER, "1e200000", "1e-20000", "0e-20000"],
  "a date-time": [kinds.KIND_TIMESTAMP, '"2026-11-24T12:00:00Z"', '"2026-11-24T12:00:00\\u005a"'],
  "a string": [kinds.KIND_STRING, '""', '"1"', '"true"', '"2026-11-24"', '"now"', '"\\u0000"'],
  "a structure": [kinds.KIND_STRUCTURE, "{}", "[]", "[[]]", '{"a":1e400}', '["\\u0041 1e200000"]'],
  "an outsize structure": [
    kinds.KIND_OUTSIZE_STRUCTURE,
    '{"a":[1e200000]}',
    '["\\"",1E-20000]',
    `[0.${"0".repeat(17_000)}1]`,
  ],
};

for (const [name, [kind, ...jsons]] of Object.entries(EXAMPLES)) {
  Deno.test(`kindOfValue() tells ${name}`, () => {
    for (const json of jsons) assert.equal(kindOf(json), kind, json.slice(0, 40));
  });
}

Deno.test("kindWords() has words for every kind", () => {
  for (let kind = 1; kind < kinds.KINDS_ALL; kind <<= 1) {
    assert.match(kinds.kindWords(kind), /^(an? |null)/);
  }
});
