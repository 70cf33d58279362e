/**
 * The exact encoder of one record: payload bytes to one COPY row by the column plan. It is the
 * reference that alone decides what is right, what goes to `_overflow`, what is a reject, and what
 * needs a change of the table; a faster encoder may take records before it and pass those on that
 * are unusual.
 */
import type { ColumnPlan } from "../schema/column_plan.ts";
import { OVERFLOW_COLUMN } from "../schema/identifiers.ts";
import { TOKEN_NULL } from "../schema/json_token.ts";
import { KIND_NULL } from "../schema/value_kind.ts";
import { BinaryRow } from "./binary_row.ts";
import type { EncodedRun } from "./encoded_batch.ts";
import { copyPlain, JsonText } from "./json_text.ts";
import { MisfitPlacement } from "./misfit_placement.ts";
import { HASHED_KEY_BYTES_MAX } from "./overflow_object.ts";
import { type KeySlot, ROLE_DEFAULTED, ROLE_NEW, ROLE_REFUSED } from "./record_keys.ts";
import { RecordReader } from "./record_reader.ts";
import { INVALID_TEXT_RULE, noObjectRule, type Refusal } from "./refusal.ts";
import type { RowBuffer } from "./row_buffer.ts";
import { RowRuns } from "./row_runs.ts";
import { type SentColumn, sentColumns, sentNames, stampColumns } from "./sent_columns.ts";
import { kindOfValue } from "./value_judge.ts";
import type { SourceValue } from "./source_value.ts";
import { VALUE_BYTES_EXTRA, writeValue } from "./value_writer.ts";

/** Where a record is. */
export interface RecordPosition {
  readonly payload: Uint8Array;
  /** Index of the delivery in the batch. */
  readonly delivery: number;
  /** Position of the record in its message, from 0. */
  ordinal: number;
}

/** How the records of one batch are encoded. */
export interface RecordOptions {
  readonly rejectsInvalidText: boolean;
  /** COPY knows a marker for DEFAULT; else rows leave such columns out, in runs. */
  readonly marksDefaults: boolean;
}

const NO_PAYLOAD = new Uint8Array();

/** Encodes record after record by one plan. */
export class RecordEncoder {
  readonly #plan: ColumnPlan;
  readonly #columns: readonly SentColumn[];
  readonly #reader: RecordReader;
  readonly #placement: MisfitPlacement;
  readonly #text = new JsonText();
  readonly #value: SourceValue = { payload: NO_PAYLOAD, token: 0, start: 0, end: 0 };
  readonly #runs: RowRuns;
  /** Null for rows of COPY text. */
  readonly #binaryRow: BinaryRow | null;
  readonly #defaultKeys = new Set<string>();
  #options: RecordOptions = { rejectsInvalidText: false, marksDefaults: false };
  /** Columns that the row at hand sends so far. */
  #sentColumns = 0;
  #receiptBytes = 0;
  #receivedAtMs = NaN;
  /** Values of this batch's rows that went to `_overflow`. */
  overflowValues = 0;
  /** A value of this batch took a column's DEFAULT by the marker. */
  usesMarker = false;
  /** Key of the first value of this batch in which text was replaced. */
  replacedKey: string | null = null;

  constructor(plan: ColumnPlan) {
    this.#plan = plan;
    this.#reader = new RecordReader(plan);
    this.#placement = new MisfitPlacement(plan);
    this.#columns = sentColumns(plan, this.#reader.keys);
    this.#runs = new RowRuns(sentNames(plan));
    this.#binaryRow = plan.format === "binary" ? new BinaryRow(plan) : null;
  }

