import assert from "node:assert/strict";
import { Random } from "../../../dev/faults/random.ts";
import { faultsWithoutEnd, SOAK_FAULTS } from "../../../dev/soak/soak_faults.ts";

function names(seed: number, count: number): string[] {
  return faultsWithoutEnd(new Random(seed)).take(count).map(({ name }) => name).toArray();
}

Deno.test("faultsWithoutEnd() gives every kind once before any comes again", () => {
  const kinds = SOAK_FAULTS.length;
  const drawn = names(1, 2 * kinds);
  assert.equal(new Set(drawn.slice(0, kinds)).size, kinds);
  assert.equal(new Set(drawn.slice(kinds)).size, kinds);
});

Deno.test("faultsWithoutEnd() follows from the seed", () => {
  assert.deepEqual(names(3, 20), names(3, 20));
  assert.notDeepEqual(names(3, 20), names(4, 20));
});
