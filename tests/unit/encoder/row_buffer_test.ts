import assert from "node:assert/strict";
import { RowBuffer } from "../../../lib/encoder/row_buffer.ts";

Deno.test("RowBuffer keeps what is written when it grows", () => {
  const buffer = new RowBuffer();
  buffer.bytes.set([1, 2, 3]);
  buffer.endRow(3, 0, 0);
  buffer.reserve(10_000_000);
  assert.ok(buffer.bytes.length >= 10_000_003);
  assert.deepEqual([...buffer.rows().bytes], [1, 2, 3]);
});

Deno.test("RowBuffer keeps more rows than it had room for", () => {
  const buffer = new RowBuffer();
  for (let row = 0; row < 5_000; row++) buffer.endRow(0, row, row * 2);
  assert.equal(buffer.rows().ends.length, 5_000);
  assert.deepEqual([buffer.deliveryOf(4_999), buffer.ordinalOf(4_999)], [4_999, 9_998]);
});

Deno.test("RowBuffer lets go of what an unusual flush made it take", () => {
  const buffer = new RowBuffer({ keptBytesMax: 1_000_000, keptRowsMax: 2_000 });
  buffer.reserve(2_000_000);
  for (let row = 0; row < 5_000; row++) buffer.endRow(0, 0, 0);
  buffer.reset();
  assert.ok(buffer.bytes.length < 1_000_000);
  assert.equal(buffer.rows().ends.buffer.byteLength, 4_096);
});

Deno.test("RowBuffer uses its bytes again after an ordinary flush", () => {
  const buffer = new RowBuffer();
  buffer.reserve(1_000_000);
  const { bytes } = buffer;
  buffer.reset();
  assert.equal(buffer.bytes, bytes);
});
