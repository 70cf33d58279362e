import assert from "node:assert/strict";
import { readPullStatus } from "../../../lib/nats/pull_status.ts";

function status(code: number, description: string, pendingMessages = ""): unknown {
  return readPullStatus({ code, description, pendingMessages });
}

Deno.test("readPullStatus() takes 100 for a heartbeat", () => {
  assert.deepEqual(status(100, "Idle Heartbeat"), { kind: "heartbeat" });
});

Deno.test("readPullStatus() gives back what a request that ended did not use", () => {
  const ended = (messagesLeft: number | null, isOversized = false): unknown => ({
    kind: "ended",
    messagesLeft,
    isOversized,
  });
  assert.deepEqual(status(408, "Request Timeout", "91"), ended(91));
  assert.deepEqual(status(404, "No Messages"), ended(null));
  assert.deepEqual(status(409, "Batch Completed", "0"), ended(0));
  assert.deepEqual(status(409, "Message Size Exceeds MaxBytes", "7"), ended(7, true));
});

Deno.test("readPullStatus() tells a refused request from a lost consumer", () => {
  for (const text of ["Exceeded MaxWaiting", "Exceeded MaxRequestBatch of 50"]) {
    assert.deepEqual(status(409, text), { kind: "refused" }, text);
  }
  const lost = [
    "Consumer Deleted",
    "Consumer is push based",
    "Leadership Change",
    "Server Shutdown",
  ];
  for (const text of lost) assert.deepEqual(status(409, text), { kind: "lost" }, text);
});

Deno.test("readPullStatus() takes no responders and unknown codes for a lost consumer", () => {
  assert.deepEqual(status(503, ""), { kind: "lost" });
  assert.deepEqual(status(499, "Something New"), { kind: "lost" });
});
