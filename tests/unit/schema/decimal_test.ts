import assert from "node:assert/strict";
import fc from "fast-check";
import {
  fitsInteger,
  fitsNumeric,
  fitsNumericModifier,
  INTEGER_RANGES,
  isExactDouble,
  isExactSingle,
  readDecimal,
  wholeText,
} from "../../../lib/schema/decimal.ts";

Deno.test("readDecimal() strips zeros and keeps every digit", () => {
  assert.deepEqual(readDecimal("-12.500e3"), {
    isNegative: true,
    digits: "125",
    exponent: 2,
    scale: 0,
    spelledExponent: 3,
  });
  assert.deepEqual(readDecimal("0.00"), {
    isNegative: false,
    digits: "",
    exponent: 0,
    scale: 2,
    spelledExponent: 0,
  });
  assert.equal(readDecimal("1.10").scale, 2);
});

Deno.test("readDecimal() is linear in a number of a million zeros", () => {
  const decimal = readDecimal(`1${"0".repeat(1_000_000)}1`);
  assert.equal(decimal.digits.length, 1_000_002);
});

Deno.test("isExactDouble() holds where the double's shortest form is the same number", () => {
  const exact = ["0", "-0", "0.1", "1.10", "1e22", "10000000000000000000000", "5e-324", "1e308"]
    .concat(
      "9007199254740992",
      "0e999",
      "0.000",
      "1.7976931348623157e308",
      "123456789012345680000",
    );
  for (const text of exact) assert.equal(isExactDouble(text), true, text);
  const inexact = [
    "9007199254740993",
    "1e309",
    "1e400",
    "1e-400",
    "2e-324",
    "0.1000000000000000055",
  ]
    .concat("9223372036854775807", "9007199254740990.6", "0.30000000000000004440892098500626");
  for (const text of inexact) assert.equal(isExactDouble(text), false, text);
});

Deno.test("isExactDouble() fails for numbers half-way between two doubles, which PostgreSQL avoids", () => {
  for (
    const text of ["1e23", "100000000000000000000000", "94963279288557000", "-9.4963279288557e16"]
  ) {
    assert.equal(isExactDouble(text), false, text);
  }
});

Deno.test("isExactDouble() holds for doubles as JavaScript and Python print them", () => {
  fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (double) => {
    // Beyond 2^53 some are half-way.
    if (Math.abs(double) > 2 ** 53) return;
    assert.equal(isExactDouble(JSON.stringify(double)), true);
    assert.equal(isExactDouble(double.toExponential().replace("e", "E")), true);
  }));
});

Deno.test("isExactSingle() holds for six digits and for whole numbers of 24 bits", () => {
  for (const text of ["0", "0.1", "-1.5", "123456", "1e37", "16777216", "3.14159"]) {
    assert.equal(isExactSingle(readDecimal(text)), true, text);
  }
  for (const text of ["16777217", "0.1234567", "1e38", "1e-40", "3.1415927"]) {
    assert.equal(isExactSingle(readDecimal(text)), false, text);
  }
});

Deno.test("fitsInteger() knows the limits of int8, int4 and int2", () => {
  const fits = (text: string, type: keyof typeof INTEGER_RANGES): boolean =>
    fitsInteger(readDecimal(text), INTEGER_RANGES[type]);
  for (const text of ["9223372036854775807", "-9223372036854775808", "1e18", "1.0", "-0", "0e9"]) {
    assert.equal(fits(text, "int8"), true, text);
  }
  for (const text of ["9223372036854775808", "-9223372036854775809", "1e19", "0.5", "1e-1"]) {
    assert.equal(fits(text, "int8"), false, text);
  }
  assert.equal(fits("2147483647", "int4"), true);
  assert.equal(fits("2147483648", "int4"), false);
  assert.equal(fits("-32768", "int2"), true);
  assert.equal(fits("-32769", "int2"), false);
});

Deno.test("fitsInteger() agrees with BigInt", () => {
  fc.assert(fc.property(fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }), (value) => {
    const expected = value >= -(2n ** 63n) && value < 2n ** 63n;
    assert.equal(fitsInteger(readDecimal(String(value)), INTEGER_RANGES.int8), expected);
  }));
});

Deno.test("wholeText() spells whole numbers with digits only", () => {
  assert.equal(wholeText(readDecimal("1e3")), "1000");
  assert.equal(wholeText(readDecimal("-1.50e1")), "-15");
  assert.equal(wholeText(readDecimal("-0.0")), "0");
});

Deno.test("fitsNumeric() knows numeric's 131072 digits before and 16383 behind the point", () => {
  const fitting = ["1e131071", "12345e131067", "0.5e131072", "1e-16383", `1.${"0".repeat(16_383)}`]
    .concat(`1.${"0".repeat(16_384)}e1`, "1".repeat(131_072), "0e1000000", "1e400");
  for (const text of fitting) assert.equal(fitsNumeric(readDecimal(text)), true, text.slice(0, 20));
  const refused = ["1e131072", "12345e131068", "1e-16384", "1.5e-16383", "0e-20000", "1e200000"]
    .concat(
      "1".repeat(131_073),
      `1.${"0".repeat(16_384)}`,
      "0e1073741823",
      "1e99999999999999999999",
    );
  for (const text of refused) {
    assert.equal(fitsNumeric(readDecimal(text)), false, text.slice(0, 20));
  }
});

Deno.test("fitsNumericModifier() refuses what numeric(p,s) would round or overflow", () => {
  const money = { precision: 10, scale: 2 };
  for (const text of ["12345678.90", "1.500", "0", "0.01", "-99999999.99", "1e7"]) {
    assert.equal(fitsNumericModifier(readDecimal(text), money), true, text);
  }
  for (const text of ["0.001", "100000000", "1e8", "99999999.999"]) {
    assert.equal(fitsNumericModifier(readDecimal(text), money), false, text);
  }
  assert.equal(fitsNumericModifier(readDecimal("1200"), { precision: 3, scale: -2 }), true);
  assert.equal(fitsNumericModifier(readDecimal("1250"), { precision: 3, scale: -2 }), false);
});
