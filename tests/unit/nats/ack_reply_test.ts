import assert from "node:assert/strict";
import { parseAckReply } from "../../../lib/nats/ack_reply.ts";

Deno.test("parseAckReply() reads the form with nine tokens", () => {
  assert.deepEqual(
    parseAckReply("$JS.ACK.stream.durable.3.4100.17.1795536347816729010.19"),
    { sequence: 4100, storedNs: "1795536347816729010", deliveryCount: 3 },
  );
});

Deno.test("parseAckReply() reads the form with domain and account", () => {
  assert.deepEqual(
    parseAckReply("$JS.ACK.hub.ACC123.stream.durable.1.2.3.1795536347816729010.0"),
    { sequence: 2, storedNs: "1795536347816729010", deliveryCount: 1 },
  );
});

Deno.test("parseAckReply() reads the form with a token behind the pending count", () => {
  assert.deepEqual(
    parseAckReply("$JS.ACK._.ACC123.stream.durable.1.2.3.1795536347816729010.0.random"),
    { sequence: 2, storedNs: "1795536347816729010", deliveryCount: 1 },
  );
});

Deno.test("parseAckReply() keeps every digit of the stored time", () => {
  const fields = parseAckReply("$JS.ACK.s.d.1.1.1.9223372036854775807.0");
  assert.equal(fields?.storedNs, "9223372036854775807");
});

Deno.test("parseAckReply() gives null when the subject is none of JetStream's", () => {
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
