import assert from "node:assert/strict";
import { Batch, heldBytes, MESSAGE_OVERHEAD_BYTES } from "../../../lib/ingest/batch.ts";
import {
  DEFAULT_PROCESSOR_SETTINGS,
  type ProcessorSettings,
} from "../../../lib/ingest/processor_settings.ts";
import { deliveryOf, recordedMessage } from "../../support/deliveries.ts";

const CAP = { rowsMax: 20, bytesMax: 100_000 };

function settings(changes: Partial<ProcessorSettings> = {}): ProcessorSettings {
  return { ...DEFAULT_PROCESSOR_SETTINGS, batchRows: 10, batchWindowMs: 5_000, ...changes };
}

function batchOf(...deliveries: ReturnType<typeof deliveryOf>[]): Batch {
  const batch = new Batch();
  for (const delivery of deliveries) batch.add(delivery);
  return batch;
}

Deno.test("Batch.dueReason() is null when the batch is empty", () => {
  assert.equal(new Batch().dueReason(1e9, settings(), CAP), null);
});

Deno.test("Batch.dueReason() counts records, not messages", () => {
  const nine = batchOf(deliveryOf({ recordCount: 4 }), deliveryOf({ recordCount: 5 }));
  assert.equal(nine.dueReason(0, settings(), CAP), null);
  nine.add(deliveryOf({ recordCount: 1 }));
  assert.equal(nine.dueReason(0, settings(), CAP), "rows");
});

Deno.test("Batch.dueReason() is window when the oldest delivery is old enough", () => {
  const batch = batchOf(deliveryOf({ heldSinceMs: 1_000 }), deliveryOf({ heldSinceMs: 5_900 }));
  assert.equal(batch.dueReason(5_999, settings(), CAP), null);
  assert.equal(batch.dueReason(6_000, settings(), CAP), "window");
});

Deno.test("Batch.dueReason() is instant when batchSize is 0 or 1 or the window is 0", () => {
  const batch = batchOf(deliveryOf());
  for (const changes of [{ batchRows: 0 }, { batchRows: 1 }, { batchWindowMs: 0 }]) {
    assert.equal(batch.dueReason(0, settings(changes), CAP), "instant");
  }
});

Deno.test("Batch.dueReason() is empty at once when a delivery has no records", () => {
  const batch = batchOf(deliveryOf(), deliveryOf({ recordCount: 0 }));
  assert.equal(batch.dueReason(0, settings(), CAP), "empty");
});

Deno.test("Batch.dueReason() is bytes when the cap of a flush is reached", () => {
  const batch = batchOf(deliveryOf({ bytes: CAP.bytesMax }));
  assert.equal(batch.dueReason(0, settings(), CAP), "bytes");
});

Deno.test("Batch.fills() when rows or bytes reach the cap", () => {
  assert.equal(batchOf(deliveryOf({ recordCount: 19 })).fills(CAP), false);
  assert.equal(batchOf(deliveryOf({ recordCount: 20 })).fills(CAP), true);
  assert.equal(batchOf(deliveryOf({ bytes: CAP.bytesMax })).fills(CAP), true);
});

Deno.test("Batch.take() takes everything when it fits, though batchSize is smaller", () => {
  const batch = batchOf(deliveryOf({ recordCount: 12 }), deliveryOf({ recordCount: 8 }));
  assert.equal(batch.take(CAP).length, 2);
  assert.equal(batch.isEmpty, true);
  assert.deepEqual([batch.rows, batch.bytes, batch.messages], [0, 0, 0]);
});

Deno.test("Batch.take() stops before a message that would exceed the cap and keeps the rest", () => {
  const first = deliveryOf({ recordCount: 15, sequence: 1 });
  const second = deliveryOf({ recordCount: 6, sequence: 2 });
  const batch = batchOf(first, second);
  assert.deepEqual(batch.take(CAP), [first]);
  assert.deepEqual([batch.rows, batch.messages, batch.bytes], [6, 1, heldBytes(second)]);
  assert.deepEqual(batch.take(CAP), [second]);
});

Deno.test("Batch.take() never splits a message, however large", () => {
  const large = deliveryOf({ recordCount: 1_000, bytes: 1_000_000 });
  assert.deepEqual(batchOf(large, deliveryOf()).take(CAP), [large]);
});

Deno.test("Batch.restore() puts deliveries back in front", () => {
  const batch = batchOf(deliveryOf({ sequence: 1, recordCount: 0 }), deliveryOf({ sequence: 2 }));
  const taken = batch.take(CAP);
  const late = deliveryOf({ sequence: 3 });
  batch.add(late);
  batch.restore(taken);
  assert.deepEqual([...batch].map((one) => one.message.identity?.sequence), [1, 2, 3]);
  assert.equal(batch.dueReason(0, settings(), CAP), "empty");
});

Deno.test("heldBytes() counts the payload and a fixed cost", () => {
  assert.equal(heldBytes(deliveryOf({ bytes: 1 })), 1 + MESSAGE_OVERHEAD_BYTES);
});

Deno.test("Batch.copyPayloads() detaches messages that wait long", () => {
  const messages = [recordedMessage(1), recordedMessage(2)];
  const [old, fresh] = messages;
  assert.ok(old !== undefined && fresh !== undefined);
  const batch = batchOf(
    { ...deliveryOf({ heldSinceMs: 10 }), message: old },
    { ...deliveryOf({ heldSinceMs: 20 }), message: fresh },
  );
  batch.copyPayloads(20);
  assert.deepEqual(messages.map(({ calls }) => calls), [["detach"], []]);
});
