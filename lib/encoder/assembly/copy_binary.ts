// @ts-nocheck: AssemblyScript, which has types and functions of its own
/**
 * Writes values as COPY binary: the length in 32 bits, then the bytes, all numbers with their highest
 * byte first. Every function writes at `to`, returns where it stopped, writes at most 16 bytes more
 * than twice as many as it reads, and may touch one vector behind that.
 */
import { copyDecoded, copyPlain } from "./copy_text.ts";
import { byteAt, MINUS, skipDigits } from "./source_bytes.ts";

const JSONB_VERSION: u8 = 1;

/** Number of digits, weight, sign and scale, 16 bits each. */
const NUMERIC_HEADER_BYTES: usize = 8;
const NUMERIC_NEGATIVE: u16 = 0x4000;

/** A null: the length -1. */
export function writeBinaryNull(to: usize): usize {
  store<i32>(to, -1);
  return to + 4;
}

export function writeBinaryBoolean(value: bool, to: usize): usize {
  writeLength(to, 1);
  store<u8>(to + 4, value ? 1 : 0);
  return to + 5;
}

/** A number of 8, 4 or 2 bytes. */
export function writeBits(bits: u64, width: u32, to: usize): usize {
  writeLength(to, width);
  store<u64>(to + 4, bswap<u64>(bits << <u64> (64 - (width << 3))));
  return to + 4 + width;
}

/** Bytes that mean themselves. */
export function writeBinaryPlain(start: usize, end: usize, to: usize): usize {
  writeLength(to, end - start);
  return copyPlain(start, end, to + 4);
}

/** The text of a string whose escapes have been judged. */
export function writeBinaryDecoded(start: usize, end: usize, to: usize): usize {
  const stop = copyDecoded(start, end, to + 4);
  writeLength(to, stop - to - 4);
  return stop;
}

/** JSON for a jsonb. */
export function writeJsonb(start: usize, end: usize, to: usize): usize {
  writeLength(to, end - start + 1);
  store<u8>(to + 4, JSONB_VERSION);
  return copyPlain(start, end, to + 5);
}

/**
 * A number without exponent for a numeric: its decimal digits in groups of four, counted from the
 * point, without zero groups at either end; the scale is the number of fraction digits.
 */
export function writeNumeric(start: usize, end: usize, to: usize): usize {
  const isNegative = byteAt(start) === MINUS;
  let at = isNegative ? start + 1 : start;
  while (byteAt(at) === 0x30) at++;
  const point = skipDigits(at);
  const groups = to + 4 + NUMERIC_HEADER_BYTES;
  let out = groups;
  let weight = <i32> (point - at + 3) / 4 - 1;
  if (at < point) {
    const first = (<i32> (point - at) - 1) % 4 + 1;
    out = writeGroup(digitsAt(at, first), out);
    for (at += first; at < point; at += 4) out = writeGroup(digitsAt(at, 4), out);
  }
  const fraction = point < end ? point + 1 : end;
  for (at = fraction; at < end; at += 4) {
    const rest = <i32> (end - at);
    let group = digitsAt(at, rest < 4 ? rest : 4);
    for (let missing = rest; missing < 4; missing++) group *= 10;
    if (out === groups && group === 0) weight--;
    else out = writeGroup(group, out);
  }
  while (out > groups && load<u16>(out - 2) === 0) out -= 2;
  const isZero = out === groups;
  writeLength(to, out - to - 4);
  store<u16>(to + 4, bswap<u16>(<u16> ((out - groups) >> 1)));
  store<u16>(to + 6, bswap<u16>(isZero ? 0 : <u16> weight));
  store<u16>(to + 8, bswap<u16>(isNegative && !isZero ? NUMERIC_NEGATIVE : 0));
  store<u16>(to + 10, bswap<u16>(<u16> (end - fraction)));
  return out;
}

/** The whole number of at most 18 digits between both addresses, which may have a sign. */
export function wholeNumber(start: usize, end: usize): i64 {
  const isNegative = byteAt(start) === MINUS;
  let number: i64 = 0;
  for (let at = isNegative ? start + 1 : start; at < end; at++) {
    number = number * 10 + (byteAt(at) - 0x30);
  }
  return isNegative ? -number : number;
}

function writeLength(to: usize, length: usize): void {
  store<u32>(to, bswap<u32>(<u32> length));
}

function writeGroup(group: u32, to: usize): usize {
  store<u16>(to, bswap<u16>(<u16> group));
  return to + 2;
}

function digitsAt(at: usize, count: i32): u32 {
  let number: u32 = 0;
  for (let index = 0; index < count; index++) number = number * 10 + byteAt(at + index) - 0x30;
  return number;
}
