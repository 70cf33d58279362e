import assert from "node:assert/strict";
import { pullTimes } from "../../../lib/nats/pull_times.ts";

Deno.test("pullTimes() waits half a minute when the consumer allows it", () => {
  assert.deepEqual(pullTimes({}), { expiresMs: 30_000, heartbeatMs: 5_000, silenceMaxMs: 12_500 });
});

Deno.test("pullTimes() stays within the consumer's max_expires", () => {
  assert.deepEqual(pullTimes({ max_expires: 3e9 }), {
    expiresMs: 3_000,
    heartbeatMs: 1_000,
    silenceMaxMs: 2_500,
  });
});
