/**
 * Decodes JSON strings that come again and again, such as route ids: the string decoded last is kept
 * with its source, and the same source is not decoded twice.
 */

/** A string whose source is longer is decoded anew each time. */
const KEPT_BYTES_MAX = 256;

// A byte-order mark is a character like any other inside of a string.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Remembers one string. */
export class StringReader {
  readonly #source = new Uint8Array(KEPT_BYTES_MAX);
  #length = -1;
  #text = "";

  /**
   * The text of the valid JSON string whose quotes stand at `start` and before `end`. Lone
   * surrogates stay what they are.
   */
  read(bytes: Uint8Array, start: number, end: number): string {
    if (this.#isKept(bytes, start, end)) return this.#text;
    const text = decodeString(bytes, start, end);
    if (end - start <= KEPT_BYTES_MAX) {
      for (let i = 0; i < end - start; i++) this.#source[i] = bytes[start + i] ?? 0;
      this.#length = end - start;
      this.#text = text;
    }
    return text;
  }

  #isKept(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start !== this.#length) return false;
    for (let i = 0; i < this.#length; i++) {
      if (this.#source[i] !== bytes[start + i]) return false;
    }
    return true;
  }
}

/** The same without a memory. */
export function decodeString(bytes: Uint8Array, start: number, end: number): string {
  const inner = decoder.decode(bytes.subarray(start + 1, end - 1));
  if (!inner.includes("\\")) return inner;
  const text: unknown = JSON.parse(`"${inner}"`);
  if (typeof text !== "string") throw new TypeError("Cannot read a string as it is none");
  return text;
}
