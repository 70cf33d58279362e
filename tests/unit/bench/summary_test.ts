import assert from "node:assert/strict";
import { describeReach, formatTable, judge, median } from "../../../dev/bench/summary.ts";

const COPY = { name: "copy", rounds: [{ "rows/s": 100 }, { "rows/s": 50 }, { "rows/s": 200 }] };
const OURS = { name: "ours", rounds: [{ "rows/s": 80 }, { "rows/s": 40 }, { "rows/s": 100 }] };
const REACH = {
  variant: "ours",
  figure: "rows/s",
  yardstick: "copy",
  bound: "min",
  value: 0.7,
} as const;

Deno.test("median() takes the middle of an odd number of values", () => {
  assert.equal(median([9, 1, 5]), 5);
});

Deno.test("median() takes the mean of the middle two of an even number of values", () => {
  assert.equal(median([1, 9, 5, 3]), 4);
});

Deno.test("judge() takes the median of each round's ratio", () => {
  assert.equal(judge(REACH, [COPY, OURS]).measured, 0.8);
});

Deno.test("judge() subtracts the yardstick when told so", () => {
  const reach = { ...REACH, by: "difference", bound: "max", value: 0 } as const;
  assert.deepEqual(judge(reach, [COPY, OURS]), { ...reach, measured: -20, isReached: true });
});

Deno.test("judge() says that a smallest ratio is not reached", () => {
  assert.equal(judge({ ...REACH, value: 0.9 }, [COPY, OURS]).isReached, false);
});

Deno.test("judge() rejects a variant that was not measured", () => {
  assert.throws(() => judge(REACH, [OURS]), RangeError);
});

Deno.test("describeReach() names variant, yardstick, figure and bound", () => {
  assert.equal(
    describeReach(judge(REACH, [COPY, OURS])),
    "reached: ours ÷ copy, rows/s = 0.80 (≥ 0.70)",
  );
});

Deno.test("formatTable() shows a dash where a variant lacks a figure", () => {
  assert.equal(
    formatTable([
      { name: "a", rounds: [{ "rows/s": 123_456 }] },
      { name: "bc", rounds: [{ "rows/s": 12.34, "peak MB": 150 }] },
    ]),
    [
      "     rows/s  peak MB",
      "a   123,456        –",
      "bc     12.3      150",
    ].join("\n"),
  );
});
