import assert from "node:assert/strict";
import { rowOf } from "../../../dev/faults/load.ts";
import type { Comparison } from "../../../dev/faults/oracle.ts";
import { OrderedComparison } from "../../../dev/soak/soak_oracle.ts";

const SEED = 3;
const IDS = [1, 4, 5, 9];

function compare(found: readonly Record<string, unknown>[]): Comparison {
  const comparing = new OrderedComparison(SEED, IDS);
  for (const row of found) comparing.add(row);
  return comparing.end();
}

function rows(...ids: number[]): Record<string, unknown>[] {
  return ids.map((id) => ({ ...rowOf(SEED, id, null) }));
}

Deno.test("OrderedComparison finds nothing when every row is there once", () => {
  assert.deepEqual(compare(rows(...IDS)), {
    published: 4,
    landed: 4,
    lost: [],
    duplicated: [],
    unknown: [],
    changed: [],
  });
});

Deno.test("OrderedComparison finds rows that are lost in the middle and at the end", () => {
  assert.deepEqual(compare(rows(1, 5)).lost, [4, 9]);
});

Deno.test("OrderedComparison finds rows that are there twice", () => {
  const { duplicated, lost } = compare(rows(1, 4, 4, 4, 5, 9));
  assert.deepEqual({ duplicated, lost }, { duplicated: [4, 4], lost: [] });
});

Deno.test("OrderedComparison finds rows that nobody published", () => {
  const { unknown, lost } = compare(rows(1, 2, 4, 5, 9, 10));
  assert.deepEqual({ unknown, lost }, { unknown: [2, 10], lost: [] });
});

Deno.test("OrderedComparison finds values that differ", () => {
  const found = rows(...IDS);
  found[2] = { ...found[2], score: 0.25 };
  assert.deepEqual(compare(found).changed, [5]);
});
