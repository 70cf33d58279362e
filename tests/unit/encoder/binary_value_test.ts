import assert from "node:assert/strict";
import { binaryValueOf } from "../../../lib/encoder/binary_row.ts";
import { codecOf } from "../../../lib/schema/column_codec.ts";
import { columnOf, hexadecimal } from "../../support/encoding.ts";

const encoder = new TextEncoder();

/** The value's bytes behind its length, in hexadecimal. */
function bytesOf(typeName: string, text: string): string {
  const binary = binaryValueOf(codecOf(columnOf("x", typeName)), encoder.encode(text));
  assert.equal(new DataView(binary.buffer).getInt32(0), binary.length - 4);
  return hexadecimal(binary.subarray(4));
}

// What PostgreSQL's own send functions give (encode(numeric_send('1.50'), 'hex') and so on).
for (
  const [typeName, text, bytes] of [
    ["bool", "t", "01"],
    ["bool", "f", "00"],
    ["int8", "-1", "ff".repeat(8)],
    ["int8", "4294967296", "0000000100000000"],
    ["int8", "-4294967297", "fffffffeffffffff"],
    ["int8", "9223372036854775807", "7f" + "ff".repeat(7)],
    ["int8", "-9223372036854775808", "80" + "00".repeat(7)],
    ["int4", "-2147483648", "80000000"],
    ["int2", "32767", "7fff"],
    ["float8", "-0", "80" + "00".repeat(7)],
    ["float8", "0.1", "3fb999999999999a"],
    ["float8", "5e-324", "0000000000000001"],
    ["float8", "1.7976931348623157e308", "7fefffffffffffff"],
    ["numeric", "0", "0000000000000000"],
    ["numeric", "-0.00", "0000000000000002"],
    ["numeric", "1.50", "000200000000000200011388"],
    ["numeric", "-10000", "00010001400000000001"],
    ["numeric", "0.0001", "0001ffff000000040001"],
    ["numeric", "0.00001", "0001fffe0000000503e8"],
    ["numeric", "12345678.000010", "0004000100000006" + "04d2162e000003e8"],
    ["numeric", "1.5e3", "000100000000000005dc"],
    ["numeric", "1e131071", "00017fff0000000003e8"],
    ["timestamptz", "2000-01-01T00:00:00Z", "0000000000000000"],
    ["timestamptz", "1999-12-31T23:59:59.999999Z", "ffffffffffffffff"],
    ["timestamptz", "2000-01-01T01:00:00.5+01:00", "000000000007a120"],
    ["timestamptz", "0001-01-01T00:00:00Z", "ff1fe2ffc59c6000"],
    ["timestamptz", "9999-12-31T23:59:59.999999Z", "0380e70b913b7fff"],
    ["jsonb", '{"a":"\\\\n"}', "01" + "7b2261223a225c6e227d"],
    ["text", "a\\tb\\\\c\\n", "6109625c630a"],
    ["text", "", ""],
  ] as const
) {
  Deno.test(`binaryValueOf() of ${text} in a column of ${typeName} is ${bytes || "empty"}`, () => {
    assert.equal(bytesOf(typeName, text), bytes);
  });
}

Deno.test("binaryValueOf() takes long text with and without escapes", () => {
  const plain = "x".repeat(1_000);
  assert.equal(bytesOf("text", plain), "78".repeat(1_000));
  assert.equal(bytesOf("text", `${plain}\\n`), `${"78".repeat(1_000)}0a`);
});

Deno.test("binaryValueOf() throws for a type whose bytes are not known", () => {
  assert.throws(() => bytesOf("uuid", "x"), TypeError);
});
