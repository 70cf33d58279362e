import assert from "node:assert/strict";
import fc from "fast-check";
import { type Envelope, readEnvelope } from "../../../lib/ingest/envelope.ts";

const encoder = new TextEncoder();

function read(json: string): Envelope {
  return readEnvelope(encoder.encode(json));
}

function reasonOf(json: string | Uint8Array): string {
  const envelope = typeof json === "string" ? read(json) : readEnvelope(json);
  assert.equal(envelope.kind, "bad");
  return envelope.kind === "bad" ? envelope.reason.replace("Cannot read the message as ", "") : "";
}

function bytes(...parts: readonly (string | number[])[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => typeof part === "string" ? [...encoder.encode(part)] : part),
  );
}

Deno.test("readEnvelope() finds route, processor and the range and number of records", () => {
  const json =
    '{"type":"query_state","route_id":"r:p","processor_id":"p","query_state":[{}, 1 ,[]]}';
  assert.deepEqual(read(json), {
    kind: "message",
    routeId: "r:p",
    processorId: "p",
    recordsStart: json.indexOf("[{}"),
    recordsEnd: json.length - 1,
    isList: true,
    recordCount: 3,
  });
});

Deno.test("readEnvelope() takes keys in any order and ignores those it does not know", () => {
  const envelope = read(
    '{ "query_state" : [ {"route_id":"inner"} ] , "context":{"a":[1,{"query_state":2}]}, ' +
      '"input_route_id":null, "route_id" : "r" }\n',
  );
  assert.equal(envelope.kind, "message");
  assert.equal(envelope.routeId, "r");
  assert.equal(envelope.kind === "message" && envelope.recordCount, 1);
});

Deno.test("readEnvelope() takes a single object for a list of one", () => {
  const json = '{"route_id":"r","query_state": {"a":[1,2]} }';
  const envelope = read(json);
  assert.deepEqual(envelope.kind === "message" && [envelope.isList, envelope.recordCount], [
    false,
    1,
  ]);
  assert.equal(
    envelope.kind === "message" && json.slice(envelope.recordsStart, envelope.recordsEnd),
    '{"a":[1,2]}',
  );
});

Deno.test("readEnvelope() takes an empty list", () => {
  const envelope = read('{"route_id":"r","query_state":[ ]}');
  assert.equal(envelope.kind === "message" && envelope.recordCount, 0);
});

Deno.test("readEnvelope() takes a processor without a route, null counting as absent", () => {
  const envelope = read('{"route_id":null,"processor_id":"p","query_state":[]}');
  assert.deepEqual(envelope.kind === "message" && [envelope.routeId, envelope.processorId], [
    null,
    "p",
  ]);
});

Deno.test("readEnvelope() takes the last of several equal keys", () => {
  const json = '{"route_id":1,"query_state":null,"route_id":"r","query_state":[1,2],' +
    '"query_state":{"b":1}}';
  const envelope = read(json);
  assert.equal(envelope.routeId, "r");
  assert.equal(envelope.kind === "message" && envelope.recordsStart, json.indexOf('{"b"'));
  assert.equal(envelope.kind === "message" && envelope.recordCount, 1);
});

Deno.test("readEnvelope() understands escapes in keys and ids", () => {
  const envelope = read('{"route\\u005fid":"r\\u00e9\\n😀","quer\\u0079_state":[]}');
  assert.equal(envelope.kind, "message");
  assert.equal(envelope.routeId, "ré\n😀");
});

Deno.test("readEnvelope() tells route ids apart that follow one another", () => {
  for (const id of ["a1", "a2", "a1", "a11", "x".repeat(300), "x".repeat(300), "a2"]) {
    assert.equal(read(`{"route_id":"${id}","query_state":[]}`).routeId, id);
  }
});

Deno.test("readEnvelope() skips a byte-order mark at the start", () => {
  assert.equal(read('\ufeff{"route_id":"r","query_state":[]}').kind, "message");
});

const BAD: readonly (readonly [what: string, json: string, reason: string])[] = [
  ["nothing", "", "it is not a JSON object"],
  ["a list", "[]", "it is not a JSON object"],
  ["plain text", "hello", "it is not a JSON object"],
  ["no ids", '{"query_state":[]}', "it has neither a route_id nor a processor_id"],
  ["an empty id", '{"route_id":"","query_state":[]}', "route_id must not be empty"],
  [
    "an id that is a number",
    '{"route_id":5,"query_state":[]}',
    "route_id must be a string: at byte 12 it is not",
  ],
  [
    "a processor id that is a list",
    '{"route_id":"r","processor_id":[],"query_state":[]}',
    "processor_id must be a string: at byte 31 it is not",
  ],
  [
    "an id with NUL",
    '{"route_id":"a\\u0000","query_state":[]}',
    "route_id must not hold NUL or half of a surrogate pair",
  ],
  ["no query_state", '{"route_id":"r"}', "query_state is missing"],
  [
    "query_state null",
    '{"route_id":"r","query_state":null}',
    "query_state must be a list or an object: at byte 30 it is not",
  ],
  [
    "query_state a string",
    '{"route_id":"r","query_state":"[]"}',
    "query_state must be a list or an object: at byte 30 it is not",
  ],
  [
    "something behind the message",
    '{"route_id":"r","query_state":[]} x',
    "it is not valid JSON: something stands behind the message at byte 34",
  ],
  [
    "a message cut off",
    '{"route_id":"r","query_state":[{"a":1}',
    "it is not valid JSON: expected a comma or the end of a list at the end",
  ],
  [
    "NaN",
    '{"route_id":"r","query_state":[{"a":NaN}]}',
    "it is not valid JSON: expected a value at byte 36",
  ],
];