  /** Starts a batch from nothing. */
  begin(options: RecordOptions): void {
    this.#options = options;
    this.#reader.forget();
    this.#placement.beginBatch();
    this.#defaultKeys.clear();
    this.#runs.reset();
    this.#text.replacements = 0;
    this.overflowValues = 0;
    this.usesMarker = false;
    this.replacedKey = null;
    for (const column of this.#columns) column.misfits = 0;
  }

  /** Lets go of the batch: of its payloads, and of keys that the plan does not have. */
  end(): void {
    this.#reader.forget();
    this.#placement.beginRecord();
    this.#value.payload = NO_PAYLOAD;
  }

  /** Why the record encoded last made no row; null when it did. */
  get refusal(): Refusal | null {
    return this.#placement.refusal;
  }

  /** A record of this batch was refused only as the table has no `_overflow`. */
  get lacksOverflow(): boolean {
    return this.#placement.lacksOverflow;
  }

  /** Texts that PostgreSQL cannot hold and that became U+FFFD in this batch. */
  get textReplacements(): number {
    return this.#text.replacements;
  }

  /** Keys of this batch whose column has a DEFAULT and is not sent. */
  get defaultKeys(): ReadonlySet<string> {
    return this.#defaultKeys;
  }

  /** Keys of this batch's rows without a column, and the kinds of their values. */
  newKeys(): { readonly key: string; readonly kinds: number }[] {
    return this.#reader.keys.newSlots().filter(({ kinds }) => (kinds & ~KIND_NULL) !== 0)
      .map(({ key, kinds }) => ({ key, kinds }));
  }

  /** Kinds that each column of the plan met in this batch and does not accept; 0 is none. */
  misfits(): number[] {
    return this.#columns.map((column) => column.misfits);
  }

  /** Which columns the rows send, `rowCount` rows in all. */
  runs(rowCount: number): EncodedRun[] {
    return this.#runs.runs(rowCount);
  }

  /** Takes all rows from `rowCount` on back. */
  truncate(buffer: RowBuffer, rowCount: number): void {
    buffer.truncate(rowCount);
    this.#runs.truncate(rowCount);
  }

  /** Sets the time of receipt of the records that follow, in milliseconds since the Unix epoch. */
  setReceivedAt(receivedAtMs: number): void {
    if (receivedAtMs === this.#receivedAtMs) return;
    this.#receivedAtMs = receivedAtMs;
    this.#receiptBytes = stampColumns(this.#columns, receivedAtMs);
  }

  /**
   * Encodes the value at `start` as a row of the buffer, or leaves the buffer as it was and sets
   * `refusal`. Returns the offset behind the value.
   */
  encode(position: RecordPosition, start: number, buffer: RowBuffer): number {
    const { payload } = position;
    const placement = this.#placement;
    placement.beginRecord();
    if (payload[start] !== 0x7b) {
      const end = this.#reader.skip(payload, start);
      placement.refuse(null, noObjectRule(payload, start, end));
      return end;
    }
    const { attention } = this.#reader;
    const end = this.#reader.read(payload, start);
    const before = this.#text.replacements;
    this.#reserve(buffer, end - start);
    let rowEnd = this.#writeColumns(payload, buffer.bytes, buffer.length);
    if (attention.length > 0) this.#judgeOthers(payload);
    if (this.#plan.overflow !== null) rowEnd = this.#writeOverflow(buffer.bytes, rowEnd);
    if (this.#text.replacements > before && this.#options.rejectsInvalidText) {
      placement.refuse(null, INVALID_TEXT_RULE);
    }
    if (placement.refusal === null) {
      if (this.#binaryRow === null) buffer.bytes[rowEnd++] = 0x0a;
      else rowEnd = this.#binaryRow.replaceText(buffer, rowEnd);
      this.#runs.endRow(buffer.rowCount);
      buffer.endRow(rowEnd, position.delivery, position.ordinal);
      this.overflowValues += placement.size;
      if (attention.length > 0) this.#noteNewKeys(payload);
    } else {
      this.#runs.dropRow();
      this.#text.replacements = before;
    }
    return end;
  }

  #reserve(buffer: RowBuffer, recordBytes: number): void {
    let bytes = recordBytes * 2 + this.#columns.length * VALUE_BYTES_EXTRA + this.#receiptBytes;
    for (const { isUnstorable } of this.#reader.attention) {
      if (isUnstorable) bytes += HASHED_KEY_BYTES_MAX;
    }
    // The row's end, and `_overflow` behind a tab.
    buffer.reserve(bytes + 8);
  }

  /** Writes the values of all columns but `_overflow`; returns where they end. */
  #writeColumns(payload: Uint8Array, out: Uint8Array, at: number): number {
    const { record } = this.#reader;
    const value = this.#value;
    const text = this.#text;
    value.payload = payload;
    let to = at;
    let index = -1;
    let sent = 0;
    for (const column of this.#columns) {
      index++;
      const { slot } = column;
      const isAbsent = slot !== null && slot.record !== record;
      if (isAbsent && column.hasDefault && !this.#options.marksDefaults) {
        this.#runs.leaveOut(index);
        continue;
      }
      if (sent++ > 0) out[to++] = 0x09;
      if (slot === null) {
        to = copyPlain(column.receipt, 0, column.receipt.length, out, to);
      } else if (isAbsent) {
        to = this.#writeAbsent(column.hasDefault, out, to);
      } else if (slot.token === TOKEN_NULL) {
        to = writeNull(out, to);
      } else {
        value.token = slot.token;
        value.start = slot.start;
        value.end = slot.end;
        const before = text.replacements;
        const end = writeValue(column.codec, column.fastPath, value, text, out, to);
        if (text.replacements > before) this.replacedKey ??= slot.key;
        to = end === -1 ? writeNull(out, to) : end;
        if (end === -1) this.#noteMisfit(column, slot, payload);
      }
    }
    this.#sentColumns = sent;
    return to;
  }

  /** Writes the column `_overflow`, the last one; returns where it ends. */
  #writeOverflow(out: Uint8Array, at: number): number {
    const hasDefault = this.#plan.overflow?.hasDefault ?? false;
    const isEmpty = this.#placement.size === 0;
    if (isEmpty && hasDefault && !this.#options.marksDefaults) {
      this.#runs.leaveOut(this.#columns.length);
      return at;
    }
    let to = at;
    if (this.#sentColumns > 0) out[to++] = 0x09;
    if (isEmpty) return this.#writeAbsent(hasDefault, out, to);
    const before = this.#text.replacements;
    to = this.#placement.writeOverflow(this.#value, this.#text, out, to);
    if (this.#text.replacements > before) this.replacedKey ??= OVERFLOW_COLUMN;
    return to;
  }

  /** What a row without the key has in a column. */
  #writeAbsent(hasDefault: boolean, out: Uint8Array, at: number): number {
    if (!hasDefault) return writeNull(out, at);
    this.usesMarker = true;
    return writeMarker(out, at);
  }

  #noteMisfit(column: SentColumn, slot: KeySlot, payload: Uint8Array): void {
    const kind = kindOfValue(slot.token, payload, slot.start, slot.end);
    column.misfits |= kind;
    this.#placement.placeMisfit(column, slot, kind, payload);
  }

  /** Keys of the record that no column takes. */
  #judgeOthers(payload: Uint8Array): void {
    for (const slot of this.#reader.attention) {
      if (slot.isUnstorable) {
        this.#text.replacements++;
        this.replacedKey ??= slot.key;
      }
      if (slot.role === ROLE_DEFAULTED) {
        this.#defaultKeys.add(slot.key);
      } else if (slot.token !== TOKEN_NULL) {
        if (slot.role === ROLE_REFUSED) this.#placement.placeUnsent(slot, payload);
        else if (slot.role === ROLE_NEW) this.#placement.placeNew(slot, payload);
      }
    }
  }

  /** Only of records that become rows: nobody else needs the columns. */
  #noteNewKeys(payload: Uint8Array): void {
    if ((this.#plan.options.closed ?? null) !== null) return;
    for (const slot of this.#reader.attention) {
      if (slot.role !== ROLE_NEW || slot.token === TOKEN_NULL) continue;
      slot.kinds |= kindOfValue(slot.token, payload, slot.start, slot.end);
    }
  }
}

function writeNull(out: Uint8Array, at: number): number {
  out[at] = 0x5c;
  out[at + 1] = 0x4e;
  return at + 2;
}

/** {@linkcode DEFAULT_MARKER}; no value is spelled so, as every backslash in one is doubled. */
function writeMarker(out: Uint8Array, at: number): number {
  out[at] = 0x5c;
  out[at + 1] = 0x44;
  return at + 2;
}
