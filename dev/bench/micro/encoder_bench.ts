/**
 * Micro-benchmarks of the way from payload bytes to COPY bytes, without servers: the envelope pass
 * and the encoders, exact and fast, COPY text and binary, on messages of ten records with ten keys, on records whose key
 * order changes, and on wide records. One iteration is 1,000 records: iterations a second are thousand rows per CPU
 * second. Run: `deno task bench:micro`.
 */
import { type EncodableDelivery, wholePayload } from "../../../lib/encoder/encodable_delivery.ts";
import { encodeBatch } from "../../../lib/encoder/exact_encoder.ts";
import { FastEncoder } from "../../../lib/encoder/fast_encoder.ts";
import { RowBuffer } from "../../../lib/encoder/row_buffer.ts";
import { readEnvelope } from "../../../lib/ingest/envelope.ts";
import { readEnvelopeFast } from "../../../lib/ingest/fast_envelope.ts";
import { type ColumnPlan, compilePlan } from "../../../lib/schema/column_plan.ts";
import type { TableColumn } from "../../../lib/schema/table_description.ts";

const RECORDS = 1_000;

type Row = Record<string, unknown>;

function narrowRow(number: number): Row {
  return {
    id: 500_000 + number,
    user_id: `user-${number % 1000}`,
    email: `u${number}@example.com`,
    score: Math.sin(number),
    active: number % 2 === 0,
    created_at: "2026-11-23T20:00:00.123456+00:00",
    country: "US",
    amount: (number % 977) * 1.37,
    tags: ["a", "b"],
    comment: "the quick brown fox jumps over the lazy dog, and the lazy dog does not mind\n",
  };
}

const NARROW_TYPES = ["int8", "text", "text", "float8", "bool", "timestamptz", "text", "float8"]
  .concat("jsonb", "text");

function wideRow(number: number): Row {
  const row: Row = {};
  for (let i = 0; i < 200; i++) {
    row[`column_${i}`] = i % 2 === 0 ? number * 1000 + i : `value-${number}-${i}`;
  }
  return row;
}

const WIDE_TYPES = Array.from({ length: 200 }, (_, i) => i % 2 === 0 ? "int8" : "text");

function shuffled(row: Row, number: number): Row {
  const entries = Object.entries(row);
  const at = number % entries.length;
  return Object.fromEntries([...entries.slice(at), ...entries.slice(0, at)]);
}

function messages(perMessage: number, makeRow: (number: number) => Row): Uint8Array[] {
  const encoder = new TextEncoder();
  return Array.from(
    { length: RECORDS / perMessage },
    (_, message) =>
      encoder.encode(JSON.stringify({
        type: "query_state",
        route_id: "a1b2c3d4:e5f6",
        query_state: Array.from(
          { length: perMessage },
          (_, i) => makeRow(message * perMessage + i),
        ),
      })),
  );
}

function deliver(payload: Uint8Array): EncodableDelivery {
  const envelope = readEnvelope(payload);
  if (envelope.kind === "bad") throw new Error(envelope.reason);
  return { ...envelope, ...wholePayload(payload), receivedAtMs: Date.UTC(2026, 10, 24) };
}

function planOf(row: Row, types: readonly string[]): ColumnPlan {
  const columns = Object.keys(row).map((name, index): TableColumn => ({
    name,
    attnum: index + 1,
    typeName: types[index] ?? "text",
    typeSchema: "pg_catalog",
    typeOid: 0,
    typmod: -1,
    typeKind: "b",
    enumLabels: [],
    domainOver: null,
    elements: null,
    notNull: false,
    hasDefault: false,
    generated: false,
    identity: "none",
    comment: null,
  }));
  const table = {
    schema: "public",
    name: "t",
    oid: 1,
    relationKind: "r",
    columns,
    fingerprint: "",
  };
  return compilePlan(table, { includeTimestamp: false });
}

const narrowPlan = planOf(narrowRow(0), NARROW_TYPES);
const buffer = new RowBuffer();

const fast = new FastEncoder();

function benchEncoding(name: string, plan: ColumnPlan, payloads: readonly Uint8Array[]): void {
  const deliveries = payloads.map(deliver);
  const binaryPlan = compilePlan(plan.table, { ...plan.options, prefersBinary: true });
  for (
    const { way, plan: its, options } of [
      { way: "exact", plan, options: {} },
      { way: "fast", plan, options: { fast } },
      ...(binaryPlan.format === "text" ? [] : [
        { way: "exact binary", plan: binaryPlan, options: {} },
        { way: "fast binary", plan: binaryPlan, options: { fast } },
      ]),
    ]
  ) {
    Deno.bench(`encode ${name}, ${way}`, { group: name, baseline: way === "exact" }, () => {
      const { rows } = encodeBatch(its, deliveries, buffer, options);
      if (rows.count !== RECORDS) throw new Error(`Cannot trust the bench: ${rows.count} rows`);
    });
  }
}

function benchEnvelopes(name: string, payloads: readonly Uint8Array[]): void {
  Deno.bench(`envelope, ${name}, exact`, { group: `envelope ${name}`, baseline: true }, () => {
    for (const payload of payloads) readEnvelope(payload);
  });
  Deno.bench(`envelope, ${name}, fast`, { group: `envelope ${name}` }, () => {
    for (const payload of payloads) readEnvelopeFast(fast, wholePayload(payload));
  });
}

const tens = messages(10, narrowRow);
const ones = messages(1, narrowRow);
benchEnvelopes("10 records a message", tens);
benchEnvelopes("1 record a message", ones);
benchEncoding("10 records × 10 keys", narrowPlan, tens);
benchEncoding("1 record × 10 keys", narrowPlan, ones);
benchEncoding(
  "key order changes",
  narrowPlan,
  messages(10, (number) => shuffled(narrowRow(number), number)),
);
benchEncoding("10 records × 200 keys", planOf(wideRow(0), WIDE_TYPES), messages(10, wideRow));
benchEncoding("all keys new", compilePlan(null, { includeTimestamp: false }), tens);
