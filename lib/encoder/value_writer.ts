/**
 * Writes one value into one column as COPY text, if the column accepts it. The usual forms are
 * decided by a look at the token and the length; everything else is asked of schema/acceptance.ts,
 * so that speed never changes an answer.
 */
import { acceptsNumber, acceptsString } from "../schema/acceptance.ts";
import type { ColumnCodec } from "../schema/column_codec.ts";
import { isTimestamp } from "../schema/date_time.ts";
import { readDecimal, wholeText } from "../schema/decimal.ts";
import {
  TOKEN_ESCAPED_STRING,
  TOKEN_FALSE,
  TOKEN_FRACTION,
  TOKEN_INTEGER,
  TOKEN_STRING,
  TOKEN_STRUCTURE,
  TOKEN_SUSPECT_STRUCTURE,
  TOKEN_TRUE,
} from "../schema/json_token.ts";
import { numberText } from "../schema/value_kind.ts";
import { writeArray } from "./array_writer.ts";
import { copyEscaped, copyPlain, type JsonText, writeAscii } from "./json_text.ts";
import type { SourceValue } from "./source_value.ts";
import { decodedString, hasOutsizeNumber } from "./value_judge.ts";

/** Codecs with a fast path; the others are 0. */
const FAST_NONE = 0;
const FAST_INT8 = 1;
const FAST_FLOAT8 = 2;
const FAST_NUMERIC = 3;
const FAST_TIMESTAMPTZ = 4;
const FAST_JSON = 5;
const FAST_TEXT = 6;

/** Digits that are surely within int8; with a sign in place of one it is still right. */
const INT8_DIGITS_SAFE = 18;

/**
 * Characters of a plain decimal that double precision surely gives back: 15 significant digits
 * (DBL_DIG) and a point. A sign only leaves fewer digits.
 */
const FLOAT8_CHARACTERS_SAFE = 16;

/** Digits of a second that a timestamptz keeps which was not told to keep less. */
const MICROSECOND_DIGITS = 6;

/** Bytes of a number that surely fits numeric when it has no exponent. */
const NUMERIC_CHARACTERS_SAFE = 1_000;

/** The most bytes that any value takes beyond twice its source: `1e18` in a bigint column. */
export const VALUE_BYTES_EXTRA = 24;

/** Which fast path a codec has. */
export function fastPathOf(codec: ColumnCodec): number {
  switch (codec.kind) {
    case "integer":
      return codec.range.max.length > INT8_DIGITS_SAFE ? FAST_INT8 : FAST_NONE;
    case "float8":
      return FAST_FLOAT8;
    case "numeric":
      return codec.modifier === null ? FAST_NUMERIC : FAST_NONE;
    case "timestamptz":
      return codec.digits === MICROSECOND_DIGITS ? FAST_TIMESTAMPTZ : FAST_NONE;
    case "json":
      return FAST_JSON;
    case "text":
      return codec.charactersMax === null ? FAST_TEXT : FAST_NONE;
    case "boolean":
    case "float4":
    case "timestamp":
    case "time":
    case "date":
    case "uuid":
    case "bytea":
    case "enum":
    case "array":
    case "unsupported":
      return FAST_NONE;
    default:
      throw new TypeError(`Cannot write values as the codec is unknown: ${JSON.stringify(codec)}`);
  }
}

/** Writes the value at `at` and returns where it ends, or -1 when the column does not accept it. */
export function writeValue(
  codec: ColumnCodec,
  fastPath: number,
  value: SourceValue,
  text: JsonText,
  out: Uint8Array,
  at: number,
): number {
  const { payload, token, start, end } = value;
  switch (fastPath) {
    case FAST_TEXT:
      if (token === TOKEN_STRING) return copyPlain(payload, start + 1, end - 1, out, at);
      if (token === TOKEN_ESCAPED_STRING) {
        return text.decodeToCopy(payload, start + 1, end - 1, out, at);
      }
      return copyEscaped(payload, start, end, out, at);
    case FAST_INT8:
      if (token === TOKEN_INTEGER && end - start <= INT8_DIGITS_SAFE) {
        return copyPlain(payload, start, end, out, at);
      }
      break;
    case FAST_FLOAT8:
      if (isShortDecimal(token, payload, start, end)) {
        return copyPlain(payload, start, end, out, at);
      }
      break;
    case FAST_NUMERIC:
      if (token === TOKEN_INTEGER && end - start <= NUMERIC_CHARACTERS_SAFE) {
        return copyPlain(payload, start, end, out, at);
      }
      break;
    case FAST_TIMESTAMPTZ:
      if (token === TOKEN_STRING && isTimestamp(payload, start + 1, end - 1)) {
        return copyPlain(payload, start + 1, end - 1, out, at);
      }
      break;
    case FAST_JSON:
      if (token === TOKEN_STRUCTURE) return copyEscaped(payload, start, end, out, at);
      break;
  }
  return writeAny(codec, value, text, out, at);
}

