import assert from "node:assert/strict";
import { stackedBars } from "../../../dev/pictures/stacked_bars.ts";

const PICTURE = {
  title: "Time & parts",
  note: "in seconds",
  format: String,
  panels: [{
    title: "panel",
    bars: [{ label: "one", parts: { red: 1, blue: 3 } }, { label: "two", parts: { blue: 2 } }],
  }],
};

Deno.test("stackedBars() draws each part as long as its value", () => {
  const svg = stackedBars(PICTURE);
  const widths = [...svg.matchAll(/width="([\d.]+)" height="20"/g)].map(([, width]) =>
    Number(width)
  );
  assert.equal(widths.length, 3);
  const [red = 0, blue = 0, other = 0] = widths;
  assert.ok(Math.abs(blue / red - 3) < 0.01);
  assert.ok(Math.abs(other / red - 2) < 0.01);
});

Deno.test("stackedBars() names the bar's total, its parts and the legend", () => {
  const svg = stackedBars(PICTURE);
  assert.match(svg, />4<\/text>/);
  assert.match(svg, /<title>one, blue: 3<\/title>/);
  assert.equal([...svg.matchAll(/>blue<\/text>/g)].length, 1);
});

Deno.test("stackedBars() escapes text", () => {
  assert.match(stackedBars(PICTURE), />Time &amp; parts<\/text>/);
});

Deno.test("stackedBars() draws nothing for a part of zero", () => {
  const bars = [{ label: "one", parts: { red: 0, blue: 3 } }];
  const svg = stackedBars({ ...PICTURE, panels: [{ title: "panel", bars }] });
  assert.doesNotMatch(svg, /<title>one, red/);
});
