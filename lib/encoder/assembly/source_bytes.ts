// @ts-nocheck: AssemblyScript, which has types and functions of its own
/**
 * Looking at source bytes. Behind the message stand zeros, which no valid JSON has: every loop that
 * looks for something ends there at the latest. Vectors are read over the end of what is meant, by
 * 15 bytes at most.
 */

/** Bytes by their names in JSON. */
export const QUOTE: u32 = 0x22;
export const BACKSLASH: u32 = 0x5c;
export const COMMA: u32 = 0x2c;
export const COLON: u32 = 0x3a;
export const MINUS: u32 = 0x2d;
export const POINT: u32 = 0x2e;
export const OPEN_OBJECT: u32 = 0x7b;
export const CLOSE_OBJECT: u32 = 0x7d;
export const OPEN_LIST: u32 = 0x5b;
export const CLOSE_LIST: u32 = 0x5d;
export const LETTER_E: u32 = 0x65;
export const LETTER_F: u32 = 0x66;
export const LETTER_N: u32 = 0x6e;
export const LETTER_T: u32 = 0x74;
export const LETTER_U: u32 = 0x75;

// Four letters as a 32-bit number, the first in the lowest byte.
const TRUE: u32 = 0x65757274;
const ALSE: u32 = 0x65736c61;
const NULL: u32 = 0x6c6c756e;

export function byteAt(at: usize): u32 {
  return load<u8>(at);
}

/** At `at` stands `true`. */
export function isTrue(at: usize): bool {
  return load<u32>(at) === TRUE;
}

/** At `at` stands `false`. */
export function isFalse(at: usize): bool {
  return byteAt(at) === LETTER_F && load<u32>(at + 1) === ALSE;
}

/** At `at` stands `null`. */
export function isNull(at: usize): bool {
  return load<u32>(at) === NULL;
}

export function isDigit(code: u32): bool {
  return code - 0x30 < 10;
}

/** The first byte at or behind `at` that is no white space. */
export function skipSpace(at: usize): usize {
  return byteAt(at) > 0x20 ? at : skipSpaces(at);
}

function skipSpaces(from: usize): usize {
  let at = from;
  let code = byteAt(at);
  while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = byteAt(++at);
  return at;
}

export function skipDigits(from: usize): usize {
  let at = from;
  while (isDigit(byteAt(at))) at++;
  return at;
}

/** The `length` bytes at both addresses are the same. */
export function isSame(left: usize, right: usize, length: usize): bool {
  let a = left;
  let b = right;
  let rest = length;
  while (true) {
    const equal = i8x16.bitmask(i8x16.eq(v128.load(a), v128.load(b)));
    if (rest <= 16) {
      const wanted = (1 << <i32> rest) - 1;
      return (equal & wanted) === wanted;
    }
    if (equal !== 0xffff) return false;
    a += 16;
    b += 16;
    rest -= 16;
  }
}

/**
 * The first byte at or behind `from`, within a string, that ends the string or needs a look: a
 * quote, a backslash, or a control character (which the zeros behind the message are).
 */
export function findSpecial(from: usize): usize {
  let at = from;
  while (true) {
    const vector = v128.load(at);
    const mask = i8x16.bitmask(
      v128.or(
        v128.or(
          i8x16.eq(vector, i8x16.splat(0x22)),
          i8x16.eq(vector, i8x16.splat(0x5c)),
        ),
        i8x16.lt_u(vector, i8x16.splat(0x20)),
      ),
    );
    if (mask !== 0) return at + ctz(mask);
    at += 16;
  }
}

/** The same, and characters beyond ASCII need a look too. */
export function findSpecialOrHigh(from: usize): usize {
  let at = from;
  while (true) {
    const vector = v128.load(at);
    const mask = i8x16.bitmask(
      v128.or(
        v128.or(
          i8x16.eq(vector, i8x16.splat(0x22)),
          i8x16.eq(vector, i8x16.splat(0x5c)),
        ),
        // Signed: control characters and bytes from 0x80 on alike.
        i8x16.lt_s(vector, i8x16.splat(0x20)),
      ),
    );
    if (mask !== 0) return at + ctz(mask);
    at += 16;
  }
}

/** The value of four hexadecimal digits; negative when they are none. */
export function hexUnit(at: usize): i32 {
  return (hexDigit(byteAt(at)) << 12) | (hexDigit(byteAt(at + 1)) << 8) |
    (hexDigit(byteAt(at + 2)) << 4) | hexDigit(byteAt(at + 3));
}

/** -1 stays negative whatever it is shifted by or joined with. */
function hexDigit(code: u32): i32 {
  if (isDigit(code)) return <i32> (code - 0x30);
  const letter = (code | 0x20) - 0x61;
  return letter < 6 ? <i32> (letter + 10) : -1;
}
