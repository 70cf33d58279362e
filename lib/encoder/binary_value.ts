/**
 * One value of COPY text as COPY binary: its length and its bytes, as PostgreSQL's own input of the
 * text would have made them. What a column accepts was decided when the text was written; nothing
 * here rounds, and a type whose bytes are not known is a fault of the caller.
 */
import type { ColumnCodec } from "../schema/column_codec.ts";
import { INTEGER_RANGES, readDecimal } from "../schema/decimal.ts";
import { numberText } from "../schema/value_kind.ts";
import { copyPlain } from "./json_text.ts";

/** The most bytes that a value takes beyond its text, its length included: a numeric of one digit. */
export const BINARY_BYTES_EXTRA = 16;

/** Bytes of a numeric before its digits: their number, weight, sign, scale. */
const NUMERIC_HEADER_BYTES = 8;
const NUMERIC_NEGATIVE = 0x4000;
/** Decimal digits that numeric keeps in one of its own. */
const NUMERIC_GROUP = 4;

/** Version of jsonb's binary form. */
const JSONB_VERSION = 1;

const MINUS = 0x2d;
const POINT = 0x2e;
const DIGIT_ZERO = 0x30;
const BACKSLASH = 0x5c;

/** Bytes that COPY text escapes, by their letters; the backslash stands for itself. */
const ESCAPED = new Map([[0x62, 0x08], [0x66, 0x0c], [0x6e, 0x0a], [0x72, 0x0d], [0x74, 0x09]]);

/** Below this a view and a search cost more than a loop. */
const SHORT_BYTES = 64;

/** Characters of a number whose digits are surely below 2^53. */
const CHARACTERS_SAFE = 15;

/** Powers of ten that are doubles, so that one division rounds as reading the decimal does. */
const POWERS = Array.from({ length: CHARACTERS_SAFE }, (_, exponent) => 10 ** exponent);

const TWO_32 = 2 ** 32;

/** 400 years of the calendar: it is the same again then. */
const CYCLE_YEARS = 400;
const CYCLE_SECONDS = 146_097 * 86_400;

/** Where PostgreSQL counts timestamps from: 2000-01-01 UTC, in seconds since the Unix epoch. */
const TIMESTAMP_EPOCH_SECONDS = Date.UTC(2000, 0, 1) / 1_000;

/** Length of `2026-11-24T12:00:00`. */
const WHOLE_SECONDS_LENGTH = 19;
const MICROSECOND_DIGITS = 6;
const MICROSECONDS = 1_000_000;

/** Bytes of text on their way to a view of binary ones. */
export interface BinaryTarget {
  readonly bytes: Uint8Array;
  /** Of the same memory. */
  readonly view: DataView;
}

/**
 * Writes the value that `source` spells from `start` to `end`, not null, at `at`; returns where it
 * ends. Room is the caller's: as much as the text takes and {@linkcode BINARY_BYTES_EXTRA}.
 *
 * @throws {TypeError} no column of this codec is sent as binary
 */
export function writeBinaryValue(
  codec: ColumnCodec,
  source: Uint8Array,
  start: number,
  end: number,
  target: BinaryTarget,
  at: number,
): number {
  const valueEnd = writeBytes(codec, source, start, end, target, at + 4);
  target.view.setInt32(at, valueEnd - at - 4);
  return valueEnd;
}

function writeBytes(
  codec: ColumnCodec,
  source: Uint8Array,
  start: number,
  end: number,
  { bytes, view }: BinaryTarget,
  at: number,
): number {
  switch (codec.kind) {
    case "boolean":
      bytes[at] = source[start] === 0x74 ? 1 : 0;
      return at + 1;
    case "integer":
      return writeInteger(codec.range.max, numberText(source, start, end), view, at);
    case "float8":
      view.setFloat64(at, doubleAt(source, start, end));
      return at + 8;
    case "numeric":
      return writeNumeric(numberText(source, start, end), view, at);
    case "timestamptz":
      return writeTimestamp(source, start, end, view, at);
    case "json":
      bytes[at] = JSONB_VERSION;
      return writeUnescaped(source, start, end, bytes, at + 1);
    case "text":
      return writeUnescaped(source, start, end, bytes, at);
    default:
      throw new TypeError(`Cannot write COPY binary as the column is of kind ${codec.kind}`);
  }
}

function writeInteger(max: string, text: string, view: DataView, at: number): number {
  switch (max) {
    case INTEGER_RANGES.int8.max:
      return text.length > CHARACTERS_SAFE
        ? writeInt64(BigInt(text), view, at)
        : writeSafe(Number(text), view, at);
    case INTEGER_RANGES.int4.max:
      view.setInt32(at, Number(text));
      return at + 4;
    case INTEGER_RANGES.int2.max:
      view.setInt16(at, Number(text));
      return at + 2;
    default:
      throw new TypeError(`Cannot write COPY binary as no integer type ends at ${max}`);
  }
}

function writeInt64(value: bigint, view: DataView, at: number): number {
  view.setBigInt64(at, value);
  return at + 8;
}

