import assert from "node:assert/strict";
import { AckSender } from "../../../lib/nats/ack_sender.ts";
import { CoreMessage } from "../../../lib/nats/core_message.ts";
import { StreamMessage } from "../../../lib/nats/stream_message.ts";
import { ORIGIN } from "../../support/deliveries.ts";

const FIELDS = { sequence: 5, storedNs: "1700000000000000001", deliveryCount: 2 };

interface Recorded {
  readonly message: StreamMessage;
  readonly published: string[];
}

function recorded(maxDeliver = Infinity): Recorded {
  const published: string[] = [];
  const publisher = {
    publish(subject: string, payload: Uint8Array): void {
      published.push(`${subject} ${new TextDecoder().decode(payload)}`);
    },
  };
  const acks = new AckSender((frames) => published.push(new TextDecoder().decode(frames)));
  const source = { publisher, acks, origin: ORIGIN, maxDeliver };
  const message = new StreamMessage(source, "reply", FIELDS, new Uint8Array([1, 2]));
  return { message, published };
}

Deno.test("StreamMessage names the stored message", () => {
  const { identity } = recorded().message;
  assert.equal(identity.origin, ORIGIN);
  assert.equal(identity.sequence, 5);
  assert.equal(identity.storedNs, "1700000000000000001");
});

Deno.test("StreamMessage.ack() sends an ack to the reply subject", async () => {
  const { message, published } = recorded();
  message.ack();
  await Promise.resolve();
  assert.deepEqual(published, ["PUB reply 4\r\n+ACK\r\n"]);
});

Deno.test("StreamMessage publishes each other settlement to the reply subject", () => {
  const { message, published } = recorded();
  message.extend();
  message.term();
  message.nak(0);
  message.nak(1_500);
  assert.deepEqual(published, [
    "reply +WPI",
    "reply +TERM",
    "reply -NAK",
    'reply -NAK {"delay":1500000000}',
  ]);
});

Deno.test("StreamMessage does not throw when the connection is closed", () => {
  const publisher = {
    publish(): void {
      throw new Error("closed");
    },
  };
  const acks = new AckSender(() => {});
  const source = { publisher, acks, origin: ORIGIN, maxDeliver: Infinity };
  new StreamMessage(source, "reply", FIELDS, new Uint8Array()).term();
});

Deno.test("StreamMessage knows its last delivery", () => {
  assert.equal(recorded(3).message.isLastDelivery, false);
  assert.equal(recorded(2).message.isLastDelivery, true);
});

Deno.test("StreamMessage gives its payload during the hand-over only", () => {
  const { message } = recorded();
  assert.deepEqual(message.payload, new Uint8Array([1, 2]));
  message.release();
  assert.throws(() => message.payload, TypeError);
});

Deno.test("CoreMessage has no identity and gives its payload during the hand-over only", () => {
  const message = new CoreMessage(new Uint8Array([1]));
  assert.equal(message.identity, null);
  assert.equal(message.payload.length, 1);
  message.release();
  assert.throws(() => message.payload, TypeError);
});
