/** The columns of a plan with all that writing a row needs of them. */
import type { ColumnCodec } from "../schema/column_codec.ts";
import type { ColumnPlan } from "../schema/column_plan.ts";
import { OVERFLOW_COLUMN } from "../schema/identifiers.ts";
import { receiptTime } from "./receipt_time.ts";
import type { KeySlot, RecordKeys } from "./record_keys.ts";
import { fastPathOf } from "./value_writer.ts";

/** A column that is sent. */
export interface SentColumn {
  readonly name: string;
  readonly typeWords: string;
  readonly codec: ColumnCodec;
  readonly fastPath: number;
  readonly hasDefault: boolean;
  /** Where the record at hand has the value; null: the time of receipt. */
  readonly slot: KeySlot | null;
  /** Encoded time of receipt; empty for other columns. */
  receipt: Uint8Array;
  /** Kinds of the values that it did not accept in this batch, or'ed. */
  misfits: number;
}

/** The columns in the order of the values, without `_overflow`. */
export function sentColumns(plan: ColumnPlan, keys: RecordKeys): readonly SentColumn[] {
  return plan.columns.map(({ name, typeWords, codec, key, hasDefault }) => ({
    name,
    typeWords,
    codec,
    fastPath: fastPathOf(codec),
    hasDefault,
    slot: key === null ? null : keys.slotOf(key),
    receipt: new Uint8Array(),
    misfits: 0,
  }));
}

/** Sets the time of receipt, in milliseconds since the Unix epoch; returns its bytes in a row. */
export function stampColumns(columns: readonly SentColumn[], receivedAtMs: number): number {
  let bytes = 0;
  for (const column of columns) {
    if (column.slot !== null) continue;
    column.receipt = receiptTime(column.codec, receivedAtMs);
    bytes += column.receipt.length;
  }
  return bytes;
}

/** Names of the columns sent, in the order of the values, `_overflow` last. */
export function sentNames({ columns, overflow }: ColumnPlan): readonly string[] {
  const names = columns.map(({ name }) => name);
  return overflow === null ? names : [...names, OVERFLOW_COLUMN];
}
