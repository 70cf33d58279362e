/**
 * Text out of JSON source: strings with their escapes resolved, and source that goes into json or
 * jsonb as it stands. Both as COPY text or plain. PostgreSQL can hold neither NUL nor half a
 * surrogate pair; each becomes U+FFFD and is counted, so that the caller can refuse the row instead.
 * Input is valid JSON in valid UTF-8, so such text only ever comes from `\u` escapes.
 */

const BACKSLASH = 0x5c;
const LETTER_U = 0x75;
const REPLACEMENT = 0xfffd;

/** What a letter behind a backslash stands for in JSON; COPY has the same letters for b f n r t. */
const SIMPLE_ESCAPES = new Map([
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
]);

/** Copies JSON text. Methods write at `at` and return where they stopped; room is the caller's. */
export class JsonText {
  /** Replacements by U+FFFD since the start. */
  replacements = 0;
  /** Length in the source of the escape read last: 6, or 12 for a surrogate pair. */
  #escapeLength = 0;

  /** The text of a string, as UTF-8; never longer than its source without quotes. */
  decode(source: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
    let to = at;
    for (let from = start; from < end;) {
      const code = source[from] ?? 0;
      if (code !== BACKSLASH) {
        out[to++] = code;
        from++;
        continue;
      }
      const letter = source[from + 1] ?? 0;
      if (letter === LETTER_U) {
        to = writeUtf8(this.#readEscape(source, from, end), out, to);
        from += this.#escapeLength;
      } else {
        out[to++] = SIMPLE_ESCAPES.get(letter) ?? letter;
        from += 2;
      }
    }
    return to;
  }

  /** The text of a string in COPY text format; never longer than its source without quotes. */
  decodeToCopy(
    source: Uint8Array,
    start: number,
    end: number,
    out: Uint8Array,
    at: number,
  ): number {
    let to = at;
    for (let from = start; from < end;) {
      const code = source[from] ?? 0;
      if (code !== BACKSLASH) {
        out[to++] = code;
        from++;
        continue;
      }
      const letter = source[from + 1] ?? 0;
      if (letter === LETTER_U) {
        to = writeCopyCharacter(this.#readEscape(source, from, end), out, to);
        from += this.#escapeLength;
        continue;
      }
      if (letter === BACKSLASH || SIMPLE_ESCAPES.has(letter)) out[to++] = BACKSLASH;
      out[to++] = letter;
      from += 2;
    }
    return to;
  }

  /** JSON source for a column of JSON, in COPY text format; at most twice as long. */
  sourceToCopy(
    source: Uint8Array,
    start: number,
    end: number,
    out: Uint8Array,
    at: number,
  ): number {
    let to = at;
    for (let from = start; from < end;) {
      const code = source[from] ?? 0;
      if (code === BACKSLASH) {
        const before = this.replacements;
        const isUnicode = source[from + 1] === LETTER_U;
        if (isUnicode) this.#readEscape(source, from, end);
        const length = isUnicode ? this.#escapeLength : 2;
        to = this.replacements > before
          ? writeAscii("\\\\ufffd", out, to)
          : copyEscaped(source, from, from + length, out, to);
        from += length;
      } else {
        to = writeCopyByte(code, out, to);
        from++;
      }
    }
    return to;
  }

  /** The character of the `\u` escape at `from`, or U+FFFD for what PostgreSQL cannot hold. */
  #readEscape(source: Uint8Array, from: number, end: number): number {
    const unit = hexUnit(source, from + 2);
    this.#escapeLength = 6;
    if (unit >= 0xd800 && unit <= 0xdbff && isEscape(source, from + 6, end)) {
      const low = hexUnit(source, from + 8);
      if (low >= 0xdc00 && low <= 0xdfff) {
        this.#escapeLength = 12;
        return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
      }
    }
    if (unit !== 0 && (unit < 0xd800 || unit > 0xdfff)) return unit;
    this.replacements++;
    return REPLACEMENT;
  }
}

/** Any JSON source as COPY text, byte for byte; at most twice as long. */
export function copyEscaped(
  source: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  let to = at;
  for (let from = start; from < end; from++) to = writeCopyByte(source[from] ?? 0, out, to);
  return to;
}

/** Bytes that mean themselves in COPY text. */
export function copyPlain(
  source: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  // Below this a view and a call cost more than the loop.
  if (end - start > 64) {
    out.set(source.subarray(start, end), at);
    return at + end - start;
  }
  let to = at;
  for (let from = start; from < end; from++) out[to++] = source[from] ?? 0;
  return to;
}

/** ASCII text that needs no escape. */
export function writeAscii(text: string, out: Uint8Array, at: number): number {
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i);
  return at + text.length;
}

/** The four escapes of COPY text that are needed; all other bytes mean themselves. */
function writeCopyByte(code: number, out: Uint8Array, at: number): number {
  if (code !== BACKSLASH && code !== 0x0a && code !== 0x0d && code !== 0x09) {
    out[at] = code;
    return at + 1;
  }
  out[at] = BACKSLASH;
  out[at + 1] = code === BACKSLASH ? BACKSLASH : code === 0x0a ? 0x6e : code === 0x0d ? 0x72 : 0x74;
  return at + 2;
}

function writeCopyCharacter(character: number, out: Uint8Array, at: number): number {
  return character < 0x80 ? writeCopyByte(character, out, at) : writeUtf8(character, out, at);
}

function writeUtf8(character: number, out: Uint8Array, at: number): number {
  let to = at;
  if (character < 0x80) {
    out[to++] = character;
  } else if (character < 0x800) {
    out[to++] = 0xc0 | (character >> 6);
    out[to++] = 0x80 | (character & 0x3f);
  } else if (character < 0x10000) {
    out[to++] = 0xe0 | (character >> 12);
    out[to++] = 0x80 | ((character >> 6) & 0x3f);
    out[to++] = 0x80 | (character & 0x3f);
  } else {
    out[to++] = 0xf0 | (character >> 18);
    out[to++] = 0x80 | ((character >> 12) & 0x3f);
    out[to++] = 0x80 | ((character >> 6) & 0x3f);
    out[to++] = 0x80 | (character & 0x3f);
  }
  return to;
}

function isEscape(source: Uint8Array, at: number, end: number): boolean {
  return at + 6 <= end && source[at] === BACKSLASH && source[at + 1] === LETTER_U;
}

/** The value of four hexadecimal digits. */
function hexUnit(source: Uint8Array, at: number): number {
  let unit = 0;
  for (let i = at; i < at + 4; i++) {
    const code = source[i] ?? 0;
    unit = unit * 16 + (code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x57);
  }
  return unit;
}
