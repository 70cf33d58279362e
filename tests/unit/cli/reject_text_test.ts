import assert from "node:assert/strict";
import {
  alignedTable,
  jsonLine,
  payloadText,
  printable,
  printableLines,
} from "../../../lib/cli/reject_text.ts";
import type { KeptReject } from "../../../lib/ingest/kept_reject.ts";

const REJECT: KeptReject = {
  id: "7",
  keptAt: new Date("2026-11-24T10:00:00Z"),
  receivedAt: new Date("2026-11-24T09:59:58.5Z"),
  state: "rejected",
  origin: null,
  ordinal: -1,
  routeId: "r1",
  processorId: null,
  tableName: null,
  sqlState: null,
  columnName: null,
  constraintName: null,
  reason: "no\nmessage",
  payloadBytes: 2,
  payload: new Uint8Array([0xff, 0x00]),
};

Deno.test("printable() spells out what a terminal would obey", () => {
  assert.equal(
    printable("a\x1b[2Jb\nc\u202ed\x9be\x7f"),
    "a\\u001b[2Jb\\u000ac\\u202ed\\u009be\\u007f",
  );
  assert.equal(printable("größe 漢字 🙂"), "größe 漢字 🙂");
});

Deno.test("printableLines() keeps lines and tabs", () => {
  assert.equal(printableLines("a\n\tb\r"), "a\n\tb\\u000d");
});

Deno.test("alignedTable() aligns columns, cuts long cells, and gives the last one the rest", () => {
  const text = alignedTable(["A", "B"], [["1", "x".repeat(60)], ["y".repeat(50), "z"]], 92);
  assert.equal(
    text,
    `A${" ".repeat(41)}B\n1${" ".repeat(41)}${"x".repeat(49)}…\n${"y".repeat(39)}…  z\n`,
  );
});

Deno.test("jsonLine() is one line with everything that is kept", () => {
  const line = jsonLine(REJECT);
  assert.ok(line.endsWith("\n") && line.indexOf("\n") === line.length - 1);
  assert.deepEqual(JSON.parse(line), {
    id: "7",
    kept_at: "2026-11-24T10:00:00.000Z",
    received_at: "2026-11-24T09:59:58.500Z",
    state: "rejected",
    stream: null,
    stream_created: null,
    consumer: null,
    sequence: null,
    stored_ns: null,
    ordinal: -1,
    route_id: "r1",
    processor_id: null,
    table_name: null,
    sqlstate: null,
    column_name: null,
    constraint_name: null,
    reason: "no\nmessage",
    payload_bytes: 2,
    payload_base64: "/wA=",
  });
});

Deno.test("payloadText() falls back to base64 when the payload is not UTF-8", () => {
  assert.deepEqual(payloadText(REJECT), { text: "/wA=", note: "2 bytes, not UTF-8, in base64" });
  const record = { ...REJECT, ordinal: 0, payload: new TextEncoder().encode('{"a": "é"}') };
  assert.deepEqual(payloadText(record), { text: '{"a": "é"}', note: "11 bytes" });
});
