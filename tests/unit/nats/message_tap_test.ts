import assert from "node:assert/strict";
import { type Dispatcher, Parser, type ParserEvent, State } from "@nats-io/nats-core/internal";
import fc from "fast-check";
import { type ReadBuffer, ReadBufferPool } from "../../../lib/nats/read_buffer.ts";
import { MessageTap } from "../../../lib/nats/message_tap.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The subscription that the tap listens to. */
const OURS = 7;

/** Everything that came, in order, whoever took it: kind, subscription, reply, payload. */
interface Received {
  readonly events: string[];
  readonly tapped: string[];
}

/** A client's parser behind a tap. */
class TappedClient {
  readonly received: Received = { events: [], tapped: [] };
  readonly parser: Parser;
  readonly tap: MessageTap;

  constructor() {
    const dispatcher: Dispatcher<ParserEvent> = {
      push: (event) => {
        if (typeof event !== "function") this.#push(event);
      },
    };
    this.parser = new Parser(dispatcher);
    this.tap = new MessageTap(() => this.parser.state === State.OP_START);
  }

  listen(): Disposable {
    return this.tap.listen(OURS, (bytes, { replyStart, replyEnd, payloadStart, payloadEnd }) => {
      const reply = decoder.decode(bytes.subarray(replyStart, replyEnd));
      const payload = decoder.decode(bytes.subarray(payloadStart, payloadEnd));
      const text = `MSG ${OURS} ${reply} ${payload}`;
      this.received.events.push(text);
      this.received.tapped.push(text);
    });
  }

  #push(event: ParserEvent): void {
    const { msg, data } = event;
    if (msg === undefined) {
      this.received.events.push(`${event.kind} ${decoder.decode(data)}`);
      return;
    }
    const payload = data?.subarray(Math.max(0, msg.hdr));
    const reply = decoder.decode(msg.reply);
    this.received.events.push(`MSG ${msg.sid} ${reply} ${decoder.decode(payload)}`);
  }
}

/** Feeds the text to a client in chunks of the given sizes, each in a buffer of its own or not. */
function receive(text: string, sizes: readonly number[], isShared: boolean): Received {
  const client = new TappedClient();
  client.listen();
  const stream = client.tap.openStream();
  const bytes = encoder.encode(text);
  const left = [...sizes];
  for (let at = 0; at < bytes.length;) {
    const size = left.shift() ?? bytes.length;
    left.push(size);
    const part = bytes.subarray(at, at + size);
    for (const piece of stream.take(isShared ? part : new Uint8Array(part), null)) {
      client.parser.parse(piece);
    }
    at += size;
  }
  return client.received;
}

function untapped(text: string): readonly string[] {
  const client = new TappedClient();
  client.parser.parse(encoder.encode(text));
  return client.received.events;
}

function message(subscription: number, payload: string, headers = ""): string {
  const bytes = encoder.encode(payload).length + headers.length;
  return headers === ""
    ? `MSG _INBOX.x ${subscription} $JS.ACK.s.d.1 ${bytes}\r\n${payload}\r\n`
    : `HMSG _INBOX.x ${subscription} $JS.ACK.s.d.1 ${headers.length} ${bytes}\r\n${headers}${payload}\r\n`;
}

const HEADERS = "NATS/1.0\r\nNats-Msg-Id: 5\r\n\r\n";
const TIMEOUT = "NATS/1.0 408 Request Timeout\r\n\r\n";

const anyShortFrame = fc.oneof(
  fc.string({ maxLength: 60 }).map((payload) => message(OURS, payload)),
  fc.string({ minLength: 1, maxLength: 60 }).map((payload) => message(OURS, payload, HEADERS)),
  fc.string({ maxLength: 60 }).map((payload) => message(OURS + 1, payload)),
  fc.constantFrom(
    "PING\r\n",
    "PONG\r\n",
    "+OK\r\n",
    "-ERR 'Permissions Violation'\r\n",
    'INFO {"server_id":"x"}\r\n',
    "MSG _INBOX.x 7 3\r\nabc\r\n",
    `HMSG _INBOX.x 7 ${TIMEOUT.length} ${TIMEOUT.length}\r\n${TIMEOUT}\r\n`,
    message(OURS, "long ".repeat(400)),
    message(OURS + 1, "long ".repeat(2_000)),
  ),
);

const anyFrame = fc.oneof(
  { weight: 10, arbitrary: anyShortFrame },
  {
    weight: 1,
    arbitrary: fc.constant(message(OURS, "longer than the tap takes ".repeat(3_000))),
  },
);

