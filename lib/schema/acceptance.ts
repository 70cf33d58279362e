/**
 * Which values a column accepts: those that its type holds without loss (design §8). PostgreSQL
 * itself would round, cut, drop an offset or read a word as a date; nothing of that kind gets here.
 */
import type { ColumnCodec } from "./column_codec.ts";
import { isCalendarDate, isLocalTimestamp, isTime, isTimestamp } from "./date_time.ts";
import {
  type Decimal,
  fitsInteger,
  fitsNumeric,
  fitsNumericModifier,
  isExactDouble,
  isExactSingle,
  readDecimal,
} from "./decimal.ts";

/** A column of this codec holds the JSON number without loss; `text` is its source. */
export function acceptsNumber(codec: ColumnCodec, text: string): boolean {
  switch (codec.kind) {
    case "text":
      return codec.charactersMax === null || text.length <= codec.charactersMax;
    case "json":
      return codec.holdsOutsize || fitsNumeric(readDecimal(text));
    case "float8":
      return isExactDouble(text) && (isPlain(text) || fitsNumeric(readDecimal(text)));
    case "integer":
    case "float4":
    case "numeric": {
      const decimal = readDecimal(text);
      return fitsNumeric(decimal) && holdsNumber(codec, decimal);
    }
    case "boolean":
    case "timestamptz":
    case "timestamp":
    case "time":
    case "date":
    case "uuid":
    case "bytea":
    case "enum":
    case "array":
    case "unsupported":
      return false;
    default:
      return unknownCodec(codec);
  }
}

type NumberCodec = Extract<
  ColumnCodec,
  { readonly kind: "integer" | "float4" | "numeric" }
>;

/** Short and without an exponent: numeric surely holds it. */
function isPlain(text: string): boolean {
  return text.length <= PLAIN_CHARACTERS_MAX && !text.includes("e") && !text.includes("E");
}

/** Far below the digits that numeric has. */
const PLAIN_CHARACTERS_MAX = 1_000;

function holdsNumber(codec: NumberCodec, decimal: Decimal): boolean {
  switch (codec.kind) {
    case "integer":
      return fitsInteger(decimal, codec.range);
    case "float4":
      return isExactSingle(decimal);
    case "numeric":
      return codec.modifier === null || fitsNumericModifier(decimal, codec.modifier);
    default:
      return unknownCodec(codec);
  }
}

/** A column of this codec holds the string; the bytes are its text as UTF-8, escapes resolved. */
export function acceptsString(
  codec: ColumnCodec,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  switch (codec.kind) {
    case "timestamptz":
      return isTimestamp(bytes, start, end, codec.digits);
    case "timestamp":
      return isLocalTimestamp(bytes, start, end, codec.digits);
    case "time":
      return isTime(bytes, start, end, codec.digits);
    case "date":
      return isCalendarDate(bytes, start, end);
    case "bytea":
      return isHexBytes(bytes, start, end);
    case "uuid":
      return isUuid(bytes, start, end);
    case "enum":
      return codec.labels.has(utf8.decode(bytes.subarray(start, end)));
    case "json":
      return true;
    case "text":
      return codec.charactersMax === null ||
        fitsCharacters(codec.charactersMax, codec.isPadded, bytes.subarray(start, end));
    case "boolean":
    case "integer":
    case "float8":
    case "float4":
    case "numeric":
    case "array":
    case "unsupported":
      return false;
    default:
      return unknownCodec(codec);
  }
}

// A byte-order mark is a character like any other here.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** At most so many characters; where blanks are filled up, no trailing one that would be lost. */
function fitsCharacters(charactersMax: number, isPadded: boolean, text: Uint8Array): boolean {
  let characters = 0;
  for (const byte of text) {
    // Continuation bytes are 10xxxxxx.
    if ((byte & 0xc0) !== 0x80) characters++;
  }
  if (characters > charactersMax) return false;
  return !isPadded || characters === charactersMax || text.at(-1) !== 0x20;
}

const UUID_LENGTH = 36;

/** The form that PostgreSQL prints: hexadecimal digits in groups of 8, 4, 4, 4 and 12. */
function isUuid(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== UUID_LENGTH) return false;
  for (let i = 0; i < UUID_LENGTH; i++) {
    const code = bytes[start + i] ?? 0;
    const isDash = i === 8 || i === 13 || i === 18 || i === 23;
    if (isDash ? code !== 0x2d : !isHexDigit(code)) return false;
  }
  return true;
}

/** The form that PostgreSQL prints: `\x` and two hexadecimal digits for each byte. */
function isHexBytes(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 2 || (end - start) % 2 !== 0) return false;
  if (bytes[start] !== 0x5c || bytes[start + 1] !== 0x78) return false;
  for (let at = start + 2; at < end; at++) if (!isHexDigit(bytes[at] ?? 0)) return false;
  return true;
}

function isHexDigit(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66) ||
    (code >= 0x41 && code <= 0x46);
}

function unknownCodec(codec: never): never {
  throw new TypeError(`Cannot judge a value as the codec is unknown: ${JSON.stringify(codec)}`);
}
