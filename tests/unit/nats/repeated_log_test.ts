import assert from "node:assert/strict";
import { RepeatedLog } from "../../../lib/nats/repeated_log.ts";

Deno.test("RepeatedLog writes the first, tenth and hundredth of a message", () => {
  const counts: unknown[] = [];
  const ignore = (): void => {};
  const log = new RepeatedLog({
    debug: ignore,
    info: ignore,
    warn: (_message, fields) => counts.push(fields?.count),
    error: ignore,
  });
  for (let i = 0; i < 150; i++) log.warn("away");
  assert.deepEqual(counts, [undefined, 10, 100]);
  log.clear();
  log.warn("away");
  assert.equal(counts.length, 4);
});