Deno.test("MessageTap gives the client and its listener what the client alone would get, in order", () => {
  fc.assert(
    fc.property(
      fc.array(anyFrame, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 5 }),
      fc.boolean(),
      (frames, sizes, isShared) => {
        const text = frames.join("");
        assert.deepEqual(receive(text, sizes, isShared).events, untapped(text));
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("MessageTap takes each of its messages when chunks end in the middle of frames", () => {
  const texts = Array.from({ length: 50 }, (_, index) => `payload ${index}`);
  const frames = texts.map((text) => `${message(OURS, text)}PING\r\n`).join("");
  for (const isShared of [true, false]) {
    const { tapped } = receive(frames, [64, 100, 7], isShared);
    assert.deepEqual(tapped, texts.map((text) => `MSG 7 $JS.ACK.s.d.1 ${text}`));
  }
});

Deno.test("MessageTap leaves messages to the client once its listener is disposed", () => {
  const client = new TappedClient();
  const stream = client.tap.openStream();
  const feed = (text: string): void => {
    for (const piece of stream.take(encoder.encode(text), null)) client.parser.parse(piece);
  };
  const listening = client.listen();
  feed(message(OURS, "first"));
  listening[Symbol.dispose]();
  feed(message(OURS, "second"));
  assert.equal(client.received.events.length, 2);
  assert.equal(client.received.tapped.length, 1);
});

Deno.test("MessageTap waits for the end of a frame that the client's parser is in", () => {
  const client = new TappedClient();
  const stream = client.tap.openStream();
  const feed = (text: string): void => {
    for (const piece of stream.take(encoder.encode(text), null)) client.parser.parse(piece);
  };
  feed("MSG _INBOX.x 7 reply 5\r\nhe");
  client.listen();
  feed(`llo\r\n${message(OURS, "second")}`);
  feed(message(OURS, "third"));
  assert.deepEqual(client.received.tapped, ["MSG 7 $JS.ACK.s.d.1 third"]);
  assert.equal(client.received.events.length, 3);
});

/** A message that waits in the buffer that it was read into. */
interface Waiting {
  readonly payload: Uint8Array;
  readonly text: string;
  readonly buffer: ReadBuffer | null;
}

/**
 * Reads the text into small buffers that are used again, as the transport does, while up to
 * `waitingMax` messages wait, of which any may be the next that is settled; returns the payloads of
 * the tapped messages as they were when they came and when they were settled.
 */
function receiveWaiting(text: string, { sizes, bufferBytes, waitingMax, picks }: {
  readonly sizes: readonly number[];
  readonly bufferBytes: number;
  readonly waitingMax: number;
  readonly picks: readonly number[];
}): { readonly came: string[]; readonly settled: string[]; readonly buffers: number } {
  const client = new TappedClient();
  const came: string[] = [];
  const settled: string[] = [];
  const waiting: Waiting[] = [];
  const seen = new Set<ArrayBufferLike>();
  const settle = (): void => {
    const at = (picks[settled.length % picks.length] ?? 0) % waiting.length;
    const [one] = waiting.splice(at, 1);
    if (one === undefined) return;
    assert.equal(decoder.decode(one.payload), one.text);
    one.buffer?.unpin();
    settled.push(one.text);
  };
  client.tap.listen(OURS, (bytes, { payloadStart, payloadEnd }, buffer) => {
    const payload = bytes.subarray(payloadStart, payloadEnd);
    buffer?.pin();
    waiting.push({ payload, text: decoder.decode(payload), buffer });
    came.push(decoder.decode(payload));
    if (waiting.length > waitingMax) settle();
  });
  const stream = client.tap.openStream();
  const pool = new ReadBufferPool(bufferBytes);
  const source = encoder.encode(text);
  let buffer = pool.take();
  let used = 0;
  let reads = 0;
  for (let at = 0; at < source.length;) {
    if (used === bufferBytes) {
      buffer.unpin();
      buffer = pool.take();
      used = 0;
    }
    seen.add(buffer.bytes.buffer);
    const size = sizes[reads++ % sizes.length] ?? 1;
    const count = Math.min(size, bufferBytes - used, source.length - at);
    buffer.bytes.set(source.subarray(at, at + count), used);
    buffer.pin();
    for (const piece of stream.take(buffer.bytes.subarray(used, used + count), buffer)) {
      client.parser.parse(buffer.giveAway(piece));
    }
    buffer.unpin();
    used += count;
    at += count;
  }
  while (waiting.length > 0) settle();
  return { came, settled, buffers: seen.size };
}

Deno.test("MessageTap: what waits in a buffer that is pinned stays as it came", () => {
  fc.assert(
    fc.property(
      fc.array(anyShortFrame, { maxLength: 30 }),
      fc.record({
        sizes: fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 }),
        bufferBytes: fc.integer({ min: 50, max: 2_000 }),
        waitingMax: fc.integer({ min: 0, max: 12 }),
        picks: fc.array(fc.nat(), { minLength: 1, maxLength: 5 }),
      }),
      (frames, how) => {
        const text = frames.join("");
        const { came, settled } = receiveWaiting(text, how);
        assert.deepEqual(settled.toSorted(), came.toSorted());
        assert.deepEqual(came, receive(text, [text.length + 1], true).tapped.map(payloadOf));
      },
    ),
    { numRuns: 300 },
  );
});

function payloadOf(event: string): string {
  return event.slice(`MSG ${OURS} $JS.ACK.s.d.1 `.length);
}

Deno.test("MessageTap: buffers are used again once their messages are settled", () => {
  const text = Array.from({ length: 500 }, (_, i) => message(OURS, `payload ${i}`)).join("");
  const how = { sizes: [100], bufferBytes: 1_000, waitingMax: 30, picks: [0] };
  const { settled, buffers } = receiveWaiting(text, how);
  assert.equal(settled.length, 500);
  assert.ok(buffers < 8, `${buffers} buffers of 1,000 bytes for ${text.length} bytes`);
});
