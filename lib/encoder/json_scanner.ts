/**
 * A strict JSON scanner over bytes: RFC 8259 and nothing more, valid UTF-8, nesting bounded. It finds
 * where values end and builds nothing. Every method that scans returns the offset behind what it
 * read, or -1 after it has noted what is wrong, in words and with the byte offset.
 */

/** Objects and lists within one another that a message may have (design §8). */
export const DEPTH_MAX = 1_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;

/** Letters that may follow a backslash: `"`, `\`, `/`, b, f, n, r, t; u is special. */
const ESCAPES = new Set([0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74]);

const LITERALS = new Map([[0x74, "true"], [0x66, "false"], [0x6e, "null"]]);

/** One scanner serves one message after the other; it holds on to none of them once `close`d. */
export class JsonScanner {
  #bytes: Uint8Array = new Uint8Array();
  /** For each open container around the position: 1 for an object, 0 for a list. */
  readonly #isObject = new Uint8Array(DEPTH_MAX);
  /** What was wrong, in words; empty as long as nothing was. */
  fault = "";
  /** The string scanned last holds an escape. */
  hasEscape = false;
  /** Offset behind the closing quote of the key scanned last. */
  keyEnd = 0;

  /** Takes the bytes to scan. */
  open(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.fault = "";
  }

  /** Lets go of the bytes. */
  close(): void {
    this.#bytes = new Uint8Array();
  }

  /** Notes what is wrong and returns -1. */
  fail(what: string, offset: number): -1 {
    const where = offset >= this.#bytes.length ? "at the end" : `at byte ${offset}`;
    this.fault = `${what} ${where}`;
    return -1;
  }

  /** The offset of the first byte at or behind `position` that is no white space. */
  skipSpace(position: number): number {
    const bytes = this.#bytes;
    let at = position;
    let code = bytes[at];
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = bytes[++at];
    return at;
  }

  /** Scans one value of any type at `position`, inside of `depth` open containers. */
  scanValue(position: number, depth: number): number {
    const bytes = this.#bytes;
    const isObject = this.#isObject;
    let open = depth;
    let at = position;
    for (;;) {
      // At a value.
      const code = bytes[at];
      if (code === OPEN_OBJECT || code === OPEN_LIST) {
        if (open >= DEPTH_MAX) return this.fail(`nested deeper than ${DEPTH_MAX}`, at);
        const inObject = code === OPEN_OBJECT;
        at = this.skipSpace(at + 1);
        if (bytes[at] !== (inObject ? CLOSE_OBJECT : CLOSE_LIST)) {
          isObject[open++] = inObject ? 1 : 0;
          if (inObject) at = this.scanKey(at);
          if (at === -1) return -1;
          continue;
        }
        at++;
      } else {
        at = this.#scanScalar(at);
        if (at === -1) return -1;
      }
      // Behind a value: close what ends here, until another value must come.
      for (;;) {
        if (open === depth) return at;
        const inObject = isObject[open - 1] === 1;
        at = this.skipSpace(at);
        if (bytes[at] === COMMA) {
          at = this.skipSpace(at + 1);
          if (inObject) at = this.scanKey(at);
          if (at === -1) return -1;
          break;
        }
        if (bytes[at] !== (inObject ? CLOSE_OBJECT : CLOSE_LIST)) {
          return this.fail(
            `expected a comma or the end of ${inObject ? "an object" : "a list"}`,
            at,
          );
        }
        at++;
        open--;
      }
    }
  }

