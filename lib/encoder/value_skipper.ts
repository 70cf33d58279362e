/**
 * Walks over values of JSON that is known to be valid, and says by a token what each is. The
 * envelope's scanner has judged the payload before; given anything else the walk still ends, at the
 * end of the bytes, but the answer means nothing.
 */
import {
  TOKEN_ESCAPED_STRING,
  TOKEN_FALSE,
  TOKEN_FRACTION,
  TOKEN_INTEGER,
  TOKEN_NULL,
  TOKEN_STRING,
  TOKEN_STRUCTURE,
  TOKEN_SUSPECT_STRUCTURE,
  TOKEN_TRUE,
} from "../schema/json_token.ts";

/** A structure of more bytes may hold a number of more fraction digits than numeric takes. */
const PLAIN_STRUCTURE_BYTES_MAX = 16_383;

/** Skips values; `token` tells what the last one was. One skipper serves any number of payloads. */
export class ValueSkipper {
  token = TOKEN_NULL;

  /** The offset behind the value at `position`. */
  skip(bytes: Uint8Array, position: number): number {
    switch (bytes[position]) {
      case 0x22:
        return this.#skipString(bytes, position);
      case 0x7b:
      case 0x5b:
        return this.#skipStructure(bytes, position);
      case 0x74:
        this.token = TOKEN_TRUE;
        return position + 4;
      case 0x66:
        this.token = TOKEN_FALSE;
        return position + 5;
      case 0x6e:
        this.token = TOKEN_NULL;
        return position + 4;
      default:
        return this.#skipNumber(bytes, position);
    }
  }

  #skipString(bytes: Uint8Array, position: number): number {
    this.token = TOKEN_STRING;
    const length = bytes.length;
    let at = position + 1;
    while (at < length) {
      const code = bytes[at];
      if (code === 0x22) break;
      if (code === 0x5c) {
        this.token = TOKEN_ESCAPED_STRING;
        at++;
      }
      at++;
    }
    return at + 1;
  }

  #skipNumber(bytes: Uint8Array, position: number): number {
    this.token = TOKEN_INTEGER;
    const length = bytes.length;
    let at = position + 1;
    while (at < length) {
      const code = bytes[at] ?? 0;
      if (code < 0x30 || code > 0x39) {
        // Inside a number these are: . e E + -
        const isPart = code === 0x2e || code === 0x65 || code === 0x45 || code === 0x2b ||
          code === 0x2d;
        if (!isPart) break;
        this.token = TOKEN_FRACTION;
      }
      at++;
    }
    return at;
  }

  #skipStructure(bytes: Uint8Array, position: number): number {
    const length = bytes.length;
    let depth = 0;
    let isSuspect = false;
    let at = position;
    while (at < length) {
      const code = bytes[at];
      if (code === 0x22) {
        at++;
        while (at < length && bytes[at] !== 0x22) {
          if (bytes[at] === 0x5c) {
            at++;
            isSuspect ||= bytes[at] === 0x75;
          }
          at++;
        }
      } else if (code === 0x7b || code === 0x5b) {
        depth++;
      } else if (code === 0x7d || code === 0x5d) {
        depth--;
        if (depth === 0) break;
      } else if (code === 0x45 || (code === 0x65 && isExponent(bytes, at))) {
        isSuspect = true;
      }
      at++;
    }
    const end = at + 1;
    isSuspect ||= end - position > PLAIN_STRUCTURE_BYTES_MAX;
    this.token = isSuspect ? TOKEN_SUSPECT_STRUCTURE : TOKEN_STRUCTURE;
    return end;
  }
}

/** An `e` behind a digit; the others end `true` and `false`. */
function isExponent(bytes: Uint8Array, position: number): boolean {
  const before = bytes[position - 1] ?? 0;
  return before >= 0x30 && before <= 0x39;
}

/** The offset of the first byte at or behind `position` that is no JSON white space. */
export function skipSpace(bytes: Uint8Array, position: number): number {
  let at = position;
  let code = bytes[at];
  while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = bytes[++at];
  return at;
}
