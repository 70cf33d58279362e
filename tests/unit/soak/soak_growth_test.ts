import assert from "node:assert/strict";
import { throughput, trendsOf } from "../../../dev/soak/soak_growth.ts";
import type { SoakSample } from "../../../dev/soak/soak_sample.ts";

const EVERY_SECONDS = 5;

function samples(
  count: number,
  change: (seconds: number) => Partial<SoakSample> = () => ({}),
): SoakSample[] {
  return Array.from({ length: count }, (_, i) => {
    const seconds = (i + 1) * EVERY_SECONDS;
    return {
      seconds,
      memoryMb: 150,
      otherMemoryMb: 120,
      fileDescriptors: 30,
      ledgerRows: 1_000,
      ledgerMb: 1,
      published: seconds * 2_000,
      settled: seconds * 2_000,
      latencyMs: 5,
      latencyMaxMs: 9,
      ...change(seconds),
    };
  });
}

function unevenIn(soak: readonly SoakSample[]): string[] {
  return trendsOf(soak).filter(({ isFlat }) => !isFlat).map(({ name }) => name);
}

Deno.test("trendsOf() finds nothing in a flat soak", () => {
  assert.deepEqual(unevenIn(samples(360)), []);
});

Deno.test("trendsOf() finds memory that grows by more than a fifth", () => {
  const soak = samples(360, (seconds) => ({ memoryMb: 100 + seconds / 20 }));
  assert.deepEqual(unevenIn(soak), ["memory, MB"]);
});

Deno.test("trendsOf() takes memory that goes up and down for flat", () => {
  const soak = samples(
    130,
    (seconds) => ({ memoryMb: seconds > 250 ? 160 : seconds % 50 < 10 ? 165 : 130 }),
  );
  assert.deepEqual(unevenIn(soak), []);
});

Deno.test("trendsOf() finds throughput that falls", () => {
  const soak = samples(360, (seconds) => ({ settled: Math.min(seconds, 1_300) * 2_000 }));
  assert.deepEqual(unevenIn(soak), ["settled, messages/s"]);
});

Deno.test("trendsOf() does not count the minute of warming up", () => {
  const soak = samples(120, (seconds) => ({ memoryMb: seconds < 60 ? 50 : 150 }));
  assert.equal(trendsOf(soak)[0]?.thirds[0], 150);
});

Deno.test("trendsOf() judges no soak of less than ten minutes", () => {
  assert.deepEqual(unevenIn(samples(100, (seconds) => ({ memoryMb: seconds }))), []);
});

Deno.test("trendsOf() gives the slope per hour", () => {
  const soak = samples(360, (seconds) => ({ memoryMb: 100 + seconds / 3_600 * 7 }));
  assert.equal(trendsOf(soak)[0]?.slopePerHour?.toFixed(6), "7.000000");
});

Deno.test("trendsOf() leaves out looks at which a server was away", () => {
  const soak = samples(360, (seconds) => seconds < 1_700 ? {} : { ledgerRows: null });
  assert.deepEqual(trendsOf(soak).find(({ name }) => name === "ledger, rows")?.thirds, [
    1_000,
    1_000,
    1_000,
  ]);
});

Deno.test("throughput() counts from the last look that could be made", () => {
  const soak = samples(3, (seconds) => seconds === 10 ? { settled: null } : {});
  assert.deepEqual(throughput(soak), [[15, 2_000]]);
});
