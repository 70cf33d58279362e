import assert from "node:assert/strict";
import fc from "fast-check";
import { COPY_CHUNK_BYTES } from "../../../lib/store/copy.ts";
import {
  binaryChunksOf,
  chunksOf,
  countRows,
  freshRanges,
  partsOf,
} from "../../../lib/store/row_ranges.ts";

/** Messages with so many rows each. */
function messages(rowCounts: readonly number[]): { firstRows: Uint32Array } {
  const firstRows = [0];
  for (const rowCount of rowCounts) firstRows.push((firstRows.at(-1) ?? 0) + rowCount);
  return { firstRows: Uint32Array.from(firstRows) };
}

Deno.test("freshRanges() is one range when no message is known", () => {
  assert.deepEqual(freshRanges(messages([2, 0, 3]), new Set()), [{ from: 0, to: 5 }]);
});

Deno.test("freshRanges() is empty when all messages are known", () => {
  assert.deepEqual(freshRanges(messages([2, 3]), new Set([0, 1])), []);
});

Deno.test("freshRanges() leaves out the rows of known messages", () => {
  assert.deepEqual(freshRanges(messages([2, 3, 0, 1, 4]), new Set([2, 1])), [
    { from: 0, to: 2 },
    { from: 5, to: 10 },
  ]);
});

Deno.test("freshRanges() holds exactly the rows of unknown messages", () => {
  fc.assert(fc.property(
    fc.array(fc.record({ rows: fc.nat(5), isKnown: fc.boolean() })),
    (list) => {
      const all = messages(list.map(({ rows }) => rows));
      const known = new Set(list.flatMap(({ isKnown }, index) => isKnown ? [index] : []));
      const ranges = freshRanges(all, known);
      const rows = ranges.flatMap(({ from, to }) =>
        Array.from({ length: to - from }, (_, at) => from + at)
      );
      const expected = list.flatMap(({ rows: count, isKnown }, index) =>
        isKnown ? [] : Array.from({ length: count }, (_, at) => (all.firstRows[index] ?? 0) + at)
      );
      assert.deepEqual(rows, expected);
      assert.equal(countRows(ranges), expected.length);
    },
  ));
});

Deno.test("chunksOf() cuts the bytes of the ranges to the chunk size", () => {
  const bytes = new Uint8Array([1, 1, 1, 2, 3, 3, 4, 4, 4, 4]);
  const rows = { bytes, count: 4, ends: new Uint32Array([3, 4, 6, 10, 99]) };
  const chunks = [...chunksOf(rows, [{ from: 0, to: 1 }, { from: 2, to: 4 }], 4)];
  assert.deepEqual(chunks.map((chunk) => [...chunk]), [[1, 1, 1], [3, 3, 4, 4], [4, 4]]);
});

Deno.test("chunksOf() fails when a range goes beyond the rows", () => {
  const rows = { bytes: new Uint8Array(1), count: 1, ends: new Uint32Array([1]) };
  assert.throws(() => [...chunksOf(rows, [{ from: 0, to: 2 }])], RangeError);
});

/** `PGCOPY`, newline, 255, return, newline, zero, no flags, no extension. */
const HEADER = [0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0]
  .concat(0, 0, 0, 0, 0, 0, 0, 0);

Deno.test("binaryChunksOf() puts few rows between header and trailer, in one chunk", () => {
  const bytes = new Uint8Array([1, 1, 1, 2, 3, 3]);
  const rows = { bytes, count: 3, ends: new Uint32Array([3, 4, 6]) };
  const chunks = [...binaryChunksOf(rows, [{ from: 0, to: 1 }, { from: 2, to: 3 }])];
  assert.deepEqual(chunks.map((chunk) => [...chunk]), [[...HEADER, 1, 1, 1, 3, 3, 0xff, 0xff]]);
});

Deno.test("binaryChunksOf() sends views of many rows, header and trailer by themselves", () => {
  const bytes = new Uint8Array(COPY_CHUNK_BYTES + 5).fill(7);
  const rows = { bytes, count: 2, ends: new Uint32Array([COPY_CHUNK_BYTES, bytes.length]) };
  const chunks = [...binaryChunksOf(rows, [{ from: 0, to: 2 }])];
  assert.deepEqual(chunks.map(({ length }) => length), [HEADER.length, COPY_CHUNK_BYTES, 5, 2]);
  assert.deepEqual([...chunks[0] ?? []], HEADER);
  assert.equal(chunks[1]?.buffer, bytes.buffer);
  assert.deepEqual([...chunks[3] ?? []], [0xff, 0xff]);
});

Deno.test("partsOf() cuts ranges where the columns change", () => {
  const [ab, b] = [["a", "b"], ["b"]];
  const runs = [
    { firstRow: 0, rowCount: 3, columns: ab },
    { firstRow: 3, rowCount: 2, columns: b },
    { firstRow: 5, rowCount: 5, columns: ab },
  ];
  assert.deepEqual(partsOf(runs, [{ from: 1, to: 4 }, { from: 6, to: 7 }, { from: 8, to: 10 }]), [
    { columns: ab, ranges: [{ from: 1, to: 3 }] },
    { columns: b, ranges: [{ from: 3, to: 4 }] },
    { columns: ab, ranges: [{ from: 6, to: 7 }, { from: 8, to: 10 }] },
  ]);
});

Deno.test("partsOf() keeps ranges whole within one run", () => {
  const runs = [{ firstRow: 0, rowCount: 9, columns: ["a"] }];
  const ranges = [{ from: 0, to: 2 }, { from: 5, to: 9 }];
  assert.deepEqual(partsOf(runs, ranges), [{ columns: ["a"], ranges }]);
});

Deno.test("partsOf() throws when a row is in no run", () => {
  const runs = [{ firstRow: 0, rowCount: 2, columns: ["a"] }];
  assert.throws(() => partsOf(runs, [{ from: 1, to: 3 }]), TypeError);
});
