/** Random JSON values as source text: usual ones, and those at every limit of the column types. */
import type { Random } from "./random.ts";

const SPACES = [" ", "\n", "\t", "\r", "  ", "\n  "];

/** White space, seldom. */
export function space(random: Random): string {
  return random.chance(0.05) ? random.pick(SPACES) : "";
}

const INTEGERS = ["0", "-0", "7", "-1", "32767", "-32768", "32768", "2147483647", "-2147483648"]
  .concat("2147483648", "999999999", "9007199254740993", "999999999999999999", "-99999999999999999")
  .concat("-999999999999999999", "9223372036854775807", "-9223372036854775808")
  .concat("9223372036854775808", "-9223372036854775809", "1000000000000000", "999999999999999")
  .concat("10000000000000000000000", "94963279288557000", "1".repeat(1001), "-" + "9".repeat(1000));

const FRACTIONS = ["0.0", "-0.0", "1.0", "1.50", "0.1", "12.000", "1e5", "1E400", "1e-7", "1.5e+3"]
  .concat("0.30000000000000004", "0.1000000000000000055", "1.7976931348623157e308", "1e16383")
  .concat("5e-324", "9007199254740993.0", "4503599627370496.5", "0.000001234567890123456")
  .concat("123456789012345.6", "1234567890123456.7", "9007199254740992.5", "1.0000000000000002")
  .concat("1.0000000000000000", "0." + "0".repeat(400) + "1", "1." + "3".repeat(1000), "1e-400")
  .concat(
    "2.220446049250313e-16",
    "0.5000000000000001",
    "0.49999999999999994",
    "8.41470984807897e-1",
  );

/** A number of any kind. */
export function number(random: Random): string {
  if (random.odd(0.1)) return random.pick(INTEGERS);
  if (random.odd(0.1)) return random.pick(FRACTIONS);
  // Next to a double, and mostly not a double's own spelling.
  if (random.odd(0.1)) return decimal(random).replace(/\d$/, String(random.below(10)));
  if (random.odd(0.2)) return decimal(random);
  if (random.odd(0.2)) return String(random.anyDouble());
  if (random.chance(0.05)) return grouped(random);
  if (random.chance(0.3)) return String(random.below(10 ** random.below(15)) - random.below(1000));
  return String((random.fraction() - 0.5) * 10 ** (1 + random.below(8)));
}

/** Few digits and many zeros, on both sides of the point: numeric keeps its digits in groups of four. */
function grouped(random: Random): string {
  const digits = (): string => {
    const zeros = "0".repeat(random.below(random.chance(0.2) ? 30 : 9));
    return random.chance(0.3) ? zeros : zeros + String(random.below(10 ** random.below(12)));
  };
  const whole = digits().replace(/^0+/, "") || "0";
  const fraction = random.chance(0.3) ? "" : `.${digits()}0`;
  return `${random.pick(["", "-"])}${whole}${
    random.pick(["", "0000"]).repeat(whole === "0" ? 0 : 1)
  }${fraction}`;
}

function decimal(random: Random): string {
  return (random.fraction() * 10 ** random.below(6)).toPrecision(14 + random.below(5));
}

/** A whole number. */
export function integer(random: Random): string {
  return random.odd(0.2) ? random.pick(INTEGERS) : String(random.below(2 ** 31) - 1000);
}

const TEXTS = ["", "a", "abc", "the quick brown fox jumps over the lazy dog", "é", "日本語", "😀"]
  .concat(
    "16 bytes exactly",
    "fifteen bytes !",
    "seventeen bytes !",
    "\u2028",
    "\x7f",
    "x".repeat(300),
  )
  .concat(
    'tab\tline\nreturn\rquote"slash/back\\',
    "\\N",
    "\\.",
    "\b\f",
    "\u0001\u001f",
    "ü".repeat(20),
  );

const ESCAPES = ["\\n", "\\r", "\\t", "\\b", "\\f", "\\\\", '\\"', "\\/", "\\u0041", "\\u00e9"]
  .concat(
    "\\u005c",
    "\\u000a",
    "\\u0009",
    "\\u000D",
    "\\u0008",
    "\\u20AC",
    "\\ud83d\\ude00",
    "\\u007f",
  )
  .concat(
    "\\uD83D\\uDE00",
    "\\uffff",
    "\\u0080",
    "\\u07ff",
    "\\u0800",
    "\\udbff\\udfff",
    "\\\\u0000",
  );

const UNSTORABLE = [
  "\\u0000",
  "\\ud800",
  "\\udc00",
  "\\ud800x",
  "\\ud800\\u0041",
  "\\ude00\\ud83d",
];

/** A string with its quotes. */
export function string(random: Random): string {
  let text = "";
  for (let parts = random.below(4); parts > 0; parts--) {
    const kind = random.below(10);
    if (kind < 6) text += JSON.stringify(random.pick(TEXTS)).slice(1, -1);
    else if (!random.odd(0.1)) text += random.pick(ESCAPES);
    else text += random.pick(UNSTORABLE);
  }
  return `"${text}"`;
}

/** An object or list, or anything within one. */
export function json(random: Random, depth: number): string {
  const kind = random.below(depth > 0 ? 7 : 5);
  if (kind === 0) return string(random);
  if (kind === 1) return number(random);
  if (kind === 2) return random.pick(["true", "false"]);
  if (kind === 3) return "null";
  if (kind === 4) return integer(random);
  const isObject = kind === 6;
  const members = Array.from({ length: random.below(4) }, () => {
    const key = isObject ? `${string(random)}${space(random)}:` : "";
    return space(random) + key + space(random) + json(random, depth - 1) + space(random);
  });
  const text = members.join(",") || space(random);
  return isObject ? `{${text}}` : `[${text}]`;
}

const TIMESTAMPS = ["2026-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2000-02-29T00:00:00z", "now"]
  .concat("1900-02-29T00:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "2026-01-01")
  .concat("0001-01-01T23:00:00-01:00", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59Z", "")
  .concat("2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.1234567Z")
  .concat("2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-01-01t00:00:00.5+15:59")
  .concat("2026-01-01T00:00:00+16:00", "2026-01-01T00:00:00.Z", "2026-00-01T00:00:00Z", "infinity")
  .concat(
    "2026-13-01T00:00:00Z",
    "2026-04-31T00:00:00Z",
    "2026-01-01T00:00:00+0100",
    "9999-12-30T00:00:00Z",
  )
  .concat("2026-01-01T00:00:00.123456+00:00x", "2026-01-01T0:00:00Z", "0001-01-02T00:00:00+15:59");

/** A date-time as a string, mostly a good one. */
export function timestamp(random: Random): string {
  if (random.odd(0.2)) return JSON.stringify(random.pick(TIMESTAMPS));
  const two = (from: number, count: number): string =>
    String(from + random.below(count)).padStart(2, "0");
  const date = `${two(19, 3)}${two(0, 100)}-${two(1, 12)}-${two(1, random.oddness > 0 ? 31 : 28)}`;
  const fraction = random.pick(["", ".5", ".123", ".123456", ".000000"]);
  const zone = random.pick(["Z", "+00:00", "+02:00", "-03:30"]);
  return `"${date}T${two(0, 24)}:${two(0, 60)}:${two(0, 60)}${fraction}${zone}"`;
}
