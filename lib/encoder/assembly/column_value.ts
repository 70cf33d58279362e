// @ts-nocheck: AssemblyScript, which has types and functions of its own
/**
 * One value of one column: whether the column takes it as it is spelled, where it stands, and how it
 * is written. Functions that read return the address behind the value, or 0 after they have set
 * `refusal`.
 */
import {
  wholeNumber,
  writeBinaryBoolean,
  writeBinaryDecoded,
  writeBinaryNull,
  writeBinaryPlain,
  writeBits,
  writeJsonb,
  writeNumeric,
} from "./copy_binary.ts";
import { isBinary } from "./copy_format.ts";
import { copyDecoded, copyEscaped, copyPlain } from "./copy_text.ts";
import { doubleBits, isExactDouble } from "./exact_double.ts";
import {
  COLUMN_BITS,
  COLUMN_CHARACTERS_SAFE,
  COLUMN_END,
  COLUMN_FORM,
  COLUMN_START,
  COLUMN_TYPE,
  COLUMN_WIDTH,
  PASS_MISFIT,
  PASS_NUMBER,
  PASS_OTHER_TYPE,
  PASS_SYNTAX,
  TYPE_BOOLEAN,
  TYPE_FLOAT8,
  TYPE_INTEGER,
  TYPE_JSON,
  TYPE_NUMERIC,
  TYPE_TEXT,
  TYPE_TIMESTAMPTZ,
} from "./layout.ts";
import {
  byteAt,
  isDigit,
  isFalse,
  isNull,
  isTrue,
  LETTER_N,
  MINUS,
  QUOTE,
} from "./source_bytes.ts";
import { isTimestamp, microseconds } from "./timestamp.ts";
import {
  hasPoint,
  needsEscapes,
  reason,
  skipAnyNumber,
  skipNumber,
  skipString,
  skipValue,
} from "./values.ts";

// Forms: how a value is written.
const FORM_NULL: u32 = 0;
const FORM_PLAIN: u32 = 1;
const FORM_ESCAPED: u32 = 2;
const FORM_DECODED: u32 = 3;
const FORM_TRUE: u32 = 4;
const FORM_FALSE: u32 = 5;
// Only for COPY binary.
const FORM_BITS: u32 = 6;
const FORM_NUMERIC: u32 = 7;
const FORM_JSONB: u32 = 8;

/** COPY text of null: backslash, N. */
const NULL_TEXT: u16 = 0x4e5c;

/** Why the last value was not taken. */
export let refusal: i32 = 0;

function refuse(why: i32): usize {
  refusal = why;
  return 0;
}

/** Notes the value at `at` for the column, if that takes it. */
export function readValue(at: usize, column: usize): usize {
  if (byteAt(at) === LETTER_N) {
    if (!isNull(at)) return refuse(PASS_SYNTAX);
    store<u32>(column, FORM_NULL, COLUMN_FORM);
    return at + 4;
  }
  switch (load<u32>(column, COLUMN_TYPE)) {
    case TYPE_TEXT:
      return readText(at, column);
    case TYPE_INTEGER:
    case TYPE_FLOAT8:
    case TYPE_NUMERIC:
      return readNumber(at, column);
    case TYPE_BOOLEAN:
      return readBoolean(at, column);
    case TYPE_TIMESTAMPTZ:
      return readTimestamp(at, column);
    case TYPE_JSON:
      return readSource(at, column, FORM_JSONB);
    default:
      return refuse(PASS_OTHER_TYPE);
  }
}

function note(column: usize, form: u32, start: usize, end: usize): void {
  store<u32>(column, form, COLUMN_FORM);
  store<u32>(column, <u32> start, COLUMN_START);
  store<u32>(column, <u32> end, COLUMN_END);
}

function noteBits(column: usize, bits: u64): void {
  store<u32>(column, FORM_BITS, COLUMN_FORM);
  store<u64>(column, bits, COLUMN_BITS);
}

function readText(at: usize, column: usize): usize {
  const code = byteAt(at);
  if (isDigit(code) || code === MINUS) {
    const end = skipAnyNumber(at);
    note(column, FORM_PLAIN, at, end);
    return end;
  }
  if (code !== QUOTE) return readSource(at, column, FORM_PLAIN);
  const quote = skipString(at + 1);
  if (quote === 0) return refuse(reason);
  note(column, needsEscapes ? FORM_DECODED : FORM_PLAIN, at + 1, quote);
  return quote + 1;
}

