import assert from "node:assert/strict";
import { ReadBufferPool } from "../../../lib/nats/read_buffer.ts";

Deno.test("ReadBufferPool hands a buffer out again when its last pin is gone", () => {
  const pool = new ReadBufferPool(100);
  const first = pool.take();
  assert.equal(first.bytes.length, 100);
  first.pin();
  first.unpin();
  assert.notEqual(pool.take().bytes, first.bytes);
  first.unpin();
  assert.equal(pool.take().bytes, first.bytes);
});

Deno.test("ReadBufferPool does not hand out what somebody unknown may look at", () => {
  const pool = new ReadBufferPool(10_000);
  const first = pool.take();
  const piece = first.bytes.subarray(100, 9_000);
  assert.equal(first.giveAway(piece), piece);
  first.unpin();
  assert.notEqual(pool.take().bytes, first.bytes);
});

Deno.test("ReadBuffer.giveAway() copies few bytes, so that the buffer is used again", () => {
  const pool = new ReadBufferPool(10_000);
  const first = pool.take();
  first.bytes.fill(7);
  const piece = first.giveAway(first.bytes.subarray(100, 200));
  first.unpin();
  assert.equal(pool.take().bytes, first.bytes);
  first.bytes.fill(8);
  assert.deepEqual(piece, new Uint8Array(100).fill(7));
});

Deno.test("ReadBuffer.unpin() throws when nothing pins it: somebody else may have it by now", () => {
  const pool = new ReadBufferPool(100);
  const first = pool.take();
  first.unpin();
  const second = pool.take();
  assert.throws(() => first.unpin(), /not pinned/);
  assert.notEqual(pool.take().bytes, second.bytes);
});
