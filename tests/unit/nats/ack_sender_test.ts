import assert from "node:assert/strict";
import { AckSender } from "../../../lib/nats/ack_sender.ts";

function recorded(): { readonly acks: AckSender; readonly frames: string[] } {
  const frames: string[] = [];
  const acks = new AckSender((bytes) => frames.push(new TextDecoder().decode(bytes)));
  return { acks, frames };
}

Deno.test("AckSender sends the acks of one synchronous stretch as one piece, in order", async () => {
  const { acks, frames } = recorded();
  acks.add("$JS.ACK.a");
  acks.add("$JS.ACK.b");
  assert.deepEqual(frames, []);
  await Promise.resolve();
  assert.deepEqual(frames, ["PUB $JS.ACK.a 4\r\n+ACK\r\nPUB $JS.ACK.b 4\r\n+ACK\r\n"]);
});

Deno.test("AckSender sends every ack once when many come together", async () => {
  const { acks, frames } = recorded();
  const replies = Array.from({ length: 1_300 }, (_, index) => `reply.${index}`);
  for (const reply of replies) acks.add(reply);
  await Promise.resolve();
  assert.equal(frames.join(""), replies.map((reply) => `PUB ${reply} 4\r\n+ACK\r\n`).join(""));
  assert.equal(frames.length, 3);
});

Deno.test("AckSender goes on after a piece was sent", async () => {
  const { acks, frames } = recorded();
  acks.add("first");
  await Promise.resolve();
  acks.add("second");
  await Promise.resolve();
  assert.deepEqual(frames, ["PUB first 4\r\n+ACK\r\n", "PUB second 4\r\n+ACK\r\n"]);
});
