/**
 * Encodes the deliveries of a flush by a column plan: all rows as COPY text into a reused buffer, and
 * beside them everything that did not fit. It changes nothing: the caller adds columns for new keys
 * and encodes again, and keeps the rejects.
 */
import { type ColumnPlan, planSendingDefaults } from "../schema/column_plan.ts";
import type { EncodableDelivery } from "./encodable_delivery.ts";
import type { EncodedRows } from "./encoded_batch.ts";
import { RecordEncoder, type RecordPosition, type Refusal } from "./record_encoder.ts";
import type { RowBuffer } from "./row_buffer.ts";
import { skipSpace } from "./value_skipper.ts";

/** A key that has no column, and the kinds of its values in the batch, or'ed. */
export interface NewKey {
  readonly key: string;
  /** As schema/value_kind.ts defines them; never null alone. */
  readonly kinds: number;
}

/** Kinds of values that a column did not accept. */
export interface ColumnMisfit {
  /** Index into `columns`. */
  readonly column: number;
  readonly kinds: number;
}

/** A record that makes no row. */
export interface EncodedReject extends Refusal {
  /** Index of its delivery. */
  readonly delivery: number;
  /** Position in its message, from 0. */
  readonly ordinal: number;
}

/** A batch encoded; rows and look-ups by row are valid until the buffer is used again. */
export interface EncodedBatch {
  readonly rows: EncodedRows;
  /** Names of the columns sent, in the order of the values: the plan's, and DEFAULT columns needed. */
  readonly columns: readonly string[];
  /** Keys of rows without a column, in the order of their first appearance. */
  readonly newKeys: readonly NewKey[];
  readonly misfits: readonly ColumnMisfit[];
  /** In the order of the records. */
  readonly rejects: readonly EncodedReject[];
  /** Texts that PostgreSQL cannot hold and that became U+FFFD, in rows. */
  readonly textReplacements: number;
  /** Index of the first row of a delivery. */
  firstRow(delivery: number): number;
  /** Rows of a delivery. */
  rowCount(delivery: number): number;
  /** Index of the delivery that a row came from. */
  deliveryOf(row: number): number;
  /** Position of the record that a row came from in its message, from 0. */
  ordinalOf(row: number): number;
}

/** How a batch is encoded. */
export interface EncodeOptions {
  /** What becomes of text that PostgreSQL cannot hold; `replace` unless given. */
  readonly onInvalidText?: "replace" | "reject";
}

/** Encoders by plan: making one costs as much as some ten records. */
const encoders = new WeakMap<ColumnPlan, RecordEncoder>();

/**
 * Encodes the records of all deliveries, in order, into the buffer, which is emptied first.
 *
 * @throws {RangeError} a payload is not the valid JSON that `readEnvelope` found it to be
 */
export function encodeBatch(
  plan: ColumnPlan,
  deliveries: readonly EncodableDelivery[],
  buffer: RowBuffer,
  options: EncodeOptions = {},
): EncodedBatch {
  const encoder = encoderOf(plan);
  encoder.begin({ rejectsInvalidText: options.onInvalidText === "reject" });
  buffer.reset();
  const rejects: EncodedReject[] = [];
  const firstRows = new Uint32Array(deliveries.length + 1);
  for (const [index, delivery] of deliveries.entries()) {
    firstRows[index] = buffer.rowCount;
    encoder.setReceivedAt(delivery.receivedAtMs);
    encodeDelivery(encoder, delivery, index, buffer, rejects);
  }
  firstRows[deliveries.length] = buffer.rowCount;
  if (encoder.defaultKeys.size > 0) {
    const widerPlan = planSendingDefaults(plan, encoder.defaultKeys);
    encoder.end();
    return encodeBatch(widerPlan, deliveries, buffer, options);
  }
  const newKeys = encoder.newKeys();
  // Encoders live as long as their plans; the payloads must not.
  encoder.end();
  const firstRow = (delivery: number): number => firstRows[delivery] ?? outOfRange(delivery);
  return {
    rows: buffer.rows(),
    columns: plan.columns.map((column) => column.name),
    newKeys,
    misfits: encoder.misfits().map((kinds, column) => ({ column, kinds }))
      .filter(({ kinds }) => kinds !== 0),
    rejects,
    textReplacements: encoder.textReplacements,
    firstRow,
    rowCount: (delivery) => firstRow(delivery + 1) - firstRow(delivery),
    deliveryOf: (row) => buffer.deliveryOf(row),
    ordinalOf: (row) => buffer.ordinalOf(row),
  };
}

function encoderOf(plan: ColumnPlan): RecordEncoder {
  const known = encoders.get(plan);
  if (known !== undefined) return known;
  const encoder = new RecordEncoder(plan);
  encoders.set(plan, encoder);
  return encoder;
}

function encodeDelivery(
  encoder: RecordEncoder,
  delivery: EncodableDelivery,
  index: number,
  buffer: RowBuffer,
  rejects: EncodedReject[],
): void {
  const { payload, isList, recordsStart } = delivery;
  const position: RecordPosition = { payload, delivery: index, ordinal: 0 };
  let at = isList ? skipSpace(payload, recordsStart + 1) : recordsStart;
  if (isList && payload[at] === 0x5d) return;
  for (;; position.ordinal++) {
    at = encoder.encode(position, at, buffer);
    if (encoder.refusal !== null) {
      rejects.push({ ...encoder.refusal, delivery: index, ordinal: position.ordinal });
    }
    if (!isList) return;
    if (payload[at] !== 0x2c) at = skipSpace(payload, at);
    if (payload[at] !== 0x2c) return;
    at = skipSpace(payload, at + 1);
  }
}

function outOfRange(delivery: number): never {
  throw new RangeError(`Cannot find delivery ${delivery} of the batch`);
}
