import assert from "node:assert/strict";
import fc from "fast-check";
import { ACCEPTED_KINDS } from "../../../lib/schema/accepted_kinds.ts";
import { inferColumnType } from "../../../lib/schema/inference.ts";
import * as kinds from "../../../lib/schema/value_kind.ts";

const RULES: readonly (readonly [expected: string | null, ...kinds: number[]])[] = [
  [null],
  [null, kinds.KIND_NULL],
  ["boolean", kinds.KIND_BOOLEAN, kinds.KIND_NULL],
  ["bigint", kinds.KIND_INTEGER, kinds.KIND_LONG_INTEGER],
  ["numeric", kinds.KIND_INTEGER, kinds.KIND_BEYOND_INT8],
  ["numeric", kinds.KIND_BEYOND_INT8_EXACT],
  ["double precision", kinds.KIND_FRACTION],
  ["double precision", kinds.KIND_WHOLE],
  ["double precision", kinds.KIND_INTEGER, kinds.KIND_FRACTION],
  ["double precision", kinds.KIND_BEYOND_INT8_EXACT, kinds.KIND_WHOLE],
  ["numeric", kinds.KIND_LONG_INTEGER, kinds.KIND_FRACTION],
  ["numeric", kinds.KIND_LONG_FRACTION],
  ["numeric", kinds.KIND_LONG_WHOLE],
  ["text", kinds.KIND_OUTSIZE_NUMBER],
  ["text", kinds.KIND_INTEGER, kinds.KIND_OUTSIZE_NUMBER],
  ["timestamptz", kinds.KIND_TIMESTAMP],
  ["text", kinds.KIND_TIMESTAMP, kinds.KIND_STRING],
  ["text", kinds.KIND_STRING],
  ["text", kinds.KIND_BOOLEAN, kinds.KIND_INTEGER],
  ["text", kinds.KIND_BOOLEAN, kinds.KIND_STRING, kinds.KIND_INTEGER],
  ["text", kinds.KIND_INTEGER, kinds.KIND_TIMESTAMP],
  ["jsonb", kinds.KIND_STRUCTURE],
  ["jsonb", kinds.KIND_STRUCTURE, kinds.KIND_STRING],
  ["jsonb", kinds.KIND_STRUCTURE, kinds.KIND_INTEGER, kinds.KIND_BOOLEAN],
  ["text", kinds.KIND_STRUCTURE, kinds.KIND_OUTSIZE_NUMBER],
  ["text", kinds.KIND_OUTSIZE_STRUCTURE],
];

for (const [expected, ...given] of RULES) {
  const words = given.length === 0 ? "no value at all" : given.map(kinds.kindWords).join(" and ");
  Deno.test(`inferColumnType() makes ${expected ?? "no column"} of ${words}`, () => {
    assert.equal(inferColumnType(given.reduce((a, b) => a | b, 0)), expected);
  });
}

Deno.test("inferColumnType() makes text of everything but null when the schema mode is text", () => {
  assert.equal(inferColumnType(kinds.KIND_INTEGER, { schemaMode: "text" }), "text");
  assert.equal(inferColumnType(kinds.KIND_STRUCTURE, { schemaMode: "text" }), "text");
  assert.equal(inferColumnType(kinds.KIND_NULL, { schemaMode: "text" }), null);
});

Deno.test("inferColumnType() makes text of date-times when timestamps are to stay text", () => {
  assert.equal(inferColumnType(kinds.KIND_TIMESTAMP, { timestamps: "text" }), "text");
});

Deno.test("inferColumnType() never yields a type that refuses a value of its own batch", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: kinds.KINDS_ALL }), (seen) => {
      const type = inferColumnType(seen);
      if (type !== null) assert.equal(seen & ~ACCEPTED_KINDS[type], 0);
      else assert.equal(seen, kinds.KIND_NULL);
    }),
    { numRuns: 5000 },
  );
});
