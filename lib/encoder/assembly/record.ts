// @ts-nocheck: AssemblyScript, which has types and functions of its own
/**
 * One record to one COPY row by the plan block: reads the keys in whatever order they come, notes
 * where each column's value stands, then writes the columns in the plan's order. Keys are expected
 * in the order of the record before, which spares the look-up.
 */
import { readValue, refusal, writeBinaryValue, writeNull, writeValue } from "./column_value.ts";
import { writeBinaryNull } from "./copy_binary.ts";
import { isBinary, useFormat } from "./copy_format.ts";
import { copyPlain } from "./copy_text.ts";
import {
  COLUMN_ALWAYS_PASSES,
  COLUMN_BYTES,
  COLUMN_IGNORED,
  COLUMN_RECORD,
  COLUMN_TYPE,
  DONE,
  FULL,
  NO_SPELLING,
  PASS_DEFAULT_COLUMN,
  PASS_DUPLICATE_KEY,
  PASS_ESCAPED_KEY,
  PASS_NOT_OBJECT,
  PASS_OTHER_TYPE,
  PASS_SYNTAX,
  PASS_UNKNOWN_KEY,
  PLAN_COLUMN_COUNT,
  PLAN_COLUMNS,
  PLAN_FORMAT,
  PLAN_HASH,
  PLAN_HASH_MASK,
  PLAN_PREDICTED,
  PLAN_PREDICTED_COUNT,
  PLAN_RECEIPT,
  PLAN_RECEIPT_LENGTH,
  PLAN_SPELLINGS,
  SPELLING_BYTES,
  SPELLING_COLUMN,
  SPELLING_HASH,
  SPELLING_LENGTH,
  SPELLING_TEXT,
  TYPE_RECEIPT,
} from "./layout.ts";
import {
  BACKSLASH,
  byteAt,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  findSpecial,
  isNull,
  isSame,
  OPEN_OBJECT,
  QUOTE,
  skipSpace,
} from "./source_bytes.ts";
import { reason, skipString, skipValue } from "./values.ts";

/** A value takes twice its source at most and this: a numeric of one digit, its length before it. */
const COLUMN_BYTES_EXTRA: usize = 16;
/** The number of columns, or the end of the row. */
const ROW_BYTES_EXTRA: usize = 2;

let block: usize = 0;
let columns: usize = 0;
let columnsEnd: usize = 0;
let spellings: usize = 0;
let hashSlots: usize = 0;
let hashMask: u32 = 0;
let predicted: usize = 0;
let predictedCount: u32 = 0;
/** Number of the record at hand; columns remember it in place of being cleared. */
let record: u32 = 0;
/** Why the record at hand is passed. */
let why: i32 = 0;

/** Behind the record, after `encodeRecord` has returned DONE. */
export let recordEnd: usize = 0;
/** Behind the row, after `encodeRecord` has returned DONE. */
export let rowEnd: usize = 0;

/** Takes a plan block that has just been written. */
export function usePlan(address: usize): void {
  block = address;
  columns = address + load<u32>(address, PLAN_COLUMNS);
  columnsEnd = columns + load<u32>(address, PLAN_COLUMN_COUNT) * COLUMN_BYTES;
  spellings = address + load<u32>(address, PLAN_SPELLINGS);
  hashSlots = address + load<u32>(address, PLAN_HASH);
  hashMask = load<u32>(address, PLAN_HASH_MASK);
  predicted = address + load<u32>(address, PLAN_PREDICTED);
  predictedCount = load<u32>(address, PLAN_PREDICTED_COUNT);
  record = 0;
  useFormat(load<u32>(address, PLAN_FORMAT));
}

/** Writes the record at `at` as a row at `out`: DONE, FULL when that may need more than `outEnd`, or why not. */
export function encodeRecord(at: usize, out: usize, outEnd: usize): i32 {
  if (byteAt(at) !== OPEN_OBJECT) return PASS_NOT_OBJECT;
  const end = readRecord(at);
  if (end === 0) return why;
  const needed = (end - at) * 2 + (columnsEnd - columns) / COLUMN_BYTES * COLUMN_BYTES_EXTRA +
    load<u32>(block, PLAN_RECEIPT_LENGTH) + ROW_BYTES_EXTRA;
  if (needed > outEnd - out) return FULL;
  recordEnd = end;
  rowEnd = isBinary ? writeBinaryRow(out) : writeRow(out);
  return DONE;
}

function pass(what: i32): usize {
  why = what;
  return 0;
}

