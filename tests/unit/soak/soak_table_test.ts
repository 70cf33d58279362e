import assert from "node:assert/strict";
import { withSoak } from "../../../dev/soak/soak_document.ts";
import type { SoakFigures } from "../../../dev/soak/soak_figures.ts";
import { soakTable } from "../../../dev/soak/soak_table.ts";

const SOAK: SoakFigures = {
  at: "2026-11-24T20:00:00.000Z",
  commit: "a1b2c3d",
  minutes: 30,
  seed: 7,
  rate: 2_000,
  rows: { published: 5_400_000, lost: 1, duplicated: 2, changed: 3 },
  longestLatencyMs: 2_500,
  faultCounts: { "acks lost": 4, "slow links": 3 },
  faultSeconds: [],
  trends: [{
    name: "memory, MB",
    thirds: [150, 160, 190],
    slopePerHour: 80,
    bound: { kind: "max", ratio: 1.2 },
    isFlat: false,
  }],
  samples: [],
  faults: [],
};

Deno.test("soakTable() says what became of the rows, and names commit and seed", () => {
  const table = soakTable(SOAK);
  assert.match(table, /seed 7, 2026-11-24, commit a1b2c3d/);
  assert.match(table, /5,400,000 rows published, 1 lost, 2 there twice, 3 changed/);
  assert.match(table, /Faults: acks lost 4, slow links 3\./);
});

Deno.test("soakTable() shows the bound of what is not flat", () => {
  assert.match(soakTable(SOAK), /\| memory, MB \| 150 .*NOT FLAT \(≤ 1.2 × first\)/);
});

Deno.test("withSoak() replaces what stands between the markers, and nothing else", () => {
  const empty = "before\n<!-- soak: written by `deno task soak --keep` -->\nold\n" +
    "<!-- end of soak -->\nafter\n";
  const once = withSoak(empty, SOAK);
  assert.match(once, /^before\n/);
  assert.match(once, /\nafter\n$/);
  assert.doesNotMatch(once, /old/);
  assert.equal(withSoak(once, SOAK), once);
});

Deno.test("withSoak() refuses a document without markers", () => {
  assert.throws(() => withSoak("text", SOAK), TypeError);
});
