import assert from "node:assert/strict";
import { storedNs } from "../../../lib/ingest/delivery.ts";
import { AckSender } from "../../../lib/nats/ack_sender.ts";
import { CoreMessage } from "../../../lib/nats/core_message.ts";
import { AckReply } from "../../../lib/nats/ack_reply.ts";
import { MessageBlocks } from "../../../lib/nats/message_block.ts";
import type { MessageSource } from "../../../lib/nats/message_source.ts";
import { ReadBuffer } from "../../../lib/nats/read_buffer.ts";
import { messageOf, StreamMessage } from "../../../lib/nats/stream_message.ts";
import { ORIGIN } from "../../support/deliveries.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const REPLY = "$JS.ACK.s.d.2.5.9.1700000000000000001.0";

/** What the server sends for a message, among other bytes. */
const FRAME = new TextEncoder().encode(`PING\r\nMSG inbox 1 ${REPLY} 2\r\n[]\r\nPING\r\n`);

/** The message as it stands among other bytes. */
function messageIn(
  source: MessageSource,
  bytes: Uint8Array,
  { blocks = new MessageBlocks(), buffer = null as ReadBuffer | null } = {},
): StreamMessage {
  const replyStart = "PING\r\nMSG inbox 1 ".length;
  const replyEnd = replyStart + REPLY.length;
  const payloadStart = replyEnd + " 2\r\n".length;
  const fields = new AckReply();
  assert.ok(fields.read(bytes, replyStart, replyEnd));
  const place = { replyStart, replyEnd, payloadStart, payloadEnd: payloadStart + 2 };
  return new StreamMessage(blocks.of(source), fields, bytes, place, buffer);
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
  const { message, source, bytes, published } = recorded();
  message.extend();
  message.term();
  messageIn(source, bytes).nak(0);
  messageIn(source, bytes).nak(1_500);
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
  message.extend();
  message.ack();
  await Promise.resolve();
  assert.deepEqual(published, [`${REPLY} +WPI`, `PUB ${REPLY} 4\r\n+ACK\r\n`]);
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
  const message = new StreamMessage(new MessageBlocks().of(source), fields, bytes, place, null);
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
  const parts = { source, blocks: new MessageBlocks(), fields: new AckReply() };
  const message = messageOf(parts, REPLY, payload);
  payload.fill(0);
  assert.deepEqual(message?.payload, new Uint8Array([1, 2, 3]));
  assert.equal(message?.sequence, 5);
  assert.equal(messageOf(parts, "_INBOX.x", payload), null);
});

Deno.test("StreamMessage holds numbers of any size that a server may send", () => {
  const { source } = recorded();
  const parts = { source, blocks: new MessageBlocks(), fields: new AckReply() };
  const reply = "$JS.ACK.s.d.2147483647.9007199254740991.1.9000000000999999999.0";
  const message = messageOf(parts, reply, new Uint8Array());
  assert.ok(message !== null);
  assert.equal(message.sequence, Number.MAX_SAFE_INTEGER);
  assert.equal(message.deliveryCount, 2_147_483_647);
  assert.equal(storedNs(message), "9000000000999999999");
});

Deno.test("StreamMessage is its own delivery once it is held", () => {
  const { message } = recorded();
  const records = { recordsStart: 1, recordsEnd: 2, isList: true, recordCount: 3 };
  const delivery = message.hold(records, "route", { receivedAtMs: 1e13, heldSinceMs: 5 });
  const { recordsStart, recordsEnd, isList, recordCount } = delivery;
  assert.deepEqual({ recordsStart, recordsEnd, isList, recordCount }, records);
  assert.deepEqual([delivery.routeId, delivery.receivedAtMs, delivery.heldSinceMs], [
    "route",
    1e13,
    5,
  ]);
  assert.equal(delivery.message, message);
});

const SETTLEMENTS = {
  ack: (message: StreamMessage) => message.ack(),
  nak: (message: StreamMessage) => message.nak(0),
  term: (message: StreamMessage) => message.term(),
};

for (const [name, settle] of Object.entries(SETTLEMENTS)) {
  Deno.test(`StreamMessage.${name}() ends it: its buffer is free, and nobody may look at it`, async () => {
    const { source, published, bytes } = recorded();
    const given: Uint8Array[] = [];
    const buffer = new ReadBuffer(bytes, (free) => given.push(free));
    const message = messageIn(source, bytes, { buffer });
    buffer.unpin(); // it was taken for the reading
    assert.deepEqual(given, []);
    settle(message);
    await Promise.resolve();
    assert.deepEqual(given, [bytes]);
    assert.equal(published.length, 1);
    for (const look of ["payload", "sequence", "storedSeconds", "origin", "recordCount"] as const) {
      assert.throws(() => message[look], /Cannot look at a message that is settled/, look);
    }
    for (const again of Object.values(SETTLEMENTS)) again(message);
    message.extend();
    await Promise.resolve();
    assert.equal(published.length, 1, "settled once");
    assert.equal(given.length, 1);
  });
}

Deno.test("StreamMessage.detach() frees its buffer, and only once", () => {
  const { source, bytes } = recorded();
  const given: Uint8Array[] = [];
  const buffer = new ReadBuffer(bytes, (free) => given.push(free));
  const message = messageIn(source, bytes, { buffer });
  buffer.unpin();
  message.detach();
  message.detach();
  message.ack();
  assert.deepEqual(given, [bytes]);
});

Deno.test("StreamMessage frees its buffer when its consumer is gone", () => {
  const { source, bytes } = recorded();
  const given: Uint8Array[] = [];
  const buffer = new ReadBuffer(bytes, (free) => given.push(free));
  const message = messageIn(source, bytes, { buffer });
  buffer.unpin();
  source.isGone = true;
  message.ack();
  assert.deepEqual(given, [bytes]);
});

Deno.test("MessageBlocks uses a block again when all of its messages are settled", () => {
  const { source, bytes } = recorded();
  const blocks = new MessageBlocks();
  const numbers = new Set<Int32Array>();
  const waiting: StreamMessage[] = [];
  for (let i = 0; i < 10_000; i++) {
    numbers.add(blocks.of(source).numbers);
    waiting.push(messageIn(source, bytes, { blocks }));
    if (waiting.length <= 1_000) continue;
    // Out of order, as tables are flushed.
    const [one] = waiting.splice((i * 7919) % 500, 1);
    assert.equal(one?.sequence, 5);
    one.ack();
  }
  assert.ok(numbers.size < 40, `${numbers.size} blocks`);
  assert.ok(waiting.every(({ sequence, payloadBytes }) => sequence === 5 && payloadBytes === 2));
});

Deno.test("MessageBlocks keeps the messages of two sources apart", () => {
  const { source, bytes } = recorded();
  const other = { ...source, origin: { ...ORIGIN, created: "later" } };
  const blocks = new MessageBlocks();
  const first = messageIn(source, bytes, { blocks });
  const second = messageIn(other, bytes, { blocks });
  assert.deepEqual([first.origin.created, second.origin.created], [ORIGIN.created, "later"]);
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
