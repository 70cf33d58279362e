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
  const pool = new ReadBufferPool(100);
  const first = pool.take();
  first.leave();
  first.unpin();
  assert.notEqual(pool.take().bytes, first.bytes);
});

Deno.test("ReadBuffer.unpin() throws when nothing pins it: somebody else may have it by now", () => {
  const pool = new ReadBufferPool(100);
  const first = pool.take();
  first.unpin();
  const second = pool.take();
  assert.throws(() => first.unpin(), /not pinned/);
  assert.notEqual(pool.take().bytes, second.bytes);
});
