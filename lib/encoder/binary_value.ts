/**
 * One value of COPY text as COPY binary: its length and its bytes, as PostgreSQL's own input of the
 * text would have made them. What a column accepts was decided when the text was written; nothing
 * here rounds, and a type whose bytes are not known is a fault of the caller.
 */
import type { ColumnCodec } from "../schema/column_codec.ts";
import { INTEGER_RANGES, readDecimal } from "../schema/decimal.ts";
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

const BACKSLASH = 0x5c;

/** Bytes that COPY text escapes, by their letters; the backslash stands for itself. */
const ESCAPED = new Map([[0x62, 0x08], [0x66, 0x0c], [0x6e, 0x0a], [0x72, 0x0d], [0x74, 0x09]]);

/** 400 years of the calendar: it is the same again then. */
const CYCLE_YEARS = 400;
const CYCLE_DAYS = 146_097;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const MICROSECONDS_PER_MS = 1_000n;

/** Where PostgreSQL counts timestamps from: 2000-01-01 UTC, in milliseconds since the Unix epoch. */
const TIMESTAMP_EPOCH_MS = Date.UTC(2000, 0, 1);

/** Length of `2026-11-24T12:00:00`, and digits of a second behind it. */
const WHOLE_SECONDS_LENGTH = 19;
const MICROSECOND_DIGITS = 6;

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
      return writeInteger(codec.range.max, asciiText(source, start, end), view, at);
    case "float8":
      // Rounds to the nearest double, as strtod does.
      view.setFloat64(at, Number(asciiText(source, start, end)));
      return at + 8;
    case "numeric":
      return writeNumeric(asciiText(source, start, end), view, at);
    case "timestamptz":
      view.setBigInt64(at, microseconds(asciiText(source, start, end)));
      return at + 8;
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
      view.setBigInt64(at, BigInt(text));
      return at + 8;
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
function microseconds(text: string): bigint {
  const part = (from: number, to: number): number => Number(text.slice(from, to));
  // Date.UTC takes the first hundred years for others.
  const localMs = Date.UTC(
    part(0, 4) + CYCLE_YEARS,
    part(5, 7) - 1,
    part(8, 10),
    part(11, 13),
    part(14, 16),
    part(17, 19),
  ) - CYCLE_DAYS * DAY_MS;
  const zone = text.slice(WHOLE_SECONDS_LENGTH).search(/[^.0-9]/) + WHOLE_SECONDS_LENGTH;
  const fraction = text.slice(WHOLE_SECONDS_LENGTH + 1, zone).padEnd(MICROSECOND_DIGITS, "0");
  const utcMs = localMs - offsetMinutes(text, zone) * MINUTE_MS - TIMESTAMP_EPOCH_MS;
  return BigInt(utcMs) * MICROSECONDS_PER_MS + BigInt(fraction);
}

/** Minutes east of UTC of the zone at `at`. */
function offsetMinutes(text: string, at: number): number {
  if (at === text.length - 1) return 0;
  const minutes = Number(text.slice(at + 1, at + 3)) * 60 + Number(text.slice(at + 4, at + 6));
  return text[at] === "-" ? -minutes : minutes;
}

/** The bytes that COPY text stands for. */
function writeUnescaped(
  source: Uint8Array,
  start: number,
  end: number,
  bytes: Uint8Array,
  at: number,
): number {
  if (source.subarray(start, end).indexOf(BACKSLASH) === -1) {
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

function asciiText(source: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at++) text += String.fromCharCode(source[at] ?? 0);
  return text;
}
