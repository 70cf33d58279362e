/** Which NATS messages the filter drops, and that it keeps the stream of bytes whole. */
import assert from "node:assert/strict";
import { NatsDrops } from "../../../dev/faults/nats_filter.ts";
import { NatsSplitter } from "../../../dev/faults/nats_splitter.ts";
import { Random } from "../../../dev/faults/random.ts";

const ACK = "PUB $JS.ACK.rows.rows.1.5.5.1700000000000000000.0 4\r\n+ACK\r\n";
const NAK = "PUB $JS.ACK.rows.rows.1.6.6.1700000000000000000.0 4\r\n-NAK\r\n";
const STATUS = "HPUB monitor inbox.1 12 14\r\nNATS/1.0\r\n\r\n{}\r\n";

const encoder = new TextEncoder();

function text(parts: readonly Uint8Array[]): string {
  return parts.map((part) => new TextDecoder().decode(part)).join("");
}

Deno.test("push() returns whole commands when bytes come one at a time", () => {
  const splitter = new NatsSplitter();
  const bytes = encoder.encode(`PING\r\n${ACK}${STATUS}`);
  const commands = [...bytes].flatMap((byte) => splitter.push(Uint8Array.of(byte)));
  assert.deepEqual(commands.map(({ subject, reply, payload }) => [subject, reply, payload]), [
    [null, null, null],
    ["$JS.ACK.rows.rows.1.5.5.1700000000000000000.0", null, "+ACK"],
    ["monitor", "inbox.1", "{}"],
  ]);
  assert.equal(text(commands.map((command) => command.bytes)), `PING\r\n${ACK}${STATUS}`);
});

Deno.test("push() keeps a payload that looks like a command whole", () => {
  const command = "MSG rows 1 reply 6\r\nPING\r\n\r\n";
  const [only, ...others] = new NatsSplitter().push(encoder.encode(command));
  assert.equal(others.length, 0);
  assert.deepEqual([only?.subject, only?.reply, only?.payload], ["rows", "reply", "PING\r\n"]);
});

Deno.test("fromClient() drops acks and nothing else when all acks are to be lost", () => {
  const drops = new NatsDrops(new Random(1));
  drops.ackShare = 1;
  const { forward } = drops.filter().fromClient(encoder.encode(`PING\r\n${ACK}${NAK}${STATUS}`));
  assert.equal(text(forward), `PING\r\n${NAK}${STATUS}`);
  assert.equal(drops.acksDropped, 1);
});

Deno.test("fromServer() drops the confirmation of a status when confirmations are to be lost", () => {
  const drops = new NatsDrops(new Random(1));
  drops.confirmationShare = 1;
  drops.confirmedSubject = "monitor";
  const filter = drops.filter();
  assert.equal(text(filter.fromClient(encoder.encode(STATUS)).forward), STATUS);
  const answers = "MSG inbox.1 1 2\r\n{}\r\nMSG inbox.2 1 2\r\n{}\r\n";
  const { forward } = filter.fromServer(encoder.encode(answers));
  assert.equal(text(forward), "MSG inbox.2 1 2\r\n{}\r\n");
  assert.equal(drops.confirmationsDropped, 1);
});
