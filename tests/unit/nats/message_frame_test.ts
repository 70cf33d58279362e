import assert from "node:assert/strict";
import { MessageFrame } from "../../../lib/nats/message_frame.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function kindOf(text: string): string {
  return new MessageFrame().read(encoder.encode(text), 0);
}

/** Subscription, reply subject and payload. */
function messageOf(text: string): [number, string, string] {
  const bytes = encoder.encode(text);
  const frame = new MessageFrame();
  assert.equal(frame.read(bytes, 0), "message");
  assert.equal(frame.end, bytes.length);
  return [
    frame.subscription,
    decoder.decode(bytes.subarray(frame.replyStart, frame.replyEnd)),
    decoder.decode(bytes.subarray(frame.payloadStart, frame.payloadEnd)),
  ];
}

Deno.test("MessageFrame.read() finds subscription, reply and payload of a message", () => {
  assert.deepEqual(messageOf("MSG _INBOX.a.1 12 $JS.ACK.s 5\r\nhello\r\n"), [
    12,
    "$JS.ACK.s",
    "hello",
  ]);
});

Deno.test("MessageFrame.read() leaves headers out of the payload", () => {
  assert.deepEqual(messageOf("HMSG a 1 reply 12 17\r\nNATS/1.0\r\n\r\nhello\r\n"), [
    1,
    "reply",
    "hello",
  ]);
});

Deno.test("MessageFrame.read() finds a message with an empty payload", () => {
  assert.deepEqual(messageOf("MSG a 1 reply 0\r\n\r\n"), [1, "reply", ""]);
});

Deno.test("MessageFrame.read() calls frames other that are none of a stream's messages", () => {
  for (
    const text of [
      "PING\r\n",
      "PONG\r\n",
      "+OK\r\n",
      "-ERR 'Slow Consumer'\r\n",
      'INFO {"server_id":"x"}\r\n',
      "MSG a 1 5\r\nhello\r\n",
      "HMSG a 1 12 17\r\nNATS/1.0\r\n\r\nhello\r\n",
      "HMSG a 1 reply 25 25\r\nNATS/1.0 404 Not Found\r\n\r\n",
    ]
  ) {
    const frame = new MessageFrame();
    assert.equal(frame.read(encoder.encode(text), 0), "other", text);
    if (!text.includes("404")) assert.equal(frame.end, text.length, text);
  }
});

Deno.test("MessageFrame.read() says where a message ends whose payload is not complete", () => {
  const frame = new MessageFrame();
  assert.equal(frame.read(encoder.encode("MSG a 1 reply 500\r\nhel"), 0), "message");
  assert.equal(frame.end, 19 + 500 + 2);
});

Deno.test("MessageFrame.read() is short wherever the first line is cut", () => {
  for (const line of ["HMSG a.b 1 reply 12 17\r\n", "MSG a.b 1 reply 5\r\n", "PING\r\n"]) {
    for (let end = 1; end < line.length; end++) {
      assert.equal(kindOf(line.slice(0, end)), "short", line.slice(0, end));
    }
  }
});

Deno.test("MessageFrame.read() does not guess at what is spelled otherwise", () => {
  for (
    const text of [
      "MSG  a 1 reply 0\r\n\r\n",
      "MSG a\t1 reply 0\r\n\r\n",
      "MSG a x reply 0\r\n\r\n",
      "MSG a 1  0\r\n\r\n",
      "MSG a 1 reply 1234567890\r\n",
      "MSG a 1 reply 0 \r\n\r\n",
      "MSG a 1 reply 0\n\r\n",
      "HMSG a 1 reply 5 4\r\n",
      "MSGS a 1 reply 0\r\n\r\n",
    ]
  ) assert.equal(kindOf(text), "unknown", JSON.stringify(text));
});