/** Any value by its source text, in binary as it stands. */
function readSource(at: usize, column: usize, binaryForm: u32): usize {
  const end = skipValue(at);
  if (end === 0) return refuse(reason);
  note(column, isBinary ? binaryForm : needsEscapes ? FORM_ESCAPED : FORM_PLAIN, at, end);
  return end;
}

function readNumber(at: usize, column: usize): usize {
  if (!isDigit(byteAt(at)) && byteAt(at) !== MINUS) return refuse(PASS_MISFIT);
  const end = skipNumber(at);
  if (end === 0) return refuse(reason);
  const type = load<u32>(column, COLUMN_TYPE);
  if (type === TYPE_INTEGER) {
    if (hasPoint) return refuse(PASS_MISFIT);
    if (end - at > load<u32>(column, COLUMN_CHARACTERS_SAFE)) return refuse(PASS_NUMBER);
  } else if (type === TYPE_FLOAT8 && !isExactDouble(at, end)) {
    return refuse(PASS_NUMBER);
  }
  if (!isBinary) note(column, FORM_PLAIN, at, end);
  else if (type === TYPE_NUMERIC) note(column, FORM_NUMERIC, at, end);
  else noteBits(column, type === TYPE_INTEGER ? wholeNumber(at, end) : doubleBits);
  return end;
}

function readBoolean(at: usize, column: usize): usize {
  if (isTrue(at)) {
    store<u32>(column, FORM_TRUE, COLUMN_FORM);
    return at + 4;
  }
  if (!isFalse(at)) return refuse(PASS_MISFIT);
  store<u32>(column, FORM_FALSE, COLUMN_FORM);
  return at + 5;
}

function readTimestamp(at: usize, column: usize): usize {
  if (byteAt(at) !== QUOTE) return refuse(PASS_MISFIT);
  const quote = skipString(at + 1);
  if (quote === 0) return refuse(reason);
  if (needsEscapes || !isTimestamp(at + 1, quote)) return refuse(PASS_MISFIT);
  if (isBinary) noteBits(column, microseconds(at + 1, quote));
  else note(column, FORM_PLAIN, at + 1, quote);
  return quote + 1;
}

/** Writes the value noted last at `to` as COPY binary; returns where it stops. */
export function writeBinaryValue(column: usize, to: usize): usize {
  const start: usize = load<u32>(column, COLUMN_START);
  const end: usize = load<u32>(column, COLUMN_END);
  switch (load<u32>(column, COLUMN_FORM)) {
    case FORM_PLAIN:
      return writeBinaryPlain(start, end, to);
    case FORM_BITS:
      return writeBits(load<u64>(column, COLUMN_BITS), load<u32>(column, COLUMN_WIDTH), to);
    case FORM_JSONB:
      return writeJsonb(start, end, to);
    case FORM_NUMERIC:
      return writeNumeric(start, end, to);
    case FORM_DECODED:
      return writeBinaryDecoded(start, end, to);
    case FORM_TRUE:
      return writeBinaryBoolean(true, to);
    case FORM_FALSE:
      return writeBinaryBoolean(false, to);
    default:
      return writeBinaryNull(to);
  }
}

/** Writes the value noted last at `to` as COPY text; returns where it stops. */
export function writeValue(column: usize, to: usize): usize {
  const start: usize = load<u32>(column, COLUMN_START);
  const end: usize = load<u32>(column, COLUMN_END);
  switch (load<u32>(column, COLUMN_FORM)) {
    case FORM_PLAIN:
      return copyPlain(start, end, to);
    case FORM_DECODED:
      return copyDecoded(start, end, to);
    case FORM_ESCAPED:
      return copyEscaped(start, end, to);
    case FORM_TRUE:
      store<u8>(to, 0x74);
      return to + 1;
    case FORM_FALSE:
      store<u8>(to, 0x66);
      return to + 1;
    default:
      return writeNull(to);
  }
}

export function writeNull(to: usize): usize {
  store<u16>(to, NULL_TEXT);
  return to + 2;
}
