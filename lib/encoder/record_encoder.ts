/**
 * The exact encoder of one record: payload bytes to one COPY row by the column plan. It is the
 * reference that alone decides what is right, what is a reject, and what needs a change of the
 * table; a faster encoder may take records before it and pass those on that are unusual.
 */
import type { ColumnCodec } from "../schema/acceptance.ts";
import type { ColumnPlan } from "../schema/column_plan.ts";
import { TOKEN_NULL } from "../schema/json_token.ts";
import { KIND_NULL, kindWords } from "../schema/value_kind.ts";
import { copyPlain, JsonText } from "./json_text.ts";
import { receiptTime } from "./receipt_time.ts";
import { type KeySlot, RecordKeys, ROLE_DEFAULTED, ROLE_NEW, ROLE_REFUSED } from "./record_keys.ts";
import type { RowBuffer } from "./row_buffer.ts";
import { kindOfValue, shownValue } from "./value_judge.ts";
import { skipSpace, ValueSkipper } from "./value_skipper.ts";
import { fastPathOf, type SourceValue, VALUE_BYTES_EXTRA, writeValue } from "./value_writer.ts";

/** Why a record makes no row. */
export interface Refusal {
  /** Column concerned, when one is. */
  readonly columnName: string | null;
  /** In words. */
  readonly reason: string;
}

/** A column of the plan with all that a row needs of it. */
interface SentColumn {
  readonly name: string;
  readonly typeWords: string;
  readonly codec: ColumnCodec;
  readonly fastPath: number;
  /** Null: the time of receipt. */
  readonly slot: KeySlot | null;
  /** Encoded time of receipt; empty for other columns. */
  receipt: Uint8Array;
  /** Kinds of the values it did not accept, or'ed. */
  misfits: number;
}

/** Where a record is. */
export interface RecordPosition {
  readonly payload: Uint8Array;
  /** Index of the delivery in the batch. */
  readonly delivery: number;
  /** Position of the record in its message, from 0. */
  ordinal: number;
}

const NO_PAYLOAD = new Uint8Array();

/** Encodes record after record by one plan. */
export class RecordEncoder {
  readonly #columns: readonly SentColumn[];
  readonly #unsentKeys: ColumnPlan["unsentKeys"];
  readonly #keys: RecordKeys;
  readonly #skipper = new ValueSkipper();
  readonly #text = new JsonText();
  readonly #value: SourceValue = { payload: NO_PAYLOAD, token: 0, start: 0, end: 0 };
  /** Slots of the record at hand that no column takes. */
  readonly #attention: KeySlot[] = [];
  readonly #defaultKeys = new Set<string>();
  #rejectsInvalidText = false;
  #record = 0;
  #receiptBytes = 0;
  #receivedAtMs = NaN;
  /** Why the record encoded last made no row; null when it did. */
  refusal: Refusal | null = null;

