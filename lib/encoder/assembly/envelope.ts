// @ts-nocheck: AssemblyScript, which has types and functions of its own
/**
 * The envelope pass: judges a whole message by the strict scanner and notes where its ids and its
 * records stand, as ingest/envelope.ts does. Keys or ids with escapes, keys given twice, and all
 * that is wrong are passed.
 */
import {
  DONE,
  PASS_SYNTAX,
  RESULT_IS_LIST,
  RESULT_PROCESSOR_START,
  RESULT_RECORD_COUNT,
  RESULT_RECORDS_END,
  RESULT_RECORDS_START,
  RESULT_ROUTE_START,
} from "./layout.ts";
import {
  byteAt,
  CLOSE_LIST,
  CLOSE_OBJECT,
  COMMA,
  isNull,
  OPEN_LIST,
  OPEN_OBJECT,
  QUOTE,
  skipSpace,
} from "./source_bytes.ts";
import { hasEscape, keyQuote, scanKey, scanValue } from "./strict_json.ts";

// Names by length and their first eight letters, the first in the lowest byte.
const ROUTE_ID: u64 = 0x64695f6574756f72;
const PROCESSOR: u64 = 0x6f737365636f7270;
const R_ID: u32 = 0x64695f72;
const QUERY_STATE: u64 = 0x74735f7972657571;
const ATE: u32 = 0x657461;

/** Start of the message at hand, and where it ends. */
let messageStart: usize = 0;
let result: usize = 0;

/** Reads the message between both addresses into the result block: DONE, or PASS_SYNTAX. */
export function readEnvelope(start: usize, end: usize, resultBlock: usize): i32 {
  messageStart = start;
  result = resultBlock;
  store<i32>(result, -1, RESULT_ROUTE_START);
  store<i32>(result, -1, RESULT_PROCESSOR_START);
  store<i32>(result, -1, RESULT_RECORDS_START);
  let at = skipSpace(start);
  if (byteAt(at) !== OPEN_OBJECT) return PASS_SYNTAX;
  at = skipSpace(at + 1);
  while (true) {
    at = readField(at);
    if (at === 0) return PASS_SYNTAX;
    at = skipSpace(at);
    if (byteAt(at) !== COMMA) break;
    at = skipSpace(at + 1);
  }
  if (byteAt(at) !== CLOSE_OBJECT || skipSpace(at + 1) !== end) return PASS_SYNTAX;
  const hasId = load<i32>(result, RESULT_ROUTE_START) >= 0 ||
    load<i32>(result, RESULT_PROCESSOR_START) >= 0;
  return hasId && load<i32>(result, RESULT_RECORDS_START) >= 0 ? DONE : PASS_SYNTAX;
}

/** A top-level key and its value. */
function readField(at: usize): usize {
  const key = at + 1;
  const value = scanKey(at);
  if (value === 0 || hasEscape) return 0;
  const length = keyQuote - key;
  const name = load<u64>(key);
  if (length === 8 && name === ROUTE_ID) return readId(value, RESULT_ROUTE_START);
  if (length === 12 && name === PROCESSOR && load<u32>(key + 8) === R_ID) {
    return readId(value, RESULT_PROCESSOR_START);
  }
  if (length === 11 && name === QUERY_STATE && (load<u32>(key + 8) & 0xffffff) === ATE) {
    return readRecords(value);
  }
  return scanValue(value, 1);
}

/** A string that is not empty, or null; `field` is the offset of its start in the result block. */
function readId(at: usize, field: usize): usize {
  const start = result + field;
  // A null given first may not be told from absence: then the last one counts all the same.
  if (load<i32>(start) >= 0) return 0;
  if (isNull(at)) return at + 4;
  if (byteAt(at) !== QUOTE) return 0;
  const end = scanValue(at, 1);
  if (end === 0 || hasEscape || end - at === 2) return 0;
  store<u32>(start, <u32> (at - messageStart));
  store<u32>(start + 4, <u32> (end - messageStart));
  return end;
}

function readRecords(at: usize): usize {
  if (load<i32>(result, RESULT_RECORDS_START) >= 0) return 0;
  const isList = byteAt(at) === OPEN_LIST;
  if (!isList && byteAt(at) !== OPEN_OBJECT) return 0;
  const end = isList ? readList(at) : scanValue(at, 1);
  if (end === 0) return 0;
  if (!isList) store<u32>(result, 1, RESULT_RECORD_COUNT);
  store<u32>(result, isList ? 1 : 0, RESULT_IS_LIST);
  store<u32>(result, <u32> (at - messageStart), RESULT_RECORDS_START);
  store<u32>(result, <u32> (end - messageStart), RESULT_RECORDS_END);
  return end;
}

/** Counts the records of a list. */
function readList(start: usize): usize {
  let count: u32 = 0;
  let at = skipSpace(start + 1);
  if (byteAt(at) !== CLOSE_LIST) {
    while (true) {
      at = scanValue(at, 2);
      if (at === 0) return 0;
      count++;
      at = skipSpace(at);
      if (byteAt(at) !== COMMA) break;
      at = skipSpace(at + 1);
    }
    if (byteAt(at) !== CLOSE_LIST) return 0;
  }
  store<u32>(result, count, RESULT_RECORD_COUNT);
  return at + 1;
}
