import assert from "node:assert/strict";
import fc from "fast-check";
import { ACCEPTED_KINDS } from "../../../lib/schema/accepted_kinds.ts";
import type { ColumnType } from "../../../lib/schema/column_type.ts";
import { inferColumnType } from "../../../lib/schema/inference.ts";
import {
  KIND_BOOLEAN,
  KIND_FRACTION,
  KIND_INTEGER,
  KIND_NULL,
  KIND_OUTSIZE_STRUCTURE,
  KIND_STRUCTURE,
  KINDS_ALL,
} from "../../../lib/schema/value_kind.ts";
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
  assert.equal(widen("boolean", "bigint"), "text");
  assert.equal(widen("timestamptz", "jsonb"), "jsonb");
  for (const type of TYPES) assert.equal(widen(type, "text"), "text");
});

Deno.test("widen() is commutative and idempotent", () => {
  for (const a of TYPES) {
    assert.equal(widen(a, a), a);
    for (const b of TYPES) assert.equal(widen(a, b), widen(b, a));
  }
});

Deno.test("widen() is associative as long as no structure comes", () => {
  const scalars = TYPES.filter((type) => type !== "jsonb");
  for (const a of scalars) {
    for (const b of scalars) {
      for (const c of scalars) assert.equal(widen(widen(a, b), c), widen(a, widen(b, c)));
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

Deno.test("widen() gives jsonb only when one of the two is it, else the narrowest type", () => {
  for (const a of TYPES) {
    for (const b of TYPES) {
      const hasStructure = a === "jsonb" || b === "jsonb";
      const both = ACCEPTED_KINDS[a] | ACCEPTED_KINDS[b];
      if (!hasStructure) assert.notEqual(widen(a, b), "jsonb");
      for (const other of TYPES) {
        if ((other === "jsonb" && !hasStructure) || (both & ~ACCEPTED_KINDS[other]) !== 0) continue;
        assert.equal(ACCEPTED_KINDS[widen(a, b)] & ~ACCEPTED_KINDS[other], 0);
      }
    }
  }
});

/** The type of a column after batches of these kinds, one behind the other. */
function typeAfter(batches: readonly number[]): ColumnType | null {
  let type: ColumnType | null = null;
  for (const kinds of batches) {
    const inferred = inferColumnType(type === null ? kinds : kinds & ~ACCEPTED_KINDS[type]);
    if (inferred !== null) type = type === null ? inferred : widen(type, inferred);
  }
  return type;
}

const anyBatches = fc.array(fc.integer({ min: 1, max: KINDS_ALL }), { minLength: 1, maxLength: 5 });

Deno.test("widen() makes a column that accepts all that came, whatever the order of batches", () => {
  fc.assert(
    fc.property(anyBatches, (batches) => {
      const seen = batches.reduce((all, kinds) => all | kinds, 0);
      const type = typeAfter(batches);
      if (type === null) assert.equal(seen, KIND_NULL);
      else assert.equal(seen & ~ACCEPTED_KINDS[type], 0);
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("widen() makes the type of one batch of all values, whatever their order, without structures", () => {
  const numbers: readonly (ColumnType | null)[] = ["bigint", "double precision", "numeric"];
  const general = (type: ColumnType | null): ColumnType | null =>
    numbers.includes(type) ? "numeric" : type;
  fc.assert(
    fc.property(anyBatches, (batches) => {
      const scalars = batches.map((kinds) => kinds & ~(KIND_STRUCTURE | KIND_OUTSIZE_STRUCTURE));
      const seen = scalars.reduce((all, kinds) => all | kinds, 0);
      assert.equal(general(typeAfter(scalars)), general(inferColumnType(seen)));
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("widen() shows the order of batches when a structure comes, or fractions and integers", () => {
  assert.equal(typeAfter([KIND_BOOLEAN, KIND_INTEGER, KIND_STRUCTURE]), "text");
  assert.equal(typeAfter([KIND_STRUCTURE, KIND_BOOLEAN, KIND_INTEGER]), "jsonb");
  assert.equal(typeAfter([KIND_INTEGER, KIND_FRACTION]), "numeric");
  assert.equal(typeAfter([KIND_FRACTION, KIND_INTEGER]), "double precision");
});
