// @ts-nocheck: AssemblyScript, which has types and functions of its own
/**
 * What the module exports. The host owns the memory: it places the regions, writes messages and plan
 * blocks into them, and takes rows out. Nothing here allocates, and nothing is written outside of
 * the result block, the plan block, the row table and the output.
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
let input: usize = 0;
/** Three arrays of `rowsMax` numbers each: ends in the output, deliveries, ordinals. */
let rowTable: usize = 0;
let rowsMax: u32 = 0;
let output: usize = 0;
let outputEnd: usize = 0;
let plan: usize = 0;

let rows: u32 = 0;
let outputAt: usize = 0;

/** Takes the regions; the first holds the result block, and behind it the scanner's bytes, DEPTH_MAX of them. */
export function place(
  resultAt: usize,
  planAt: usize,
  rowTableAt: usize,
  rowCapacity: u32,
  inputAt: usize,
  outputFrom: usize,
  outputTo: usize,
): void {
  result = resultAt;
  useContainers(resultAt + RESULT_BYTES);
  plan = planAt;
  rowTable = rowTableAt;
  rowsMax = rowCapacity;
  input = inputAt;
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

/** Reads the message of `length` bytes that the host has written. */
export function envelope(length: u32): i32 {
  endMessage(length);
  return readEnvelope(input, input + length, result);
}

/**
 * Encodes records of the message of `length` bytes that the host has written, from the one at offset
 * `from` on; `isList` says that others may follow it. Returns DONE, or FULL or the reason to pass the
 * record at the place that the result block names.
 */
export function encodeRecords(
  length: u32,
  from: u32,
  delivery: u32,
  firstOrdinal: u32,
  isList: bool,
): i32 {
  endMessage(length);
  let at = input + from;
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
  store<u32>(result, <u32> (at - input), RESULT_AT);
  store<u32>(result, ordinal, RESULT_ORDINAL);
  noteOutput();
  return outcome;
}

/** Has zeros stand behind the message: every search ends there. */
function endMessage(length: u32): void {
  const end = input + length;
  v128.store(end, i8x16.splat(0));
  v128.store(end + SLACK_BYTES, i8x16.splat(0));
}

function noteOutput(): void {
  store<u32>(result, rows, RESULT_ROWS);
  store<u32>(result, <u32> (outputAt - output), RESULT_OUTPUT_BYTES);
}