/** The same for a safe integer, without making a bigint of it. */
function writeSafe(value: number, view: DataView, at: number): number {
  const high = Math.floor(value / TWO_32);
  view.setInt32(at, high);
  view.setUint32(at + 4, value - high * TWO_32);
  return at + 8;
}

/** The double nearest to the number, as strtod gives it. */
function doubleAt(source: Uint8Array, start: number, end: number): number {
  if (end - start > CHARACTERS_SAFE) return Number(numberText(source, start, end));
  const isNegative = source[start] === MINUS;
  let whole = 0;
  let point = end;
  for (let at = isNegative ? start + 1 : start; at < end; at++) {
    const digit = (source[at] ?? 0) - DIGIT_ZERO;
    if (digit >= 0 && digit <= 9) whole = whole * 10 + digit;
    else if (source[at] === POINT) point = at;
    else return Number(numberText(source, start, end));
  }
  const double = point === end ? whole : whole / (POWERS[end - point - 1] ?? NaN);
  return isNegative ? -double : double;
}

/** The digits in groups of four, without zero ones at either end, and the scale as it is spelled. */
function writeNumeric(text: string, view: DataView, at: number): number {
  const { digits, exponent, isNegative, scale } = readDecimal(text);
  const behind = ((exponent % NUMERIC_GROUP) + NUMERIC_GROUP) % NUMERIC_GROUP;
  const aligned = digits + "0".repeat(behind);
  const groups = digits === "" ? 0 : Math.ceil(aligned.length / NUMERIC_GROUP);
  const padded = aligned.padStart(groups * NUMERIC_GROUP, "0");
  const weight = groups === 0 ? 0 : (exponent - behind) / NUMERIC_GROUP + groups - 1;
  view.setInt16(at, groups);
  view.setInt16(at + 2, weight);
  view.setUint16(at + 4, isNegative && groups > 0 ? NUMERIC_NEGATIVE : 0);
  view.setInt16(at + 6, scale);
  let to = at + NUMERIC_HEADER_BYTES;
  for (let from = 0; from < groups * NUMERIC_GROUP; from += NUMERIC_GROUP) {
    view.setInt16(to, Number(padded.slice(from, from + NUMERIC_GROUP)));
    to += 2;
  }
  return to;
}

/** Microseconds since 2000-01-01 UTC of an RFC 3339 date-time that `isTimestamp` takes. */
function writeTimestamp(
  source: Uint8Array,
  start: number,
  end: number,
  view: DataView,
  at: number,
): number {
  const two = (offset: number): number => digitsAt(source, start + offset, start + offset + 2);
  const year = two(0) * 100 + two(2);
  // Date.UTC takes the first hundred years for others.
  const localMs = Date.UTC(year + CYCLE_YEARS, two(5) - 1, two(8), two(11), two(14), two(17));
  const secondsEnd = start + WHOLE_SECONDS_LENGTH;
  let zone = secondsEnd;
  let fraction = 0;
  if (source[zone] === POINT) {
    zone++;
    while (isDigit(source[zone])) zone++;
    const missing = MICROSECOND_DIGITS - (zone - secondsEnd - 1);
    fraction = digitsAt(source, secondsEnd + 1, zone) * (POWERS[missing] ?? NaN);
  }
  const seconds = localMs / 1_000 - CYCLE_SECONDS - TIMESTAMP_EPOCH_SECONDS -
    offsetMinutes(source, zone, end) * 60;
  const microseconds = seconds * MICROSECONDS + fraction;
  return Number.isSafeInteger(microseconds)
    ? writeSafe(microseconds, view, at)
    : writeInt64(BigInt(seconds) * BigInt(MICROSECONDS) + BigInt(fraction), view, at);
}

/** Minutes east of UTC of the zone at `at`. */
function offsetMinutes(source: Uint8Array, at: number, end: number): number {
  if (at === end - 1) return 0;
  const minutes = digitsAt(source, at + 1, at + 3) * 60 + digitsAt(source, at + 4, at + 6);
  return source[at] === MINUS ? -minutes : minutes;
}

function digitsAt(source: Uint8Array, start: number, end: number): number {
  let number = 0;
  for (let at = start; at < end; at++) number = number * 10 + (source[at] ?? 0) - DIGIT_ZERO;
  return number;
}

function isDigit(code: number | undefined): boolean {
  return code !== undefined && code >= DIGIT_ZERO && code <= DIGIT_ZERO + 9;
}

/** The bytes that COPY text stands for. */
function writeUnescaped(
  source: Uint8Array,
  start: number,
  end: number,
  bytes: Uint8Array,
  at: number,
): number {
  const isLong = end - start > SHORT_BYTES;
  if (isLong && source.subarray(start, end).indexOf(BACKSLASH) === -1) {
    return copyPlain(source, start, end, bytes, at);
  }
  let to = at;
  for (let from = start; from < end; from++) {
    const code = source[from] ?? 0;
    if (code === BACKSLASH) {
      const letter = source[++from] ?? 0;
      bytes[to++] = ESCAPED.get(letter) ?? letter;
    } else {
      bytes[to++] = code;
    }
  }
  return to;
}
