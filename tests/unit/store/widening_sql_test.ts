import assert from "node:assert/strict";
import type { ColumnType } from "../../../lib/schema/column_type.ts";
import { conversion, wideningStep } from "../../../lib/store/widening_sql.ts";

const TYPES: readonly ColumnType[] = [
  "boolean",
  "bigint",
  "double precision",
  "numeric",
  "timestamptz",
  "jsonb",
  "text",
];

Deno.test("wideningStep() is done when the column is wide enough", () => {
  assert.deepEqual(wideningStep("numeric", "bigint"), { kind: "done" });
  assert.deepEqual(wideningStep("text", "jsonb"), { kind: "done" });
});

Deno.test("wideningStep() joins what is there with what is wanted", () => {
  assert.deepEqual(wideningStep("bigint", "double precision"), { kind: "alter", type: "numeric" });
  assert.deepEqual(wideningStep("boolean", "bigint"), { kind: "alter", type: "text" });
});

Deno.test("wideningStep() never makes text of JSON", () => {
  assert.equal(wideningStep("jsonb", "text").kind, "refused");
});

Deno.test("conversion() is there for every step", () => {
  for (const current of TYPES) {
    for (const wanted of TYPES) {
      const step = wideningStep(current, wanted);
      if (step.kind === "alter") assert.match(conversion('"a"', current, step.type), /"a"/);
    }
  }
});

Deno.test("conversion() throws when the types are no widening", () => {
  assert.throws(() => conversion('"a"', "text", "bigint"), TypeError);
});
