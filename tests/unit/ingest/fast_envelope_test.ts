import assert from "node:assert/strict";
import { wholePayload } from "../../../lib/encoder/encodable_delivery.ts";
import { FastEncoder } from "../../../lib/encoder/fast_encoder.ts";
import { readEnvelope } from "../../../lib/ingest/envelope.ts";
import { readEnvelopeFast } from "../../../lib/ingest/fast_envelope.ts";

const fast = new FastEncoder();

/** Asserts that both readers say the same; returns whether the fast pass said it. */
function isReadFast(json: string | Uint8Array): boolean {
  const payload = typeof json === "string" ? new TextEncoder().encode(json) : json;
  const before = fast.counts.envelopesFast;
  assert.deepEqual(readEnvelopeFast(fast, wholePayload(payload)), readEnvelope(payload));
  return fast.counts.envelopesFast > before;
}

for (
  const json of [
    '{"route_id":"r","query_state":[{"a":1},{}]}',
    ' { "query_state" : [ ] , "processor_id" : "p" } ',
    '{"type":"x","route_id":null,"processor_id":"p","query_state":{"a":[1,{"b":"\\u0000"}]}}',
    '{"route_id":"Größe","query_state":[1,"😀",null,true,false,-0.5e+10]}',
  ]
) {
  Deno.test(`readEnvelopeFast() reads ${json} by the fast pass`, () => {
    assert.ok(isReadFast(json));
  });
}

for (
  const json of [
    "",
    "[]",
    '{"route_id":"r","query_state":[{"a":01}]}',
    '{"route_id":"r","query_state":[{"a":1}]',
    '{"route_id":"r","query_state":[{"a":1}]}x',
    '{"route_id":"r","query_state":[{"a":1},]}',
    '{"route_id":"","query_state":[]}',
    '{"route_id":"\\u0061","query_state":[]}',
    '{"route_id":"a","route_id":"b","query_state":[]}',
    '{"query_state":[]}',
    '{"route_id":"r","query_state":null}',
    '\ufeff{"route_id":"r","query_state":[]}',
  ]
) {
  Deno.test(`readEnvelopeFast() leaves ${JSON.stringify(json)} to the exact reader`, () => {
    assert.ok(!isReadFast(json));
  });
}

Deno.test("readEnvelopeFast() judges every beginning of a UTF-8 sequence as the exact reader does", () => {
  const [head, tail] = ['{"route_id":"r","query_state":["', '"]}'].map((text) =>
    new TextEncoder().encode(text)
  );
  for (let lead = 0; lead < 256; lead++) {
    for (const second of [0x20, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0]) {
      for (const rest of [[], [0x80], [0xbf], [0x80, 0x80], [0x80, 0xc0]]) {
        isReadFast(Uint8Array.from([...head ?? [], lead, second, ...rest, ...tail ?? []]));
      }
    }
  }
});

Deno.test("readEnvelopeFast() reads depth 1,000 and leaves deeper messages to the exact reader", () => {
  const nested = (depth: number): string =>
    `{"route_id":"r","query_state":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
  assert.ok(isReadFast(nested(1_000)));
  assert.ok(!isReadFast(nested(1_001)));
});

Deno.test("readEnvelopeFast() does not read what an earlier message left behind the end", () => {
  const json = '{"route_id":"r","query_state":[{"a":"bcd"}]}';
  for (let length = json.length; length >= 0; length--) isReadFast(json.slice(0, length));
});
