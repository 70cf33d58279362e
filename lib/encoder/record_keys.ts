/**
 * The keys that the records of a batch have: those of the column plan, and new ones as they are met.
 * For the record at hand it knows where each key's value stands; of a key given twice the last value
 * counts. It predicts that keys come in the order of the record before, which spares the look-up.
 */
import type { ColumnPlan } from "../schema/column_plan.ts";
import { isStorableText } from "../schema/identifiers.ts";
import { JsonText } from "./json_text.ts";
import { KeyTable } from "./key_table.ts";

/** A column takes the key's value. */
export const ROLE_COLUMN = 0;
/** Another value stands in for the key's. */
export const ROLE_IGNORED = 1;
/** Its column has a DEFAULT and is not sent yet. */
export const ROLE_DEFAULTED = 2;
/** Nothing can be written there. */
export const ROLE_REFUSED = 3;
/** No column yet. */
export const ROLE_NEW = 4;

const ROLES = { ignored: ROLE_IGNORED, defaulted: ROLE_DEFAULTED, refused: ROLE_REFUSED } as const;

// A byte-order mark is part of a key like any other character.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** One key, and where its value stands in the record at hand. */
export class KeySlot {
  /** Number of the record that had the key last. */
  record = 0;
  start = 0;
  end = 0;
  token = 0;
  /** Kinds of the values that a new key had, or'ed. */
  kinds = 0;
  /** The key as it stands in `_overflow`; made when it is first needed. */
  overflowKey: Uint8Array | null = null;
  /** To be looked at after each record that has the key. */
  readonly needsAttention: boolean;

  constructor(
    readonly key: string,
    /** The key as it stands between quotes when it needs no escape; empty otherwise. */
    readonly rawKey: Uint8Array,
    readonly role: number,
    /** The key holds text that PostgreSQL cannot hold. */
    readonly isUnstorable: boolean,
  ) {
    this.needsAttention = (role !== ROLE_COLUMN && role !== ROLE_IGNORED) || isUnstorable;
  }
}

/** See the head of this file. */
export class RecordKeys {
  readonly #table = new KeyTable();
  readonly #slots: KeySlot[] = [];
  readonly #plannedSize: number;
  /** Slots in the order of the keys of the record before. */
  readonly #predicted: KeySlot[] = [];
  readonly #scratch = new Uint8Array(256);

  constructor(plan: ColumnPlan) {
    for (const { key } of plan.columns) if (key !== null) this.#add(key, ROLE_COLUMN);
    for (const [key, { kind }] of plan.unsentKeys) {
      if (this.slotOf(key) === null) this.#add(key, ROLES[kind]);
    }
    this.#plannedSize = this.#slots.length;
  }

  /** Slots of new keys, in the order of their first appearance. */
  newSlots(): readonly KeySlot[] {
    return this.#slots.slice(this.#plannedSize);
  }

  /** The slot of a key that is known. */
  slotOf(key: string): KeySlot | null {
    const bytes = keyBytes(key);
    return this.#slots[this.#table.find(bytes, 0, bytes.length)] ?? null;
  }

  /** Forgets the new keys; for the next batch. */
  forgetNew(): void {
    this.#table.truncate(this.#plannedSize);
    this.#slots.length = this.#plannedSize;
    this.#predicted.length = 0;
  }

  /**
   * The slot of the key whose opening quote is at `position`, the `index`-th key of its record; adds
   * one for a key that was never met. `keyEnd` is then the offset behind the closing quote.
   */
  read(payload: Uint8Array, position: number, index: number): KeySlot {
    const predicted = this.#predicted[index];
    if (predicted !== undefined && isKeyAt(payload, position + 1, predicted.rawKey)) {
      this.keyEnd = position + predicted.rawKey.length + 2;
      return predicted;
    }
    const slot = this.#lookUp(payload, position);
    // One behind the last at most: the order has no gaps.
    if (index <= this.#predicted.length) this.#predicted[index] = slot;
    return slot;
  }

  /** Offset behind the key read last. */
  keyEnd = 0;

  #lookUp(payload: Uint8Array, position: number): KeySlot {
    let end = position + 1;
    let hasEscape = false;
    while (end < payload.length && payload[end] !== 0x22) {
      if (payload[end] === 0x5c) {
        hasEscape = true;
        end++;
      }
      end++;
    }
    this.keyEnd = end + 1;
    return hasEscape
      ? this.#escapedSlot(payload, position + 1, end)
      : this.#slotAt(payload, position + 1, end);
  }

  /** The same key may be spelled in many ways; what it says counts. */
  #escapedSlot(payload: Uint8Array, start: number, end: number): KeySlot {
    const fits = end - start <= this.#scratch.length;
    const decoded = fits ? this.#scratch : new Uint8Array(end - start);
    const text = new JsonText();
    const length = text.decode(payload, start, end, decoded, 0);
    if (text.replacements === 0) return this.#slotAt(decoded, 0, length);
    // NUL and lone surrogates tell keys apart, which UTF-8 cannot.
    const key: unknown = JSON.parse(`"${decoder.decode(payload.subarray(start, end))}"`);
    if (typeof key !== "string") throw new TypeError("Cannot read a key as it is not a string");
    return this.slotOf(key) ?? this.#add(key, ROLE_NEW);
  }

  #slotAt(bytes: Uint8Array, start: number, end: number): KeySlot {
    const known = this.#slots[this.#table.find(bytes, start, end)];
    return known ?? this.#add(decoder.decode(bytes.subarray(start, end)), ROLE_NEW);
  }

  #add(key: string, role: number): KeySlot {
    const isStorable = isStorableText(key);
    const bytes = keyBytes(key);
    const slot = new KeySlot(
      key,
      isSpelledRaw(key, isStorable) ? bytes : NO_BYTES,
      role,
      !isStorable,
    );
    this.#table.add(bytes);
    this.#slots.push(slot);
    return slot;
  }
}

const NO_BYTES = new Uint8Array();

/**
 * The key as bytes: UTF-8, and for one that UTF-8 cannot spell a form that begins with a byte which
 * no UTF-8 has.
 */
function keyBytes(key: string): Uint8Array {
  if (isStorableText(key)) return encoder.encode(key);
  const spelled = encoder.encode(JSON.stringify(key));
  const marked = new Uint8Array(spelled.length + 1);
  marked[0] = 0xff;
  marked.set(spelled, 1);
  return marked;
}

/** In valid JSON the key stands as it is, unless it holds a quote, backslash or control character. */
function isSpelledRaw(key: string, isStorable: boolean): boolean {
  if (!isStorable || key === "") return false;
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i);
    if (unit < 0x20 || unit === 0x22 || unit === 0x5c) return false;
  }
  return true;
}

function isKeyAt(payload: Uint8Array, start: number, rawKey: Uint8Array): boolean {
  const length = rawKey.length;
  if (length === 0 || payload[start + length] !== 0x22) return false;
  for (let i = 0; i < length; i++) if (payload[start + i] !== rawKey[i]) return false;
  return true;
}