for (const [what, json, reason] of BAD) {
  Deno.test(`readEnvelope() refuses ${what}`, () => assert.equal(reasonOf(json), reason));
}

Deno.test("readEnvelope() tells the route of a bad message if it stands before the fault", () => {
  assert.equal(read('{"route_id":"r","query_state":[nope]}').routeId, "r");
  assert.equal(read('{"route_id":"r"}').routeId, "r");
  assert.equal(read('{"query_state":[nope],"route_id":"r"}').routeId, null);
});

Deno.test("readEnvelope() takes a message of depth 1,000 and refuses deeper ones at once", () => {
  const nested = (depth: number): string =>
    `{"route_id":"r","query_state":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
  assert.equal(read(nested(10)).kind, "message");
  assert.equal(read(nested(1_000)).kind, "message");
  assert.equal(
    reasonOf(nested(1_001)),
    "it is not valid JSON: nested deeper than 1000 at byte 1029",
  );
  assert.match(reasonOf(nested(100_000)), /nested deeper/);
  assert.match(reasonOf(`{"a":${'{"a":'.repeat(100_000)}`), /nested deeper/);
});

Deno.test("readEnvelope() refuses every control character that stands in a string as it is", () => {
  for (let code = 0; code < 0x20; code++) {
    const payload = bytes('{"route_id":"r","query_state":[{"a":"', [code], '"}]}');
    assert.equal(
      reasonOf(payload),
      "it is not valid JSON: a control character in a string at byte 37",
    );
  }
  assert.equal(read('{"route_id":"r","query_state":[{"a":"\u007f"}]}').kind, "message");
});

Deno.test("readEnvelope() refuses every ill-formed sequence of UTF-8", () => {
  const sequences = [
    [0x80],
    [0xc0, 0x80],
    [0xc1, 0xbf],
    [0xc3],
    [0xc3, 0x28],
    [0xe0, 0x9f, 0xbf],
    [0xe2, 0x82],
    [0xed, 0xa0, 0x80],
    [0xf0, 0x8f, 0xbf, 0xbf],
    [0xf0, 0x9f, 0x98],
    [0xf4, 0x90, 0x80, 0x80],
    [0xf5, 0x80, 0x80, 0x80],
    [0xff],
  ];
  for (const sequence of sequences) {
    const payload = bytes('{"route_id":"r","query_state":[{"a":"', sequence, '"}]}');
    assert.equal(reasonOf(payload), "it is not valid JSON: invalid UTF-8 at byte 37");
  }
});

Deno.test("readEnvelope() agrees with JSON.parse on what JSON is", () => {
  const pieces = ["{", "}", "[", "]", ",", ":", '"', "\\", '"a"', "0", "-", "1", ".", "e", "E", "+"]
    .concat("true", "false", "null", "nul", " ", "\n", "\t", "\u0001", "\\u00e9", "\\x", "/", "é")
    .concat("\u007f", "\u00a0", "\ufeff", "01", "1.", ".5", "-0", "1e5", "'", "//");
  const soup = fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) =>
    parts.join("")
  );
  const mutated = fc.tuple(fc.json(), fc.nat(), fc.constantFrom(...pieces)).map(
    ([json, at, piece]) => {
      const cut = at % (json.length + 1);
      return json.slice(0, cut) + piece + json.slice(cut + 1);
    },
  );
  fc.assert(
    fc.property(fc.oneof(soup, mutated, fc.json()), (value) => {
      const json = `{"route_id":"r","query_state":[],"x":${value.toWellFormed()}}`;
      let isValid = true;
      try {
        JSON.parse(json);
      } catch {
        isValid = false;
      }
      const envelope = read(json);
      const isJson = envelope.kind === "message" || !envelope.reason.includes("not valid JSON");
      assert.equal(isJson, isValid, envelope.kind === "bad" ? envelope.reason : json);
    }),
    { numRuns: 5000 },
  );
});

Deno.test("readEnvelope() counts records as JSON.parse does", () => {
  fc.assert(fc.property(fc.array(fc.jsonValue(), { maxLength: 20 }), (records) => {
    const envelope = read(JSON.stringify({ query_state: records, processor_id: "p" }));
    assert.equal(envelope.kind === "message" && envelope.recordCount, records.length);
  }));
});