/** At most 15 digits and no exponent. */
function isShortDecimal(token: number, payload: Uint8Array, start: number, end: number): boolean {
  if (token === TOKEN_INTEGER) return end - start < FLOAT8_CHARACTERS_SAFE;
  if (token !== TOKEN_FRACTION || end - start > FLOAT8_CHARACTERS_SAFE) return false;
  for (let at = start; at < end; at++) if (((payload[at] ?? 0) | 0x20) === 0x65) return false;
  return true;
}

/** The same for every codec and token, by the rules alone. */
function writeAny(
  codec: ColumnCodec,
  value: SourceValue,
  text: JsonText,
  out: Uint8Array,
  at: number,
): number {
  switch (value.token) {
    case TOKEN_TRUE:
    case TOKEN_FALSE:
      return writeBoolean(codec, value, out, at);
    case TOKEN_INTEGER:
    case TOKEN_FRACTION:
      return writeNumber(codec, value, out, at);
    case TOKEN_STRING:
    case TOKEN_ESCAPED_STRING:
      return writeString(codec, value, text, out, at);
    case TOKEN_STRUCTURE:
    case TOKEN_SUSPECT_STRUCTURE:
      return writeStructure(codec, value, text, out, at);
    default:
      throw new RangeError(`Cannot write a value as its token is unknown: ${value.token}`);
  }
}

function writeBoolean(codec: ColumnCodec, value: SourceValue, out: Uint8Array, at: number): number {
  const { payload, start, end } = value;
  if (codec.kind === "boolean") {
    out[at] = value.token === TOKEN_TRUE ? 0x74 : 0x66;
    return at + 1;
  }
  const isText = codec.kind === "text" && (codec.charactersMax ?? Infinity) >= end - start;
  return isText || codec.kind === "json" ? copyPlain(payload, start, end, out, at) : -1;
}

function writeNumber(codec: ColumnCodec, value: SourceValue, out: Uint8Array, at: number): number {
  const { payload, token, start, end } = value;
  const source = numberText(payload, start, end);
  if (!acceptsNumber(codec, source)) return -1;
  // PostgreSQL's integers are spelled with digits only.
  if (codec.kind === "integer" && token === TOKEN_FRACTION) {
    return writeAscii(wholeText(readDecimal(source)), out, at);
  }
  return copyPlain(payload, start, end, out, at);
}

function writeString(
  codec: ColumnCodec,
  value: SourceValue,
  text: JsonText,
  out: Uint8Array,
  at: number,
): number {
  const { payload, token, start, end } = value;
  if (codec.kind === "json") return text.sourceToCopy(payload, start, end, out, at);
  if (token === TOKEN_STRING) {
    return acceptsString(codec, payload, start + 1, end - 1)
      ? copyPlain(payload, start + 1, end - 1, out, at)
      : -1;
  }
  const before = text.replacements;
  const decoded = decodedString(payload, start, end, text);
  if (acceptsString(codec, decoded, 0, decoded.length)) {
    return copyEscaped(decoded, 0, decoded.length, out, at);
  }
  text.replacements = before;
  return -1;
}

function writeStructure(
  codec: ColumnCodec,
  value: SourceValue,
  text: JsonText,
  out: Uint8Array,
  at: number,
): number {
  const { payload, token, start, end } = value;
  if (codec.kind === "text") {
    const fits = codec.charactersMax === null || acceptsString(codec, payload, start, end);
    return fits ? copyEscaped(payload, start, end, out, at) : -1;
  }
  if (codec.kind === "array") return writeArray(codec.element, value, text, out, at);
  if (codec.kind !== "json") return -1;
  const isRefused = token === TOKEN_SUSPECT_STRUCTURE && !codec.holdsOutsize &&
    hasOutsizeNumber(payload, start, end);
  return isRefused ? -1 : text.sourceToCopy(payload, start, end, out, at);
}