  /** Scans a key and its colon; returns where the value begins. */
  scanKey(position: number): number {
    if (this.#bytes[position] !== QUOTE) return this.fail("expected a key in quotes", position);
    const end = this.scanString(position);
    if (end === -1) return -1;
    this.keyEnd = end;
    const colon = this.skipSpace(end);
    if (this.#bytes[colon] !== COLON) return this.fail("expected a colon behind a key", colon);
    return this.skipSpace(colon + 1);
  }

  /** Scans a string from its opening quote; sets `hasEscape`. */
  scanString(position: number): number {
    const bytes = this.#bytes;
    this.hasEscape = false;
    let at = position + 1;
    for (;;) {
      const code = bytes[at] ?? 0;
      if (code === QUOTE) return at + 1;
      if (code === BACKSLASH) {
        this.hasEscape = true;
        at = this.#scanEscape(at);
      } else if (code >= 0x80) {
        at = this.#scanMultibyte(at, code);
      } else if (code < 0x20) {
        const what = at < bytes.length ? "a control character in a string" : "a string has no end";
        return this.fail(what, at);
      } else {
        at++;
        continue;
      }
      if (at === -1) return -1;
    }
  }

  #scanScalar(position: number): number {
    const code = this.#bytes[position] ?? 0;
    if (code === QUOTE) return this.scanString(position);
    if (code === 0x2d || isDigit(code)) return this.#scanNumber(position);
    const literal = LITERALS.get(code);
    if (literal === undefined) return this.fail("expected a value", position);
    for (let i = 1; i < literal.length; i++) {
      if (this.#bytes[position + i] !== literal.charCodeAt(i)) {
        return this.fail("expected a value", position);
      }
    }
    return position + literal.length;
  }

  #scanNumber(position: number): number {
    const bytes = this.#bytes;
    let at = bytes[position] === 0x2d ? position + 1 : position;
    const first = at;
    at = this.#skipDigits(at);
    if (at === first) return this.fail("expected a digit", at);
    if (bytes[first] === 0x30 && at > first + 1) {
      return this.fail("a number begins with a needless zero", first);
    }
    if (bytes[at] === 0x2e) {
      const fraction = at + 1;
      at = this.#skipDigits(fraction);
      if (at === fraction) return this.fail("expected a digit", at);
    }
    if (bytes[at] === 0x65 || bytes[at] === 0x45) {
      at++;
      if (bytes[at] === 0x2b || bytes[at] === 0x2d) at++;
      const exponent = at;
      at = this.#skipDigits(exponent);
      if (at === exponent) return this.fail("expected a digit", at);
    }
    return at;
  }

  #skipDigits(position: number): number {
    const bytes = this.#bytes;
    let at = position;
    while (isDigit(bytes[at] ?? 0)) at++;
    return at;
  }

  #scanEscape(position: number): number {
    const code = this.#bytes[position + 1] ?? 0;
    if (ESCAPES.has(code)) return position + 2;
    if (code !== 0x75) return this.fail("an unknown escape in a string", position);
    for (let at = position + 2; at < position + 6; at++) {
      if (!isHexDigit(this.#bytes[at] ?? 0)) return this.fail("expected a hexadecimal digit", at);
    }
    return position + 6;
  }

  /** The well-formed sequences of the Unicode Standard, table 3-7. */
  #scanMultibyte(position: number, lead: number): number {
    if (lead >= 0xc2 && lead <= 0xdf) return this.#continued(position, 1, 0x80, 0xbf);
    if (lead === 0xe0) return this.#continued(position, 2, 0xa0, 0xbf);
    if (lead === 0xed) return this.#continued(position, 2, 0x80, 0x9f);
    if (lead >= 0xe1 && lead <= 0xef) return this.#continued(position, 2, 0x80, 0xbf);
    if (lead === 0xf0) return this.#continued(position, 3, 0x90, 0xbf);
    if (lead >= 0xf1 && lead <= 0xf3) return this.#continued(position, 3, 0x80, 0xbf);
    if (lead === 0xf4) return this.#continued(position, 3, 0x80, 0x8f);
    return this.fail("invalid UTF-8", position);
  }

  /** `more` continuation bytes follow; the first of them is within `low` and `high`. */
  #continued(position: number, more: number, low: number, high: number): number {
    const bytes = this.#bytes;
    const second = bytes[position + 1] ?? 0;
    if (second < low || second > high) return this.fail("invalid UTF-8", position);
    for (let at = position + 2; at <= position + more; at++) {
      if (((bytes[at] ?? 0) & 0xc0) !== 0x80) return this.fail("invalid UTF-8", position);
    }
    return position + more + 1;
  }
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isHexDigit(code: number): boolean {
  return isDigit(code) || (code >= 0x61 && code <= 0x66) || (code >= 0x41 && code <= 0x46);
}
