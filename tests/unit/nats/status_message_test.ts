import assert from "node:assert/strict";
import type { RouteStatus } from "../../../lib/ingest/ports.ts";
import { encodeStatus } from "../../../lib/nats/status_message.ts";

const MAX_PAYLOAD = 1024 * 1024;

const COMPLETED: RouteStatus = {
  routeId: "r1",
  status: "COMPLETED",
  exception: "",
  data: null,
  messageId: "id",
};

function textOf(status: RouteStatus, payloadBytesMax = MAX_PAYLOAD): string {
  return new TextDecoder().decode(encodeStatus(status, payloadBytesMax));
}

Deno.test("encodeStatus() leaves an empty exception out", () => {
  assert.equal(
    textOf(COMPLETED),
    '{"type":"models","route_id":"r1","status":"COMPLETED","data":null}',
  );
});

Deno.test("encodeStatus() keeps the contract's order of keys", () => {
  const status: RouteStatus = {
    ...COMPLETED,
    status: "FAILED",
    exception: "2 rows rejected",
    data: { rejected: 2 },
  };
  assert.equal(
    textOf(status),
    '{"type":"models","route_id":"r1","status":"FAILED","exception":"2 rows rejected",' +
      '"data":{"rejected":2}}',
  );
});

Deno.test("encodeStatus() drops data that is too large and says so", () => {
  const status = { ...COMPLETED, exception: "why", data: { rows: "x".repeat(100_000) } };
  const message = JSON.parse(textOf(status));
  assert.equal(message.exception, "why");
  assert.match(message.data.truncated, /100011 bytes/);
});

Deno.test("encodeStatus() cuts a long exception to what the server takes", () => {
  const status = { ...COMPLETED, exception: "😀".repeat(50_000), data: { a: 1 } };
  for (const payloadBytesMax of [MAX_PAYLOAD, 8_000, 2_000]) {
    const bytes = encodeStatus(status, payloadBytesMax);
    assert.ok(bytes.byteLength <= payloadBytesMax);
    const { exception } = JSON.parse(new TextDecoder().decode(bytes));
    assert.match(exception, /^(😀)+…$/u);
  }
});
