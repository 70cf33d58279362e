// @ts-nocheck: AssemblyScript, which has types and functions of its own
/**
 * The strict scanner of messages: RFC 8259 and nothing more, valid UTF-8, nesting bounded; the same
 * language as encoder/json_scanner.ts. Every function returns the address behind what it read, or 0.
 */
import { DEPTH_MAX } from "./layout.ts";
import {
  BACKSLASH,
  byteAt,
  CLOSE_LIST,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  findSpecialOrHigh,
  hexUnit,
  isDigit,
  isFalse,
  isNull,
  isTrue,
  LETTER_E,
  LETTER_F,
  LETTER_N,
  LETTER_T,
  LETTER_U,
  MINUS,
  OPEN_LIST,
  OPEN_OBJECT,
  POINT,
  QUOTE,
  skipDigits,
  skipSpace,
} from "./source_bytes.ts";

/** The string scanned last holds an escape. */
export let hasEscape: bool = false;
/** The closing quote of the key scanned last. */
export let keyQuote: usize = 0;

/** Where one byte for each open container is kept: 1 for an object, 0 for a list. */
let containers: usize = 0;

/** Gives the scanner DEPTH_MAX bytes. */
export function useContainers(address: usize): void {
  containers = address;
}

/** One value of any type, inside of `depth` open containers. */
export function scanValue(from: usize, depth: i32): usize {
  let open = depth;
  let at = from;
  while (true) {
    // At a value.
    const code = byteAt(at);
    if (code === OPEN_OBJECT || code === OPEN_LIST) {
      if (open >= DEPTH_MAX) return 0;
      at = skipSpace(at + 1);
      // The closing bracket is two behind the opening one, for both.
      if (byteAt(at) !== code + 2) {
        store<u8>(containers + open, code === OPEN_OBJECT ? 1 : 0);
        open++;
        if (code === OPEN_OBJECT) at = scanKey(at);
        if (at === 0) return 0;
        continue;
      }
      at++;
    } else {
      at = scanScalar(at, code);
      if (at === 0) return 0;
    }
    // Behind a value: close what ends here, until another value must come.
    while (true) {
      if (open === depth) return at;
      const isObject = load<u8>(containers + open - 1) === 1;
      at = skipSpace(at);
      if (byteAt(at) === COMMA) {
        at = skipSpace(at + 1);
        if (isObject) at = scanKey(at);
        if (at === 0) return 0;
        break;
      }
      if (byteAt(at) !== (isObject ? CLOSE_OBJECT : CLOSE_LIST)) return 0;
      at++;
      open--;
    }
  }
}

/** A key and its colon, to where the value begins. */
export function scanKey(at: usize): usize {
  if (byteAt(at) !== QUOTE) return 0;
  const end = scanString(at + 1);
  if (end === 0) return 0;
  keyQuote = end - 1;
  const colon = skipSpace(end);
  return byteAt(colon) === COLON ? skipSpace(colon + 1) : 0;
}

function scanScalar(at: usize, code: u32): usize {
  if (code === QUOTE) return scanString(at + 1);
  if (isDigit(code) || code === MINUS) return scanNumber(at);
  if (code === LETTER_T) return isTrue(at) ? at + 4 : 0;
  if (code === LETTER_F) return isFalse(at) ? at + 5 : 0;
  return code === LETTER_N && isNull(at) ? at + 4 : 0;
}

/** A string from behind its opening quote to behind its closing one; sets `hasEscape`. */
export function scanString(from: usize): usize {
  hasEscape = false;
  let at = from;
  while (true) {
    at = findSpecialOrHigh(at);
    const code = byteAt(at);
    if (code === QUOTE) return at + 1;
    if (code >= 0x80) {
      at = scanMultibyte(at, code);
    } else {
      if (code !== BACKSLASH) return 0;
      hasEscape = true;
      at = scanEscape(at);
    }
    if (at === 0) return 0;
  }
}

function scanEscape(at: usize): usize {
  const letter = byteAt(at + 1);
  if (letter === LETTER_U) return hexUnit(at + 2) < 0 ? 0 : at + 6;
  const isKnown = letter === QUOTE || letter === BACKSLASH || letter === 0x2f || letter === 0x62 ||
    letter === LETTER_F || letter === LETTER_N || letter === 0x72 || letter === LETTER_T;
  return isKnown ? at + 2 : 0;
}

/** The well-formed sequences of the Unicode Standard, table 3-7. */
function scanMultibyte(at: usize, lead: u32): usize {
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const low: u32 = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high: u32 = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  const second = byteAt(at + 1);
  if (second < low || second > high) return 0;
  if (lead < 0xe0) return at + 2;
  if ((byteAt(at + 2) & 0xc0) !== 0x80) return 0;
  if (lead < 0xf0) return at + 3;
  return (byteAt(at + 3) & 0xc0) === 0x80 ? at + 4 : 0;
}

function scanNumber(from: usize): usize {
  let at = byteAt(from) === MINUS ? from + 1 : from;
  if (!isDigit(byteAt(at))) return 0;
  at = byteAt(at) === 0x30 ? at + 1 : skipDigits(at);
  // A digit behind a leading zero is found out by whatever must follow the number.
  if (byteAt(at) === POINT) {
    const fraction = at + 1;
    at = skipDigits(fraction);
    if (at === fraction) return 0;
  }
  if ((byteAt(at) | 0x20) !== LETTER_E) return at;
  at++;
  if (byteAt(at) === 0x2b || byteAt(at) === MINUS) at++;
  const exponent = at;
  at = skipDigits(exponent);
  return at === exponent ? 0 : at;
}
