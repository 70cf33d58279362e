/**
 * The values of one record that no column takes, as the JSON object for the column `_overflow`: each
 * under the record's own key. A key that PostgreSQL cannot hold gets the hashed name that a column
 * for it would have, so that two keys never become one.
 */
import type { ColumnCodec } from "../schema/column_codec.ts";
import { columnNameFor, isStorableText } from "../schema/identifiers.ts";
import { copyEscaped, copyPlain, type JsonText } from "./json_text.ts";
import type { KeySlot } from "./record_keys.ts";
import type { SourceValue } from "./source_value.ts";
import { fastPathOf, writeValue } from "./value_writer.ts";

const JSONB: ColumnCodec = { kind: "json", holdsOutsize: false };
const JSONB_FAST_PATH = fastPathOf(JSONB);

/** The most bytes that a key takes which is replaced by a hashed name. */
export const HASHED_KEY_BYTES_MAX = 256;

const encoder = new TextEncoder();

/** See the head of this file; used again for record after record. */
export class OverflowObject {
  readonly #slots: KeySlot[] = [];

  get size(): number {
    return this.#slots.length;
  }

  clear(): void {
    this.#slots.length = 0;
  }

  /** Takes the value of a slot in; a key has one slot, so none comes twice. */
  add(slot: KeySlot): void {
    this.#slots.push(slot);
  }

  /**
   * Writes the object as COPY text and returns where it ends, or the slot whose value jsonb does not
   * hold. Room is the caller's: as much as keys and values take in the source, twice, and
   * {@linkcode HASHED_KEY_BYTES_MAX} for each key that PostgreSQL cannot hold.
   */
  write(value: SourceValue, text: JsonText, out: Uint8Array, at: number): number | KeySlot {
    let to = at;
    out[to++] = 0x7b;
    for (const [index, slot] of this.#slots.entries()) {
      if (index > 0) out[to++] = 0x2c;
      const key = slot.overflowKey ??= encodedKey(slot.key);
      to = copyPlain(key, 0, key.length, out, to);
      value.token = slot.token;
      value.start = slot.start;
      value.end = slot.end;
      to = writeValue(JSONB, JSONB_FAST_PATH, value, text, out, to);
      if (to === -1) return slot;
    }
    out[to++] = 0x7d;
    return to;
  }
}

/** The key between quotes, with its colon, as COPY text. */
function encodedKey(key: string): Uint8Array {
  const name = isStorableText(key) ? key : columnNameFor(key);
  const source = encoder.encode(`${JSON.stringify(name)}:`);
  const copied = new Uint8Array(source.length * 2);
  return copied.slice(0, copyEscaped(source, 0, source.length, copied, 0));
}
