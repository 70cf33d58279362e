import assert from "node:assert/strict";
import { storedNs } from "../../../lib/ingest/delivery.ts";
import { AckSender } from "../../../lib/nats/ack_sender.ts";
import { CoreMessage } from "../../../lib/nats/core_message.ts";
import { AckReply } from "../../../lib/nats/ack_reply.ts";
import { messageOf, type MessageSource, StreamMessage } from "../../../lib/nats/stream_message.ts";
import { ORIGIN } from "../../support/deliveries.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const REPLY = "$JS.ACK.s.d.2.5.9.1700000000000000001.0";

/** What the server sends for a message, among other bytes. */
const FRAME = new TextEncoder().encode(`PING\r\nMSG inbox 1 ${REPLY} 2\r\n[]\r\nPING\r\n`);

/** The message as it stands among other bytes. */
function messageIn(source: MessageSource, bytes: Uint8Array): StreamMessage {
  const replyStart = "PING\r\nMSG inbox 1 ".length;
  const replyEnd = replyStart + REPLY.length;
  const payloadStart = replyEnd + " 2\r\n".length;
  const fields = new AckReply();
  assert.ok(fields.read(bytes, replyStart, replyEnd));
  const place = { replyStart, replyEnd, payloadStart, payloadEnd: payloadStart + 2 };
  return new StreamMessage(source, fields, bytes, place);
}

interface Recorded {
  readonly message: StreamMessage;
  readonly source: MessageSource;
  /** What the message was read from. */
  readonly bytes: Uint8Array;
  readonly published: string[];
}

function recorded(maxDeliver = Infinity): Recorded {
  const published: string[] = [];
  const publisher = {
    publish(subject: string, payload: Uint8Array): void {
      published.push(`${subject} ${new TextDecoder().decode(payload)}`);
    },
  };
  const acks = new AckSender(
    (frames) => published.push(new TextDecoder().decode(frames)),
    new FakeClock(),
  );
  const source = { publisher, acks, origin: ORIGIN, maxDeliver, isGone: false };
  const bytes = new Uint8Array(FRAME);
  return { message: messageIn(source, bytes), source, bytes, published };
}

Deno.test("StreamMessage names the stored message", () => {
  const { identity } = recorded().message;
  assert.equal(identity.origin, ORIGIN);
  assert.equal(identity.sequence, 5);
  assert.equal(storedNs(identity), "1700000000000000001");
});

Deno.test("StreamMessage.ack() sends an ack to the reply subject", async () => {
  const { message, published } = recorded();
  message.ack();
  await Promise.resolve();
  assert.deepEqual(published, [`PUB ${REPLY} 4\r\n+ACK\r\n`]);
});

Deno.test("StreamMessage publishes each other settlement to the reply subject", () => {
  const { message, published } = recorded();
  message.extend();
  message.term();
  message.nak(0);
  message.nak(1_500);
  assert.deepEqual(published, [
    `${REPLY} +WPI`,
    `${REPLY} +TERM`,
    `${REPLY} -NAK`,
    `${REPLY} -NAK {"delay":1500000000}`,
  ]);
});

Deno.test("StreamMessage does not throw when the connection is closed", () => {
  const publisher = {
    publish(): void {
      throw new Error("closed");
    },
  };
  const acks = new AckSender(() => {}, new FakeClock());
  const source = { publisher, acks, origin: ORIGIN, maxDeliver: Infinity, isGone: false };
  messageIn(source, FRAME).term();
});

Deno.test("StreamMessage settles nothing once its consumer is gone", async () => {
  const { message, source, published } = recorded();
  source.isGone = true;
  message.ack();
  message.extend();
  message.term();
  message.nak(0);
  await Promise.resolve();
  assert.deepEqual(published, []);
});

Deno.test("StreamMessage knows its last delivery", () => {
  assert.equal(recorded(3).message.isLastDelivery, false);
  assert.equal(recorded(2).message.isLastDelivery, true);
});

Deno.test("StreamMessage.payload is a view until detach(), and what it needs is kept", async () => {
  const { message, bytes, published } = recorded();
  assert.equal(message.payload.buffer, bytes.buffer);
  assert.equal(message.payloadBytes, 2);
  message.detach();
  bytes.fill(0);
  const { payload } = message;
  message.detach();
  assert.equal(message.payload.buffer, payload.buffer, "copied once");
  assert.equal(new TextDecoder().decode(payload), "[]");
  assert.equal(message.payloadBytes, 2);
  message.ack();
  message.term();
  await Promise.resolve();
  assert.deepEqual(published, [`${REPLY} +TERM`, `PUB ${REPLY} 4\r\n+ACK\r\n`]);
});

Deno.test("StreamMessage.detach() leaves headers behind", async () => {
  const { source, published } = recorded();
  const headers = `NATS/1.0\r\nkey: ${"x".repeat(200)}\r\n\r\n`;
  const before = `HMSG inbox 1 ${REPLY} ${headers.length} ${headers.length + 2}\r\n`;
  const bytes = new TextEncoder().encode(`${before}${headers}[]\r\nPING\r\n`);
  const replyStart = "HMSG inbox 1 ".length;
  const replyEnd = replyStart + REPLY.length;
  const payloadStart = before.length + headers.length;
  const fields = new AckReply();
  assert.ok(fields.read(bytes, replyStart, replyEnd));
  const place = { replyStart, replyEnd, payloadStart, payloadEnd: payloadStart + 2 };
  const message = new StreamMessage(source, fields, bytes, place);
  message.detach();
  bytes.fill(0);
  assert.equal(message.payload.buffer.byteLength, REPLY.length + 2);
  assert.equal(new TextDecoder().decode(message.payload), "[]");
  message.ack();
  await Promise.resolve();
  assert.deepEqual(published, [`PUB ${REPLY} 4\r\n+ACK\r\n`]);
});

Deno.test("messageOf() makes a message of parts, or none", () => {
  const { source } = recorded();
  const payload = new Uint8Array([1, 2, 3]);
  const message = messageOf(source, new AckReply(), REPLY, payload);
  payload.fill(0);
  assert.deepEqual(message?.payload, new Uint8Array([1, 2, 3]));
  assert.equal(message?.sequence, 5);
  assert.equal(messageOf(source, new AckReply(), "_INBOX.x", payload), null);
});

Deno.test("CoreMessage has no identity, and lets its buffer go with detach()", () => {
  const bytes = new Uint8Array([1, 2, 3]);
  const message = new CoreMessage(bytes.subarray(1));
  assert.equal(message.identity, null);
  message.detach();
  bytes.fill(0);
  assert.deepEqual(message.payload, new Uint8Array([2, 3]));
  assert.equal(message.payloadBytes, 2);
});
