import assert from "node:assert/strict";
import { DEFAULT_PROCESSOR_SETTINGS } from "../../../lib/ingest/processor_settings.ts";
import { type AdviceFacts, startAdvice } from "../../../lib/ingest/start_advice.ts";

const GOOD: AdviceFacts = {
  consumer: { ackWaitMs: 30_000, maxAckPending: 50_000, maxDeliver: Infinity },
  stream: { maxAgeMs: Infinity, maxMessages: Infinity, maxBytes: Infinity, discard: "old" },
  processors: [DEFAULT_PROCESSOR_SETTINGS],
};

Deno.test("startAdvice() has nothing to say when everything fits", () => {
  assert.deepEqual(startAdvice(GOOD), []);
});

Deno.test("startAdvice() names a limit that no batch can fill", () => {
  const consumer = { ...GOOD.consumer, maxAckPending: 1_000 };
  const processors = [2_000, 500, 9_000].map((batchRows) => ({
    ...DEFAULT_PROCESSOR_SETTINGS,
    batchRows,
  }));
  const [sentence, ...more] = startAdvice({ ...GOOD, consumer, processors });
  assert.match(sentence ?? "", /max_ack_pending is 1000, and 2 processors have .* up to 9000/);
  assert.deepEqual(more, []);
});

Deno.test("startAdvice() names a limit that all batches together exceed", () => {
  const consumer = { ...GOOD.consumer, maxAckPending: 1_000 };
  const processors = Array.from({ length: 11 }, () => DEFAULT_PROCESSOR_SETTINGS);
  assert.match(startAdvice({ ...GOOD, consumer, processors })[0] ?? "", /wait for 1100 records/);
});

Deno.test("startAdvice() does not count processors that write at once", () => {
  const consumer = { ...GOOD.consumer, maxAckPending: 10 };
  const processors = [{ ...DEFAULT_PROCESSOR_SETTINGS, batchWindowMs: 0 }];
  assert.deepEqual(startAdvice({ ...GOOD, consumer, processors }), []);
});

Deno.test("startAdvice() names an ack_wait that is too short", () => {
  const consumer = { ...GOOD.consumer, ackWaitMs: 200 };
  assert.match(startAdvice({ ...GOOD, consumer })[0] ?? "", /^ack_wait is 200 ms/);
});

Deno.test("startAdvice() names streams that drop messages by themselves", () => {
  const stream = { ...GOOD.stream, maxAgeMs: 60_000, maxMessages: 1_000 };
  const advice = startAdvice({ ...GOOD, stream });
  assert.match(advice[0] ?? "", /after 60 s \(max_age\).*at least 3600 s/);
  assert.match(advice[1] ?? "", /oldest messages/);
  const refusesNew = { ...GOOD.stream, maxMessages: 1_000, discard: "new" as const };
  assert.deepEqual(startAdvice({ ...GOOD, stream: refusesNew }), []);
});
