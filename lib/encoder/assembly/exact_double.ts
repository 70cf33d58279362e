// @ts-nocheck: AssemblyScript, which has types and functions of its own
/**
 * Whether double precision gives a decimal back: the double next to it has no shorter decimal, and
 * no nearer one of the same length. Up to 15 significant digits that is always so (DBL_DIG). For 16
 * and 17, which is how programs print most of their doubles, exact integer arithmetic decides; what
 * lies on an edge is left to the exact encoder, and so is what has more than 18 fraction digits.
 */
import { isBinary } from "./copy_format.ts";
import { byteAt, MINUS, POINT } from "./source_bytes.ts";

/** Far from the limits of a double, whatever the digits are. */
const CHARACTERS_MAX: usize = 40;

/** Digits that a double always gives back. */
const DIGITS_SAFE: i32 = 15;
/** Digits that tell all doubles apart. */
const DIGITS_MAX: i32 = 17;
/** 2.5 × 10^18 is still an i64. */
const FRACTION_DIGITS_MAX: i32 = 18;

/** The highest power of ten that is a double; with a whole number below 2^53, division rounds right. */
const POWER_MAX: i32 = 22;

const SIGN: u64 = 1 << 63;
const MANTISSA_BITS: u64 = 52;
const MANTISSA_MIN: u64 = 1 << 52;
/** A double is its mantissa × 2^(exponent field − this). */
const EXPONENT_BIAS: i32 = 1075;

/** The double nearest to the number judged last, where that was given back; for COPY binary only. */
export let doubleBits: u64 = 0;

/** The number without exponent between both addresses is given back, and its bits are known if needed. */
export function isExactDouble(start: usize, end: usize): bool {
  if (end - start > CHARACTERS_MAX) return false;
  const first = byteAt(start) === MINUS ? start + 1 : start;
  let point = first;
  while (point < end && byteAt(point) !== POINT) point++;
  let last = end;
  if (point < end) {
    while (byteAt(last - 1) === 0x30) last--;
    if (last === point + 1) last = point;
  }
  let whole: u64 = 0;
  let digits = 0;
  for (let at = first; at < last; at++) {
    if (at === point) continue;
    const digit = byteAt(at) - 0x30;
    if (digits > 0 || digit > 0) digits++;
    if (digits > DIGITS_MAX) return false;
    whole = whole * 10 + digit;
  }
  const fractionDigits = last === point ? 0 : <i32> (last - point - 1);
  if (digits <= DIGITS_SAFE) {
    if (!isBinary) return true;
    if (fractionDigits > POWER_MAX) return false;
    doubleBits = reinterpret<u64>(<f64> whole / powerOfTen(fractionDigits));
  } else {
    if (fractionDigits === 0 || fractionDigits > FRACTION_DIGITS_MAX) return false;
    if (!isShortest(whole, fractionDigits)) return false;
  }
  if (first !== start) doubleBits |= SIGN;
  return true;
}

/** The same for `whole` / 10^`fractionDigits` with 16 or 17 digits, the last of them not zero. */
function isShortest(whole: u64, fractionDigits: i32): bool {
  let power: u64 = 1;
  for (let i = 0; i < fractionDigits; i++) power *= 10;
  // At most two units in the last place away from the nearest double.
  const bits = reinterpret<u64>(<f64> whole / <f64> power);
  let mantissa = (bits & (MANTISSA_MIN - 1)) | MANTISSA_MIN;
  const shift = EXPONENT_BIAS - <i32> (bits >> MANTISSA_BITS);
  if (shift < 1 || shift > 62) return false;
  // With mantissa / 2^shift for the double: the decimal is `off` / (power × 2^shift) above it. Both
  // products exceed 64 bits, their difference does not.
  let off = <i64> ((whole << shift) - mantissa * power);
  const half = <i64> (power >> 1);
  while (off > half) {
    off -= <i64> power;
    mantissa++;
  }
  while (off < -half) {
    off += <i64> power;
    mantissa--;
  }
  // Half-way between two doubles, or next to a power of two, where doubles lie closer below.
  if (off === half || off === -half) return false;
  if (mantissa <= MANTISSA_MIN || mantissa >= MANTISSA_MIN << 1) return false;
  doubleBits = (<u64> (EXPONENT_BIAS - shift) << MANTISSA_BITS) | (mantissa & (MANTISSA_MIN - 1));
  // Another decimal of the same length is as near or nearer.
  const unit: i64 = 1 << <i64> shift;
  if (off >= unit >> 1 || off <= -(unit >> 1)) return false;
  // The neighbours with one digit less must lie outside of what rounds to the double. From 2^60 on
  // they surely do: power is less than that.
  if (shift >= 60) return true;
  const lastDigit = <i64> (whole % 10);
  return lastDigit * unit - off > half && (10 - lastDigit) * unit + off > half;
}

function powerOfTen(exponent: i32): f64 {
  let power: f64 = 1;
  for (let i = 0; i < exponent; i++) power *= 10;
  return power;
}
