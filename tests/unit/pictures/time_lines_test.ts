import assert from "node:assert/strict";
import { timeLines } from "../../../dev/pictures/time_lines.ts";

function draw(isLogarithmic: boolean, points: readonly (readonly [number, number])[]): number[][] {
  const panels = [{ title: "panel", isLogarithmic, series: [{ name: "", points }] }];
  const svg = timeLines({ title: "title", note: "", seconds: 100, marks: [50], panels });
  const [, drawn = ""] = /<polyline points="([^"]*)" class="line line-0"/.exec(svg) ?? [];
  return drawn.split(" ").map((pair) => pair.split(",").map(Number));
}

Deno.test("timeLines() draws time from left to right and larger values higher", () => {
  const [[x0 = 0, y0 = 0] = [], [x1 = 0, y1 = 0] = [], [x2 = 0, y2 = 0] = []] = draw(false, [
    [0, 10],
    [50, 20],
    [100, 30],
  ]);
  assert.equal(x1 - x0, x2 - x1);
  assert.ok(y0 > y1);
  assert.ok(Math.abs((y0 - y1) - (y1 - y2)) < 0.2);
});

Deno.test("timeLines() draws equal ratios as equal distances when logarithmic", () => {
  const [[, y0 = 0] = [], [, y1 = 0] = [], [, y2 = 0] = []] = draw(true, [
    [0, 1],
    [50, 10],
    [100, 100],
  ]);
  assert.ok(Math.abs((y0 - y1) - (y1 - y2)) < 0.2);
});