/** Notes where each column's value stands; returns the address behind the record, or 0. */
function readRecord(start: usize): usize {
  record++;
  let at = skipSpace(start + 1);
  if (byteAt(at) === CLOSE_OBJECT) return at + 1;
  for (let index: u32 = 0;; index++) {
    if (byteAt(at) !== QUOTE) return pass(PASS_SYNTAX);
    const key = at + 1;
    const spelling = index < predictedCount ? load<i32>(predicted + (index << 2)) : NO_SPELLING;
    let entry = spellings + spelling * SPELLING_BYTES;
    if (
      spelling !== NO_SPELLING &&
      isSame(key, block + load<u32>(entry, SPELLING_TEXT), load<u32>(entry, SPELLING_LENGTH) + 1)
    ) {
      at = key + load<u32>(entry, SPELLING_LENGTH) + 1;
    } else {
      const quote = findKeyEnd(key);
      if (quote === 0) return 0;
      entry = lookUp(key, quote, index);
      at = quote + 1;
    }
    if (byteAt(at) !== COLON) at = skipSpace(at);
    if (byteAt(at) !== COLON) return pass(PASS_SYNTAX);
    at = skipSpace(at + 1);
    if (entry === 0) {
      at = skipUnknown(at, key);
    } else {
      const column = load<i32>(entry, SPELLING_COLUMN);
      at = column >= 0 ? takeValue(at, columns + column * COLUMN_BYTES) : skipOther(at, column);
    }
    if (at === 0) return 0;
    if (byteAt(at) !== COMMA) at = skipSpace(at);
    if (byteAt(at) !== COMMA) break;
    at = skipSpace(at + 1);
  }
  return byteAt(at) === CLOSE_OBJECT ? at + 1 : pass(PASS_SYNTAX);
}

/** The closing quote of a key, or 0. */
function findKeyEnd(key: usize): usize {
  const quote = skipString(key);
  return quote === 0 ? pass(reason) : quote;
}

/** The entry of the key's spelling, or 0; it is expected again at this place. */
function lookUp(key: usize, quote: usize, index: u32): usize {
  let hash: u32 = 0x811c9dc5;
  for (let at = key; at < quote; at++) hash = (hash ^ byteAt(at)) * 0x01000193;
  const length = <u32> (quote - key);
  let slot = hash & hashMask;
  while (true) {
    const spelling = load<i32>(hashSlots + (slot << 2));
    if (spelling === NO_SPELLING) return 0;
    const entry = spellings + spelling * SPELLING_BYTES;
    if (
      load<u32>(entry, SPELLING_HASH) === hash && load<u32>(entry, SPELLING_LENGTH) === length &&
      isSame(key, block + load<u32>(entry, SPELLING_TEXT), length)
    ) {
      if (index < predictedCount) store<i32>(predicted + (index << 2), spelling);
      return entry;
    }
    slot = (slot + 1) & hashMask;
  }
}

/** The value of a column, which a record has once. */
function takeValue(at: usize, column: usize): usize {
  if (load<u32>(column, COLUMN_RECORD) === record) return pass(PASS_DUPLICATE_KEY);
  store<u32>(column, record, COLUMN_RECORD);
  const end = readValue(at, column);
  return end === 0 ? pass(refusal) : end;
}

/** A key that the plan does not know matters unless its value is null; with escapes it may be known. */
function skipUnknown(at: usize, key: usize): usize {
  if (byteAt(findSpecial(key)) === BACKSLASH) return pass(PASS_ESCAPED_KEY);
  return isNull(at) ? at + 4 : pass(PASS_UNKNOWN_KEY);
}

/** A key that no sent column takes. */
function skipOther(at: usize, role: i32): usize {
  if (role === COLUMN_ALWAYS_PASSES) return pass(PASS_DEFAULT_COLUMN);
  if (role !== COLUMN_IGNORED && !isNull(at)) return pass(PASS_OTHER_TYPE);
  const end = skipValue(at);
  return end === 0 ? pass(reason) : end;
}

/** Writes the number of columns and their values. */
function writeBinaryRow(out: usize): usize {
  store<u16>(out, bswap<u16>(<u16> ((columnsEnd - columns) / COLUMN_BYTES)));
  let to = out + 2;
  for (let column = columns; column < columnsEnd; column += COLUMN_BYTES) {
    if (load<u32>(column, COLUMN_TYPE) === TYPE_RECEIPT) {
      to = writeReceipt(to);
    } else if (load<u32>(column, COLUMN_RECORD) !== record) {
      to = writeBinaryNull(to);
    } else {
      to = writeBinaryValue(column, to);
    }
  }
  return to;
}

/** The host has put it in the plan's format. */
function writeReceipt(to: usize): usize {
  const receipt = block + load<u32>(block, PLAN_RECEIPT);
  return copyPlain(receipt, receipt + load<u32>(block, PLAN_RECEIPT_LENGTH), to);
}

/** Writes the values of all columns and the end of the row. */
function writeRow(out: usize): usize {
  let to = out;
  for (let column = columns; column < columnsEnd; column += COLUMN_BYTES) {
    if (column !== columns) store<u8>(to++, 0x09);
    if (load<u32>(column, COLUMN_TYPE) === TYPE_RECEIPT) {
      to = writeReceipt(to);
    } else if (load<u32>(column, COLUMN_RECORD) !== record) {
      to = writeNull(to);
    } else {
      to = writeValue(column, to);
    }
  }
  store<u8>(to, 0x0a);
  return to + 1;
}
