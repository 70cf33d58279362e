import assert from "node:assert/strict";
import { ACCEPTED_KINDS } from "../../../lib/schema/accepted_kinds.ts";
import type { ColumnType } from "../../../lib/schema/column_type.ts";
import { widen } from "../../../lib/schema/widening.ts";

const TYPES: readonly ColumnType[] = [
  "boolean",
  "bigint",
  "double precision",
  "numeric",
  "timestamptz",
  "jsonb",
  "text",
];

Deno.test("widen() gives the narrowest type that accepts both", () => {
  assert.equal(widen("bigint", "double precision"), "numeric");
  assert.equal(widen("double precision", "numeric"), "numeric");
  assert.equal(widen("boolean", "bigint"), "jsonb");
  assert.equal(widen("timestamptz", "jsonb"), "jsonb");
  for (const type of TYPES) assert.equal(widen(type, "text"), "text");
});

Deno.test("widen() is commutative, associative and idempotent", () => {
  for (const a of TYPES) {
    assert.equal(widen(a, a), a);
    for (const b of TYPES) {
      assert.equal(widen(a, b), widen(b, a));
      for (const c of TYPES) assert.equal(widen(widen(a, b), c), widen(a, widen(b, c)));
    }
  }
});

Deno.test("widen() gives a type that accepts all that both did", () => {
  for (const a of TYPES) {
    for (const b of TYPES) {
      const both = ACCEPTED_KINDS[a] | ACCEPTED_KINDS[b];
      assert.equal(both & ~ACCEPTED_KINDS[widen(a, b)], 0);
    }
  }
});

Deno.test("widen() never gives a type when a narrower one accepts both", () => {
  for (const a of TYPES) {
    for (const b of TYPES) {
      const both = ACCEPTED_KINDS[a] | ACCEPTED_KINDS[b];
      for (const other of TYPES) {
        if ((both & ~ACCEPTED_KINDS[other]) !== 0) continue;
        assert.equal(ACCEPTED_KINDS[widen(a, b)] & ~ACCEPTED_KINDS[other], 0);
      }
    }
  }
});