  constructor(plan: ColumnPlan) {
    this.#keys = new RecordKeys(plan);
    this.#unsentKeys = plan.unsentKeys;
    this.#columns = plan.columns.map(({ name, typeWords, codec, key }) => ({
      name,
      typeWords,
      codec,
      fastPath: fastPathOf(codec),
      slot: key === null ? null : this.#keys.slotOf(key),
      receipt: new Uint8Array(),
      misfits: 0,
    }));
  }

  /** Starts a batch from nothing. */
  begin(options: { readonly rejectsInvalidText: boolean }): void {
    this.#keys.forgetNew();
    this.#defaultKeys.clear();
    this.#text.replacements = 0;
    this.#rejectsInvalidText = options.rejectsInvalidText;
    for (const column of this.#columns) column.misfits = 0;
  }

  /** Lets go of the batch: of its payloads, and of keys that the plan does not have. */
  end(): void {
    this.#keys.forgetNew();
    this.#attention.length = 0;
    this.#value.payload = NO_PAYLOAD;
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
    return this.#keys.newSlots().filter(({ kinds }) => (kinds & ~KIND_NULL) !== 0)
      .map(({ key, kinds }) => ({ key, kinds }));
  }

  /** Kinds that each column of the plan met in this batch and does not accept; 0 is none. */
  misfits(): number[] {
    return this.#columns.map((column) => column.misfits);
  }

  /** Sets the time of receipt of the records that follow, in milliseconds since the Unix epoch. */
  setReceivedAt(receivedAtMs: number): void {
    if (receivedAtMs === this.#receivedAtMs) return;
    this.#receivedAtMs = receivedAtMs;
    this.#receiptBytes = 0;
    for (const column of this.#columns) {
      if (column.slot !== null) continue;
      column.receipt = receiptTime(column.codec, receivedAtMs);
      this.#receiptBytes += column.receipt.length;
    }
  }

  /**
   * Encodes the value at `start` as a row of the buffer, or leaves the buffer as it was and sets
   * `refusal`. Returns the offset behind the value.
   */
  encode(position: RecordPosition, start: number, buffer: RowBuffer): number {
    this.refusal = null;
    const { payload } = position;
    if (payload[start] !== 0x7b) {
      const end = this.#skipper.skip(payload, start);
      this.#refuse(
        null,
        `a row must be a JSON object: the record is ${shownValue(payload, start, end)}`,
      );
      return end;
    }
    const end = this.#readRecord(payload, start);
    const before = this.#text.replacements;
    buffer.reserve(
      (end - start) * 2 + this.#columns.length * VALUE_BYTES_EXTRA +
        this.#receiptBytes + 1,
    );
    const rowEnd = this.#writeRow(payload, buffer.bytes, buffer.length);
    if (this.#attention.length > 0) this.#judgeOthers(payload);
    if (this.#text.replacements > before && this.#rejectsInvalidText) {
      this.#refuse(null, INVALID_TEXT);
    }
    if (this.refusal === null) {
      buffer.endRow(rowEnd, position.delivery, position.ordinal);
      if (this.#attention.length > 0) this.#noteNewKeys(payload);
    } else {
      this.#text.replacements = before;
    }
    return end;
  }

  /** Notes where each key's value stands; returns the offset behind the record. */
  #readRecord(payload: Uint8Array, start: number): number {
    const record = ++this.#record;
    this.#attention.length = 0;
    let at = skipSpace(payload, start + 1);
    for (let index = 0; payload[at] === 0x22; index++) {
      const slot = this.#keys.read(payload, at, index);
      at = this.#keys.keyEnd;
      if (payload[at] !== 0x3a) at = skipSpace(payload, at);
      at = skipSpace(payload, at + 1);
      if (slot.needsAttention && slot.record !== record) this.#attention.push(slot);
      slot.record = record;
      slot.start = at;
      at = this.#skipper.skip(payload, at);
      slot.end = at;
      slot.token = this.#skipper.token;
      if (payload[at] !== 0x2c) at = skipSpace(payload, at);
      if (payload[at] !== 0x2c) break;
      at = skipSpace(payload, at + 1);
    }
    if (payload[at] !== 0x7d) {
      throw new RangeError(
        `Cannot encode a record as its JSON must be valid: it breaks at byte ${at}`,
      );
    }
    return at + 1;
  }

  /** Writes the values of all columns and the end of the row; returns where that is. */
  #writeRow(payload: Uint8Array, out: Uint8Array, at: number): number {
    const record = this.#record;
    const value = this.#value;
    value.payload = payload;
    let to = at;
    let isFirst = true;
    for (const column of this.#columns) {
      if (!isFirst) out[to++] = 0x09;
      isFirst = false;
      const { slot } = column;
      if (slot === null) {
        to = copyPlain(column.receipt, 0, column.receipt.length, out, to);
      } else if (slot.record !== record || slot.token === TOKEN_NULL) {
        out[to++] = 0x5c;
        out[to++] = 0x4e;
      } else {
        value.token = slot.token;
        value.start = slot.start;
        value.end = slot.end;
        const end = writeValue(column.codec, column.fastPath, value, this.#text, out, to);
        if (end === -1) this.#noteMisfit(column, value);
        else to = end;
      }
    }
    out[to++] = 0x0a;
    return to;
  }

  #noteMisfit(column: SentColumn, { payload, token, start, end }: SourceValue): void {
    const kind = kindOfValue(token, payload, start, end);
    column.misfits |= kind;
    this.#refuse(
      column.name,
      `column "${column.name}" of type ${column.typeWords} does not hold ${kindWords(kind)} ` +
        `without loss: the value is ${shownValue(payload, start, end)}`,
    );
  }

  /** Keys of the record that no column takes. */
  #judgeOthers(payload: Uint8Array): void {
    for (const slot of this.#attention) {
      if (slot.isUnstorable) {
        this.#text.replacements++;
        if (this.#rejectsInvalidText) this.#refuse(null, INVALID_TEXT);
      }
      if (slot.role === ROLE_DEFAULTED) {
        this.#defaultKeys.add(slot.key);
      } else if (slot.role === ROLE_REFUSED && slot.token !== TOKEN_NULL) {
        const unsent = this.#unsentKeys.get(slot.key);
        if (unsent?.kind !== "refused") continue;
        const shown = shownValue(payload, slot.start, slot.end);
        this.#refuse(
          unsent.columnName,
          `column "${unsent.columnName}" takes no value, ${unsent.rule}: the value is ${shown}`,
        );
      }
    }
  }

  /** Only of records that become rows: nobody else needs the columns. */
  #noteNewKeys(payload: Uint8Array): void {
    for (const slot of this.#attention) {
      if (slot.role !== ROLE_NEW || slot.token === TOKEN_NULL) continue;
      slot.kinds |= kindOfValue(slot.token, payload, slot.start, slot.end);
    }
  }

  /** The first reason stays. */
  #refuse(columnName: string | null, rule: string): void {
    this.refusal ??= { columnName, reason: `Cannot write the record as ${rule}` };
  }
}

const INVALID_TEXT =
  "it holds text that PostgreSQL cannot hold (NUL or half of a surrogate pair), which is to be rejected";
