/**
 * Kinds of JSON values as bit flags: what a value is worth to the rules of types. The kinds of all
 * values of a key, or'ed together, are all that inference and widening ever see. Pure functions of
 * the source bytes: no number is rounded and no text decoded on the way.
 */
import { isTimestamp } from "./date_time.ts";
import { fitsInteger, fitsNumeric, INTEGER_RANGES, isExactDouble, readDecimal } from "./decimal.ts";
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
} from "./json_token.ts";

/** A JSON null. */
export const KIND_NULL = 1 << 0;
/** `true` or `false`. */
export const KIND_BOOLEAN = 1 << 1;
/** Digits only, within int8, and double precision gives it back. */
export const KIND_INTEGER = 1 << 2;
/** Digits only, within int8, but more than double precision gives back: 9007199254740993. */
export const KIND_LONG_INTEGER = 1 << 3;
/** Digits only, beyond int8; double precision gives it back: 10000000000000000000000. */
export const KIND_BEYOND_INT8_EXACT = 1 << 4;
/** Digits only, beyond int8, and more than double precision gives back. */
export const KIND_BEYOND_INT8 = 1 << 5;
/** Spelled with a point or exponent, yet whole and within int8; exact in double precision: 1.0. */
export const KIND_WHOLE = 1 << 6;
/** The same, but more than double precision gives back: 9007199254740993.0. */
export const KIND_LONG_WHOLE = 1 << 7;
/** Any other number with a point or exponent that double precision gives back: 0.1, 1e100. */
export const KIND_FRACTION = 1 << 8;
/** The same, but more than double precision gives back: 0.1000000000000000055, 1e400. */
export const KIND_LONG_FRACTION = 1 << 9;
/** More digits than PostgreSQL's numeric holds: 1e200000. */
export const KIND_OUTSIZE_NUMBER = 1 << 10;
/** A string that is an RFC 3339 date-time with a zone. */
export const KIND_TIMESTAMP = 1 << 11;
/** Any other string. */
export const KIND_STRING = 1 << 12;
/** An object or array. */
export const KIND_STRUCTURE = 1 << 13;
/** An object or array that holds a number beyond numeric, which jsonb refuses. */
export const KIND_OUTSIZE_STRUCTURE = 1 << 14;

/** Every number that PostgreSQL's numeric holds. */
export const KINDS_NUMERIC = KIND_INTEGER | KIND_LONG_INTEGER | KIND_BEYOND_INT8_EXACT |
  KIND_BEYOND_INT8 | KIND_WHOLE | KIND_LONG_WHOLE | KIND_FRACTION | KIND_LONG_FRACTION;

/** Every kind there is. */
export const KINDS_ALL = (1 << 15) - 1;

/** Integers of so few digits are within int8 and exact in double precision. */
const SAFE_DIGITS = 15;

const latin1 = new TextDecoder("latin1");

/** Below this `fromCharCode` is three times as fast as a decoder (measured). */
const SHORT_TEXT_BYTES = 40;

/** Text of a number: bytes that are ASCII. */
export function numberText(bytes: Uint8Array, start: number, end: number): string {
  const source = bytes.subarray(start, end);
  // `apply` takes any array-like; spreading would iterate over the bytes, at half the speed.
  if (end - start <= SHORT_TEXT_BYTES) return Reflect.apply(String.fromCharCode, null, source);
  return latin1.decode(source);
}

/** The kind of a number; `token` is that of a number, the bytes are a valid JSON number. */
export function kindOfNumber(
  token: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  if (token === TOKEN_INTEGER && end - start <= SAFE_DIGITS) return KIND_INTEGER;
  const text = numberText(bytes, start, end);
  const decimal = readDecimal(text);
  if (!fitsNumeric(decimal)) return KIND_OUTSIZE_NUMBER;
  const isExact = isExactDouble(text);
  const isWhole = fitsInteger(decimal, INTEGER_RANGES.int8);
  if (token === TOKEN_INTEGER) {
    if (isWhole) return isExact ? KIND_INTEGER : KIND_LONG_INTEGER;
    return isExact ? KIND_BEYOND_INT8_EXACT : KIND_BEYOND_INT8;
  }
  if (isWhole) return isExact ? KIND_WHOLE : KIND_LONG_WHOLE;
  return isExact ? KIND_FRACTION : KIND_LONG_FRACTION;
}

/** The kind of a string, by its text as UTF-8: quotes and escapes are gone. */
export function kindOfString(bytes: Uint8Array, start: number, end: number): number {
  return isTimestamp(bytes, start, end) ? KIND_TIMESTAMP : KIND_STRING;
}

/** What a value is called in a sentence, by its kind. */
export function kindWords(kind: number): string {
  switch (kind) {
    case KIND_NULL:
      return "null";
    case KIND_BOOLEAN:
      return "a boolean";
    case KIND_INTEGER:
      return "an integer";
    case KIND_LONG_INTEGER:
      return "an integer that double precision would round";
    case KIND_BEYOND_INT8_EXACT:
      return "a round integer beyond bigint";
    case KIND_BEYOND_INT8:
      return "an integer beyond bigint";
    case KIND_WHOLE:
      return "a whole number with a point or exponent";
    case KIND_LONG_WHOLE:
      return "a whole number with a point or exponent that double precision would round";
    case KIND_FRACTION:
      return "a fraction";
    case KIND_LONG_FRACTION:
      return "a number that double precision would round";
    case KIND_OUTSIZE_NUMBER:
      return "a number beyond numeric";
    case KIND_TIMESTAMP:
      return "a date-time";
    case KIND_STRING:
      return "a string";
    case KIND_STRUCTURE:
      return "an object or array";
    case KIND_OUTSIZE_STRUCTURE:
      return "an object or array with a number beyond numeric";
    default:
      throw new RangeError(`Cannot name a value as its kind must be one flag: it is ${kind}`);
  }
}

/** The kind that a token alone decides; 0 for numbers, strings and suspect structures. */
export function kindOfToken(token: number): number {
  switch (token) {
    case TOKEN_NULL:
      return KIND_NULL;
    case TOKEN_TRUE:
    case TOKEN_FALSE:
      return KIND_BOOLEAN;
    case TOKEN_STRUCTURE:
      return KIND_STRUCTURE;
    case TOKEN_STRING:
    case TOKEN_ESCAPED_STRING:
    case TOKEN_INTEGER:
    case TOKEN_FRACTION:
    case TOKEN_SUSPECT_STRUCTURE:
      return 0;
    default:
      throw new RangeError(`Cannot tell the kind of a value as its token is unknown: ${token}`);
  }
}
