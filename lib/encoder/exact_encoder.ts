/**
 * Encodes the deliveries of a flush by a column plan: all rows as COPY text or binary, as the plan
 * says, into a reused buffer, and beside them everything that did not fit. It changes nothing: the caller adds columns for new keys,
 * has columns widened or `_overflow` added, encodes again, and keeps the rejects.
 */
import { type ColumnPlan, planSendingDefaults } from "../schema/column_plan.ts";
import type { EncodableDelivery } from "./encodable_delivery.ts";
import type { EncodedRows, EncodedRun } from "./encoded_batch.ts";
import { type EncodedReject, ExactRun } from "./exact_run.ts";
import type { FastEncoder } from "./fast_encoder.ts";
import { RecordEncoder, type RecordOptions } from "./record_encoder.ts";
import type { RowBuffer } from "./row_buffer.ts";
import { sentNames } from "./sent_columns.ts";

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

/** What stands for a value that takes its column's DEFAULT, where COPY has a marker for it. */
export const DEFAULT_MARKER = "\\D";

/** A batch encoded; rows and look-ups by row are valid until the buffer is used again. */
export interface EncodedBatch {
  /** The plan that the rows follow: the one given, with columns that have a DEFAULT where needed. */
  readonly plan: ColumnPlan;
  readonly rows: EncodedRows;
  /** Names of the columns sent, in the order of the values, `_overflow` last. */
  readonly columns: readonly string[];
  /** Which rows leave out columns with a DEFAULT; back to back over all rows. */
  readonly runs: readonly EncodedRun[];
  /** A value is {@linkcode DEFAULT_MARKER}. */
  readonly usesMarker: boolean;
  /** Keys of rows without a column, in the order of their first appearance; the rows lack them. */
  readonly newKeys: readonly NewKey[];
  /** Of all records, whether their values went to `_overflow` or made them rejects. */
  readonly misfits: readonly ColumnMisfit[];
  /** A record is a reject only because the table has no column `_overflow`. */
  readonly lacksOverflow: boolean;
  /** Values in `_overflow`. */
  readonly overflowValues: number;
  /** In the order of the records. */
  readonly rejects: readonly EncodedReject[];
  /** Texts that PostgreSQL cannot hold and that became U+FFFD, in rows. */
  readonly textReplacements: number;
  /** Key of the first such text, or `_overflow`; null when there is none. */
  readonly replacedKey: string | null;
  /** Index of the first row of each delivery, and behind the last their number. */
  readonly firstRows: Uint32Array;
  /** Index of the delivery that a row came from. */
  deliveryOf(row: number): number;
  /** Position of the record that a row came from in its message, from 0. */
  ordinalOf(row: number): number;
}

/** How a batch is encoded. */
export interface EncodeOptions {
  /** What becomes of text that PostgreSQL cannot hold; `replace` unless given. */
  readonly onInvalidText?: "replace" | "reject";
  /**
   * How a row without the key of a column that has a DEFAULT asks for it: by a marker in its place, or
   * by leaving the column out; `runs` unless given.
   */
  readonly defaults?: "marker" | "runs";
  /** Takes what it can before the exact encoder, which does it all when none is given. */
  readonly fast?: FastEncoder | null;
}

type Findings = Pick<
  EncodedBatch,
  | "usesMarker"
  | "newKeys"
  | "lacksOverflow"
  | "overflowValues"
  | "replacedKey"
  | "misfits"
  | "textReplacements"
>;

const NO_FINDINGS: Findings = {
  usesMarker: false,
  newKeys: [],
  lacksOverflow: false,
  overflowValues: 0,
  replacedKey: null,
  misfits: [],
  textReplacements: 0,
};

/**
 * Encoders by plan: making one costs as much as some ten records, and it takes some KB. Tables whose
 * records are all usual need none.
 */
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
  const recordOptions = {
    rejectsInvalidText: options.onInvalidText === "reject",
    marksDefaults: options.defaults === "marker",
  };
  const run = new ExactRun(() => beginEncoder(plan, recordOptions), deliveries, buffer);
  const { rejects, firstRows } = run;
  run.begin();
  const fast = options.fast?.encodeBatch({ plan, deliveries, buffer, firstRows, exact: run });
  const isFast = fast === true;
  if (!isFast) {
    run.begin();
    run.encodeAll();
  }
  const { encoder } = run;
  if (encoder !== null && encoder.defaultKeys.size > 0) {
    const widerPlan = planSendingDefaults(plan, encoder.defaultKeys);
    encoder.end();
    return encodeBatch(widerPlan, deliveries, buffer, options);
  }
  return {
    ...findingsOf(encoder),
    plan,
    rows: buffer.rows(),
    columns: sentNames(plan),
    // What can be encoded fast sends all columns in every row.
    runs: isFast || encoder === null
      ? allColumns(plan, buffer.rowCount)
      : encoder.runs(buffer.rowCount),
    rejects,
    firstRows,
    deliveryOf: (row) => buffer.deliveryOf(row),
    ordinalOf: (row) => buffer.ordinalOf(row),
  };
}

/** What the exact encoder found in a batch; nothing when it was not needed. Ends its batch. */
function findingsOf(encoder: RecordEncoder | null): Findings {
  if (encoder === null) return NO_FINDINGS;
  const newKeys = encoder.newKeys();
  // Encoders live as long as their plans; the payloads must not.
  encoder.end();
  return {
    usesMarker: encoder.usesMarker,
    newKeys,
    lacksOverflow: encoder.lacksOverflow,
    overflowValues: encoder.overflowValues,
    replacedKey: encoder.textReplacements === 0 ? null : encoder.replacedKey,
    misfits: encoder.misfits().map((kinds, column) => ({ column, kinds }))
      .filter(({ kinds }) => kinds !== 0),
    textReplacements: encoder.textReplacements,
  };
}

function beginEncoder(plan: ColumnPlan, options: RecordOptions): RecordEncoder {
  const encoder = encoderOf(plan);
  encoder.begin(options);
  return encoder;
}

function encoderOf(plan: ColumnPlan): RecordEncoder {
  const known = encoders.get(plan);
  if (known !== undefined) return known;
  const encoder = new RecordEncoder(plan);
  encoders.set(plan, encoder);
  return encoder;
}

function allColumns(plan: ColumnPlan, rowCount: number): EncodedRun[] {
  return rowCount === 0 ? [] : [{ firstRow: 0, rowCount, columns: sentNames(plan) }];
}
