// @ts-nocheck: AssemblyScript, which has types and functions of its own
/**
 * Finds where values of a record end, and what they hold that matters. The envelope pass has judged
 * the payload: what is checked here again is what a wrong step could come from. Every function
 * returns the address behind what it read, or 0 after it has set `reason`.
 */
import { PASS_NUMBER, PASS_SYNTAX, PASS_TEXT } from "./layout.ts";
import {
  BACKSLASH,
  byteAt,
  CLOSE_LIST,
  CLOSE_OBJECT,
  findSpecial,
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

/** Why the last function returned 0. */
export let reason: i32 = 0;

/** The value read last holds bytes that its COPY text spells otherwise. */
export let needsEscapes: bool = false;

/** The number read last has a decimal point. */
export let hasPoint: bool = false;

/** Digits of a number without exponent that numeric surely holds (acceptance.ts). */
const NUMBER_BYTES_SAFE: usize = 1000;

function pass(why: i32): usize {
  reason = why;
  return 0;
}

/** A string from behind its opening quote; returns the address of the closing one. */
export function skipString(from: usize): usize {
  needsEscapes = false;
  let at = findSpecial(from);
  while (byteAt(at) !== QUOTE) {
    if (byteAt(at) !== BACKSLASH) return pass(PASS_SYNTAX);
    needsEscapes = true;
    at = byteAt(at + 1) === LETTER_U ? skipUnicodeEscape(at) : at + 2;
    if (at === 0) return 0;
    at = findSpecial(at);
  }
  return at;
}

/** An escape of a character that PostgreSQL can hold, both halves of a surrogate pair at once. */
function skipUnicodeEscape(at: usize): usize {
  const unit = hexUnit(at + 2);
  if (unit <= 0) return pass(PASS_TEXT);
  if ((unit & 0xf800) !== 0xd800) return at + 6;
  if (unit >= 0xdc00 || byteAt(at + 6) !== BACKSLASH || byteAt(at + 7) !== LETTER_U) {
    return pass(PASS_TEXT);
  }
  const low = hexUnit(at + 8);
  return low >= 0xdc00 && low <= 0xdfff ? at + 12 : pass(PASS_TEXT);
}

/** A number without exponent, short enough for numeric; sets `hasPoint`. */
export function skipNumber(from: usize): usize {
  const first = byteAt(from) === MINUS ? from + 1 : from;
  let at = skipDigits(first);
  if (at === first) return pass(PASS_SYNTAX);
  hasPoint = byteAt(at) === POINT;
  if (hasPoint) at = skipDigits(at + 1);
  if ((byteAt(at) | 0x20) === LETTER_E || at - from > NUMBER_BYTES_SAFE) return pass(PASS_NUMBER);
  return at;
}

/** A number of any spelling. */
export function skipAnyNumber(from: usize): usize {
  let at = from + 1;
  while (true) {
    const code = byteAt(at);
    const isPart = isDigit(code) || code === POINT || (code | 0x20) === LETTER_E ||
      code === MINUS ||
      code === 0x2b;
    if (!isPart) return at;
    at++;
  }
}

/** Any value; sets `needsEscapes`. */
export function skipValue(at: usize): usize {
  const code = byteAt(at);
  if (code === QUOTE) {
    const quote = skipString(at + 1);
    return quote === 0 ? 0 : quote + 1;
  }
  if (code === OPEN_OBJECT || code === OPEN_LIST) return skipStructure(at);
  needsEscapes = false;
  if (code === LETTER_T) return isTrue(at) ? at + 4 : pass(PASS_SYNTAX);
  if (code === LETTER_F) return isFalse(at) ? at + 5 : pass(PASS_SYNTAX);
  if (code === LETTER_N) return isNull(at) ? at + 4 : pass(PASS_SYNTAX);
  return skipNumber(at);
}

/** An object or list; brackets are counted, as their pairs have been judged. */
function skipStructure(from: usize): usize {
  let hasEscapes = false;
  let depth = 0;
  let at = from;
  while (true) {
    const code = byteAt(at);
    if (code === QUOTE) {
      at = skipString(at + 1);
      if (at === 0) return 0;
      if (needsEscapes) hasEscapes = true;
      at++;
    } else if (isDigit(code) || code === MINUS) {
      at = skipNumber(at);
      if (at === 0) return 0;
    } else if (code === OPEN_OBJECT || code === OPEN_LIST) {
      depth++;
      at++;
    } else if (code === CLOSE_OBJECT || code === CLOSE_LIST) {
      at++;
      if (--depth === 0) break;
    } else if (code < 0x20) {
      if (skipSpace(at) === at) return pass(PASS_SYNTAX);
      hasEscapes = true;
      at++;
    } else {
      // Commas, colons, blanks and the letters of true, false and null.
      at++;
    }
  }
  needsEscapes = hasEscapes;
  return at;
}
