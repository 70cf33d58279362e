// @ts-nocheck: AssemblyScript, which has types and functions of its own
/**
 * What the module exports. The host owns the memory: it places the regions, writes messages and plan
 * blocks into them, and takes rows out. Nothing here allocates, and nothing is written outside of
 * the result block, the plan block, the row table and the output, but what is put back: the 32 bytes
 * behind a message, which have to be there.
 */
import { readEnvelope } from "./envelope.ts";
import {
  DONE,
  FULL,
  RESULT_AT,
  RESULT_BYTES,
  RESULT_ORDINAL,
  RESULT_OUTPUT_BYTES,
  RESULT_ROWS,
  SLACK_BYTES,
} from "./layout.ts";
import { encodeRecord, recordEnd, rowEnd, usePlan } from "./record.ts";
import { byteAt, COMMA, skipSpace } from "./source_bytes.ts";
import { useContainers } from "./strict_json.ts";

let result: usize = 0;
/** Three arrays of `rowsMax` numbers each: ends in the output, deliveries, ordinals. */
let rowTable: usize = 0;
let rowsMax: u32 = 0;
let output: usize = 0;
let outputEnd: usize = 0;
let plan: usize = 0;

/** What stood behind the message. */
let first: v128 = i8x16.splat(0);
let second: v128 = i8x16.splat(0);

let rows: u32 = 0;
let outputAt: usize = 0;

/** Takes the regions; the first holds the result block, and behind it the scanner's bytes, DEPTH_MAX of them. */
export function place(
  resultAt: usize,
  planAt: usize,
  rowTableAt: usize,
  rowCapacity: u32,
  outputFrom: usize,
  outputTo: usize,
): void {
  result = resultAt;
  useContainers(resultAt + RESULT_BYTES);
  plan = planAt;
  rowTable = rowTableAt;
  rowsMax = rowCapacity;
  output = outputFrom;
  outputEnd = outputTo;
  beginOutput();
}

/** Takes the plan block that the host has written. */
export function beginPlan(): void {
  usePlan(plan);
}

/** Forgets the rows, which the host has taken. */
export function beginOutput(): void {
  rows = 0;
  outputAt = output;
  noteOutput();
}

/** Reads the message of `length` bytes that the host has written at `message`. */
export function envelope(message: usize, length: u32): i32 {
  const end = message + length;
  takeWhatFollows(end);
  const outcome = readEnvelope(message, end, result);
  putBackWhatFollows(end);
  return outcome;
}

/**
 * Encodes records of the message of `length` bytes that the host has written at `message`, from the one
 * at offset `from` on; `isList` says that others may follow it. Returns DONE, or FULL or the reason to
 * pass the record at the place that the result block names.
 */
export function encodeRecords(
  message: usize,
  length: u32,
  from: u32,
  delivery: u32,
  firstOrdinal: u32,
  isList: bool,
): i32 {
  const end = message + length;
  takeWhatFollows(end);
  let at = message + from;
  let ordinal = firstOrdinal;
  let outcome = DONE;
  while (true) {
    outcome = rows === rowsMax ? FULL : encodeRecord(at, outputAt, outputEnd);
    if (outcome !== DONE) break;
    outputAt = rowEnd;
    const entry = rowTable + (rows << 2);
    store<u32>(entry, <u32> (outputAt - output));
    store<u32>(entry + (rowsMax << 2), delivery);
    store<u32>(entry + (rowsMax << 3), ordinal);
    rows++;
    if (!isList) break;
    at = skipSpace(recordEnd);
    if (byteAt(at) !== COMMA) break;
    at = skipSpace(at + 1);
    ordinal++;
  }
  store<u32>(result, <u32> (at - message), RESULT_AT);
  store<u32>(result, ordinal, RESULT_ORDINAL);
  noteOutput();
  putBackWhatFollows(end);
  return outcome;
}

/** Has zeros stand behind the message, where another one may: every search ends there. */
function takeWhatFollows(end: usize): void {
  first = v128.load(end);
  second = v128.load(end + SLACK_BYTES);
  v128.store(end, i8x16.splat(0));
  v128.store(end + SLACK_BYTES, i8x16.splat(0));
}

function putBackWhatFollows(end: usize): void {
  v128.store(end, first);
  v128.store(end + SLACK_BYTES, second);
}

function noteOutput(): void {
  store<u32>(result, rows, RESULT_ROWS);
  store<u32>(result, <u32> (outputAt - output), RESULT_OUTPUT_BYTES);
}
