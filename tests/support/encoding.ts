/** Tables, deliveries and COPY text as plain values, for tests of schema rules and encoders. */
import { type EncodableDelivery, wholePayload } from "../../lib/encoder/encodable_delivery.ts";
import {
  DEFAULT_MARKER,
  encodeBatch,
  type EncodedBatch,
  type EncodeOptions,
} from "../../lib/encoder/exact_encoder.ts";
import { RowBuffer } from "../../lib/encoder/row_buffer.ts";
import { readEnvelope } from "../../lib/ingest/envelope.ts";
import { compilePlan, type PlanOptions } from "../../lib/schema/column_plan.ts";
import type { TableColumn, TableDescription } from "../../lib/schema/table_description.ts";

/** The time at which all deliveries here were received: 2026-11-24T12:00:00.123Z. */
export const RECEIVED_AT_MS = Date.UTC(2026, 10, 24, 12, 0, 0, 123);

/** A column of a type in the catalog's spelling. */
export function columnOf(
  name: string,
  typeName: string,
  more: Partial<TableColumn> = {},
): TableColumn {
  return {
    name,
    attnum: 1,
    typeName,
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
    ...more,
  };
}

/** A table with these columns. */
export function tableOf(...columns: readonly TableColumn[]): TableDescription {
  return { schema: "public", name: "t", oid: 1, relationKind: "r", columns, fingerprint: "1" };
}

/** A delivery whose `query_state` is the JSON text given. */
export function deliveryOfJson(queryState: string): EncodableDelivery {
  const payload = new TextEncoder().encode(`{"route_id":"r","query_state":${queryState}}`);
  const envelope = readEnvelope(payload);
  if (envelope.kind === "bad") throw new Error(`${envelope.reason}: ${queryState}`);
  return { ...envelope, ...wholePayload(payload), receivedAtMs: RECEIVED_AT_MS };
}

/** What became of some messages. */
export interface Encoded {
  readonly batch: EncodedBatch;
  /** Values by row and column, escapes resolved; null is SQL NULL. */
  readonly values: readonly (readonly (string | null)[])[];
  /** COPY text. */
  readonly text: string;
}

/** Encodes messages, each given by the JSON text of its `query_state`. */
export function encodeJson(
  table: TableDescription | null,
  queryStates: readonly string[],
  options: Partial<PlanOptions> & EncodeOptions = {},
): Encoded {
  const plan = compilePlan(table, { includeTimestamp: false, ...options });
  const batch = encodeBatch(plan, queryStates.map(deliveryOfJson), new RowBuffer(), options);
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(batch.rows.bytes);
  return { batch, values: readCopyText(text), text };
}

/** Bytes as hexadecimal digits; `Uint8Array.toHex` is missing where the program must run. */
export function hexadecimal(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Reads COPY text as PostgreSQL does; the marker for DEFAULT stays as it is. */
export function readCopyText(text: string): (string | null)[][] {
  if (text === "") return [];
  if (!text.endsWith("\n")) throw new Error("Cannot read COPY text as its last row has no end");
  return text.slice(0, -1).split("\n").map((line) => line.split("\t").map(readCopyValue));
}

function readCopyValue(value: string): string | null {
  if (value === "\\N") return null;
  if (value === DEFAULT_MARKER) return value;
  return value.replace(/\\([\s\S])/g, (_, letter: string) => {
    const meant = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", "\\": "\\" }[letter];
    if (meant === undefined) throw new Error(`Cannot read COPY text as \\${letter} is not used`);
    return meant;
  });
}
