import assert from "node:assert/strict";
import { storedNs } from "../../../lib/ingest/delivery.ts";
import { AckReply } from "../../../lib/nats/ack_reply.ts";

interface Fields {
  readonly sequence: number;
  readonly storedNs: string;
  readonly deliveryCount: number;
}

/** What one reader after another message says of a reply subject in the middle of other bytes. */
function readerOf(): (reply: string) => Fields | null {
  const fields = new AckReply();
  return (reply) => {
    const bytes = new TextEncoder().encode(`MSG 1 ${reply} 12`);
    if (!fields.read(bytes, 6, bytes.length - 3)) return null;
    const { sequence, deliveryCount } = fields;
    return { sequence, storedNs: storedNs(fields), deliveryCount };
  };
}

function parseAckReply(reply: string): Fields | null {
  return readerOf()(reply);
}

Deno.test("AckReply reads the form with nine tokens", () => {
  assert.deepEqual(
    parseAckReply("$JS.ACK.stream.durable.3.4100.17.1795536347816729010.19"),
    { sequence: 4100, storedNs: "1795536347816729010", deliveryCount: 3 },
  );
});

Deno.test("AckReply reads the form with domain and account", () => {
  assert.deepEqual(
    parseAckReply("$JS.ACK.hub.ACC123.stream.durable.1.2.3.1795536347816729010.0"),
    { sequence: 2, storedNs: "1795536347816729010", deliveryCount: 1 },
  );
});

Deno.test("AckReply reads the form with a token behind the pending count", () => {
  assert.deepEqual(
    parseAckReply("$JS.ACK._.ACC123.stream.durable.1.2.3.1795536347816729010.0.random"),
    { sequence: 2, storedNs: "1795536347816729010", deliveryCount: 1 },
  );
});

Deno.test("AckReply keeps every digit of the stored time", () => {
  const fields = parseAckReply("$JS.ACK.s.d.1.1.1.9223372036854775807.0");
  assert.equal(fields?.storedNs, "9223372036854775807");
  for (const storedNs of ["0", "7", "999999999", "1000000000", "1000000007", "12000000000"]) {
    assert.equal(parseAckReply(`$JS.ACK.s.d.1.1.1.${storedNs}.0`)?.storedNs, storedNs);
  }
});

Deno.test("AckReply reads nothing when the subject is none of JetStream's", () => {
  for (
    const reply of [
      "",
      "_INBOX.abc.1",
      "$JS.ACK.s.d.1.1.1.2",
      "$JS.ACK.s.d.1.1.1.2.3.4",
      "$JS.ACK.s.d.x.1.1.2.3",
      "$JS.ACK.s.d.1..1.2.3",
      "$JS.ACK.s.d.1.1.1.-2.3",
      "$JS.FC.s.d.1.1.1.2.3",
    ]
  ) {
    assert.equal(parseAckReply(reply), null, reply);
  }
});

Deno.test("AckReply reads the next message of the same consumer, and of another one", () => {
  const read = readerOf();
  for (
    const [reply, fields] of [
      ["$JS.ACK.s.d.1.1.1.1795536347816729010.9", [1, "1795536347816729010", 1]],
      ["$JS.ACK.s.d.2.12.3.1795536347816729011.0", [12, "1795536347816729011", 2]],
      ["$JS.ACK.s.other.3.13.3.1795536347816729012.0", [13, "1795536347816729012", 3]],
      ["$JS.ACK.s.other.d.s.4.14.3.1795536347816729013.0.x", [14, "1795536347816729013", 4]],
      ["$JS.ACK.s.other.5.15.3.1795536347816729014.0", [15, "1795536347816729014", 5]],
    ] as const
  ) {
    const { sequence, storedNs, deliveryCount } = read(reply) ?? {};
    assert.deepEqual([sequence, storedNs, deliveryCount], fields, reply);
  }
  for (const behind of ["1.1.1.1", "1.1.1.1.1.1", "x.1.1.1.1", "1..1.1.1", "1.1.1.-2.1"]) {
    assert.equal(read(`$JS.ACK.s.other.${behind}`), null, behind);
  }
});
