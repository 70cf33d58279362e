import assert from "node:assert/strict";
import { AckSender } from "../../../lib/nats/ack_sender.ts";
import { FakeClock } from "../../support/fake_clock.ts";

interface Recorded {
  readonly acks: AckSender;
  readonly add: (reply: string) => void;
  readonly frames: string[];
  readonly clock: FakeClock;
}

function recorded(): Recorded {
  const frames: string[] = [];
  const clock = new FakeClock();
  const acks = new AckSender((bytes) => frames.push(new TextDecoder().decode(bytes)), clock);
  const add = (reply: string): void => {
    const bytes = new TextEncoder().encode(`MSG 1 ${reply} 12`);
    acks.add(bytes, 6, bytes.length - 3);
    bytes.fill(0); // what was handed over may be used again
  };
  return { acks, add, frames, clock };
}

Deno.test("AckSender sends the acks of one synchronous stretch as one piece, in order", async () => {
  const { add, frames } = recorded();
  add("$JS.ACK.a");
  add("$JS.ACK.b");
  assert.deepEqual(frames, []);
  await Promise.resolve();
  assert.deepEqual(frames, ["PUB $JS.ACK.a 4\r\n+ACK\r\nPUB $JS.ACK.b 4\r\n+ACK\r\n"]);
});

Deno.test("AckSender sends every ack once when many come together", async () => {
  const { add, frames } = recorded();
  const replies = Array.from({ length: 1_300 }, (_, index) => `reply.${index}`);
  for (const reply of replies) add(reply);
  await Promise.resolve();
  assert.equal(frames.join(""), replies.map((reply) => `PUB ${reply} 4\r\n+ACK\r\n`).join(""));
  assert.equal(frames.length, 3);
});

Deno.test("AckSender goes on after a piece was sent", async () => {
  const { add, frames } = recorded();
  add("first");
  await Promise.resolve();
  add("second");
  await Promise.resolve();
  assert.deepEqual(frames, ["PUB first 4\r\n+ACK\r\n", "PUB second 4\r\n+ACK\r\n"]);
});

Deno.test("AckSender sends reply subjects however long they are", async () => {
  const { add, frames } = recorded();
  const replies = ["short", "a".repeat(40_000), "b".repeat(100_000), "c".repeat(40_000)];
  for (const reply of replies) add(reply);
  await Promise.resolve();
  assert.equal(frames.join(""), replies.map((reply) => `PUB ${reply} 4\r\n+ACK\r\n`).join(""));
});

Deno.test("AckSender sends what it held back, in order, and what comes behind", async () => {
  const { acks, add, frames } = recorded();
  add("before");
  acks.hold();
  await Promise.resolve();
  add("held");
  await Promise.resolve();
  acks.hold();
  assert.deepEqual(frames, []);
  acks.release();
  add("behind");
  await Promise.resolve();
  const sent = ["before", "held", "behind"].map((reply) => `PUB ${reply} 4\r\n+ACK\r\n`);
  assert.deepEqual(frames, sent);
});

Deno.test("AckSender forgets what it held back when that is to be dropped, and goes on", async () => {
  const { acks, add, frames } = recorded();
  acks.hold();
  add("held");
  await Promise.resolve();
  add("in this stretch");
  acks.drop();
  add("behind");
  await Promise.resolve();
  assert.deepEqual(frames, ["PUB behind 4\r\n+ACK\r\n"]);
});

Deno.test("AckSender drops nothing that was not held back", async () => {
  const { acks, add, frames } = recorded();
  add("given");
  acks.drop();
  acks.release();
  await Promise.resolve();
  assert.deepEqual(frames, ["PUB given 4\r\n+ACK\r\n"]);
});

/** As {@linkcode recorded}, where the server does not wait for acks. */
function patient(): Recorded {
  const all = recorded();
  all.acks.mayWait = true;
  return all;
}

function framesOf(...replies: string[]): string {
  return replies.map((reply) => `PUB ${reply} 4\r\n+ACK\r\n`).join("");
}

Deno.test("AckSender lets acks that may wait go with the next thing sent", async () => {
  const { acks, add, frames, clock } = patient();
  add("a");
  await clock.advance(1);
  add("b");
  assert.deepEqual(frames, []);
  acks.flush();
  assert.deepEqual(frames, [framesOf("a", "b")]);
  acks.flush();
  await clock.advance(100);
  assert.deepEqual(frames, [framesOf("a", "b")]);
});

Deno.test("AckSender lets no ack wait for more than five milliseconds", async () => {
  const { add, frames, clock } = patient();
  add("a");
  await clock.advance(5);
  assert.deepEqual(frames, [framesOf("a")]);
  add("b");
  await clock.advance(5);
  assert.deepEqual(frames, [framesOf("a"), framesOf("b")]);
});

Deno.test("AckSender sends many acks at once though they may wait", () => {
  const { add, frames } = patient();
  const replies = Array.from({ length: 513 }, (_, index) => `reply.${index}`);
  for (const reply of replies) add(reply);
  assert.deepEqual(frames, [framesOf(...replies.slice(0, 512))]);
});

Deno.test("AckSender holds back what waited when the connection went away", async () => {
  const { acks, add, frames, clock } = patient();
  add("a");
  acks.hold();
  await clock.advance(5);
  acks.flush();
  assert.deepEqual(frames, []);
  acks.release();
  assert.deepEqual(frames, [framesOf("a")]);
});

Deno.test("AckSender.close() sends what waits", async () => {
  const { acks, add, frames, clock } = patient();
  add("a");
  acks.close();
  await clock.advance(100);
  assert.deepEqual(frames, [framesOf("a")]);
});
