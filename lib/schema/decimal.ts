/**
 * Exact decimal arithmetic on the source text of JSON numbers: whether a type of PostgreSQL holds a
 * number without loss. Nothing here rounds; a double is only made to see whether it gives the same
 * number back. Which column accepts what is decided elsewhere.
 */

/** A number of any size: `digits` × 10^`exponent`. */
export interface Decimal {
  readonly isNegative: boolean;
  /** Significant digits without zeros at either end; empty for zero. */
  readonly digits: string;
  /** Power of ten of the last digit; 0 for zero. */
  readonly exponent: number;
  /** Digits behind the decimal point as spelled: numeric keeps trailing zeros. */
  readonly scale: number;
  /** The exponent as spelled; 0 when there is none. */
  readonly spelledExponent: number;
}

/** The largest and the smallest value of an integer type, as digits without a sign. */
export interface IntegerRange {
  readonly max: string;
  readonly min: string;
}

/** Ranges of PostgreSQL's integer types. */
export const INTEGER_RANGES = {
  int2: { max: "32767", min: "32768" },
  int4: { max: "2147483647", min: "2147483648" },
  int8: { max: "9223372036854775807", min: "9223372036854775808" },
} as const satisfies Record<string, IntegerRange>;

/** Digits that PostgreSQL's numeric has before the decimal point (its documentation, measured). */
const NUMERIC_WHOLE_DIGITS_MAX = 131_072;

/** Digits that PostgreSQL's numeric has behind the decimal point (its documentation, measured). */
const NUMERIC_SCALE_MAX = 16_383;

/** PostgreSQL refuses `0e1073741823`; a round number below that is far from any honest zero. */
const NUMERIC_EXPONENT_MAX = 1_000_000_000;

/** Whole numbers up to here are themselves in single precision. */
const SINGLE_WHOLE_MAX = 16_777_216;

/** Significant bits of a double. */
const DOUBLE_BITS = 53;

/** Digits of 2^53: every smaller whole number is a double. */
const HALFWAY_DIGITS_MIN = 16;

const CODE_ZERO = 0x30;

/** Reads a number as JSON spells it; the text must be a valid JSON number. */
export function readDecimal(text: string): Decimal {
  const isNegative = text.startsWith("-");
  const mark = exponentMark(text);
  const mantissa = text.slice(isNegative ? 1 : 0, mark);
  const spelledExponent = mark === text.length ? 0 : Number(text.slice(mark + 1));
  const point = mantissa.indexOf(".");
  const fractionDigits = point === -1 ? 0 : mantissa.length - point - 1;
  const all = point === -1 ? mantissa : mantissa.slice(0, point) + mantissa.slice(point + 1);
  let first = 0;
  while (first < all.length && all.charCodeAt(first) === CODE_ZERO) first++;
  let last = all.length;
  while (last > first && all.charCodeAt(last - 1) === CODE_ZERO) last--;
  const lowest = spelledExponent - fractionDigits;
  return {
    isNegative,
    digits: all.slice(first, last),
    exponent: first === last ? 0 : lowest + (all.length - last),
    scale: Math.max(0, -lowest),
    spelledExponent,
  };
}

function exponentMark(text: string): number {
  const lower = text.indexOf("e");
  const mark = lower === -1 ? text.indexOf("E") : lower;
  return mark === -1 ? text.length : mark;
}

/** The number is whole and within the range. */
export function fitsInteger(
  { digits, exponent, isNegative }: Decimal,
  range: IntegerRange,
): boolean {
  if (exponent < 0) return false;
  const limit = isNegative ? range.min : range.max;
  const length = digits.length + exponent;
  if (length !== limit.length) return length < limit.length;
  return digits.padEnd(length, "0") <= limit;
}

/** The digits of a whole number, without point and exponent; minus zero is `0`. */
export function wholeText({ digits, exponent, isNegative }: Decimal): string {
  if (digits === "") return "0";
  return (isNegative ? "-" : "") + digits + "0".repeat(exponent);
}

/** Numeric without a modifier holds the number. */
export function fitsNumeric({ digits, exponent, scale, spelledExponent }: Decimal): boolean {
  return scale <= NUMERIC_SCALE_MAX && digits.length + exponent <= NUMERIC_WHOLE_DIGITS_MAX &&
    spelledExponent < NUMERIC_EXPONENT_MAX;
}

/** `numeric(precision, scale)` holds the number without rounding; `scale` may be negative. */
export function fitsNumericModifier(
  { digits, exponent }: Decimal,
  { precision, scale }: { readonly precision: number; readonly scale: number },
): boolean {
  return digits === "" || (-exponent <= scale && digits.length + exponent <= precision - scale);
}

/** PostgreSQL prints the double that the number makes as the same number again. */
export function isExactDouble(text: string): boolean {
  const double = Number(text);
  if (!Number.isFinite(double)) return false;
  const shortest = String(double);
  if (shortest === text && Math.abs(double) <= Number.MAX_SAFE_INTEGER) return true;
  const decimal = readDecimal(text);
  return isSameMagnitude(decimal, readDecimal(shortest)) && !isHalfway(decimal);
}

/**
 * Single precision surely gives the number back: at most six significant digits in its normal range
 * (FLT_DIG), or a whole number that needs no more than its 24 bits.
 */
export function isExactSingle({ digits, exponent }: Decimal): boolean {
  if (digits === "") return true;
  const magnitude = digits.length + exponent;
  if (digits.length <= 6) return magnitude > -37 && magnitude <= 38;
  return exponent >= 0 && magnitude <= 8 &&
    Number(digits.padEnd(magnitude, "0")) <= SINGLE_WHOLE_MAX;
}

/**
 * The number lies exactly half-way between two doubles. JavaScript may print such a double as this
 * number (1e23); PostgreSQL prints only numbers nearer to the double than half-way (measured:
 * 94963279288557000 comes back as 94963279288556990). Half-way numbers have 54 significant bits;
 * those with a fraction have too many digits ever to be a shortest form.
 */
function isHalfway({ digits, exponent }: Decimal): boolean {
  if (exponent < 0 || digits.length + exponent < HALFWAY_DIGITS_MIN) return false;
  const value = BigInt(digits) * 10n ** BigInt(exponent);
  const bits = value.toString(2);
  return bits.lastIndexOf("1") + 1 === DOUBLE_BITS + 1;
}

function isSameMagnitude(a: Decimal, b: Decimal): boolean {
  return a.digits === b.digits && a.exponent === b.exponent;
}
