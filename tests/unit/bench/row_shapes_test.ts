import assert from "node:assert/strict";
import {
  copyLine,
  MIXED,
  recordJson,
  type RowShape,
  SHUFFLED,
  wideShape,
} from "../../../dev/bench/row_shapes.ts";

Deno.test("row() gives the same row every time", () => {
  assert.deepEqual(MIXED.row(17), MIXED.row(17));
  assert.notDeepEqual(MIXED.row(17), MIXED.row(18));
});

Deno.test("row() fills the columns of its shape in order", () => {
  for (const shape of [MIXED, wideShape(200)]) {
    assert.deepEqual(Object.keys(shape.row(3)), shape.columns.map(({ name }) => name));
  }
});

Deno.test("row() never gives a whole number for a double precision column", () => {
  for (let number = 0; number < 1_000; number++) {
    assert.equal(Number.isInteger(MIXED.row(number).score), false);
  }
});

Deno.test("recordJson() of shuffled rows means the same row", () => {
  for (const number of [10, 11]) {
    assert.deepEqual(JSON.parse(recordJson(SHUFFLED, number)), SHUFFLED.row(number));
  }
});

Deno.test("recordJson() writes a key with an escape in every tenth shuffled row", () => {
  assert.ok(recordJson(SHUFFLED, 10).includes('"i\\u0064":'));
  assert.equal(recordJson(SHUFFLED, 11).includes("\\u0064"), false);
});

Deno.test("copyLine() escapes text, and marks absent keys as null", () => {
  const shape: RowShape = {
    columns: ["a", "b", "c"].map((name) => ({ name, type: "text" })),
    row: () => ({ a: "tab\tline\nback\\", c: { k: "\n" } }),
  };
  assert.equal(copyLine(shape, 0), 'tab\\tline\\nback\\\\\t\\N\t{"k":"\\\\n"}\n');
});
