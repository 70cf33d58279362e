import assert from "node:assert/strict";
import type { TableColumn } from "../../../lib/schema/table_description.ts";
import { columnOf, encodeJson, tableOf } from "../../support/encoding.ts";

/** The COPY value of one JSON value in a column, or `reject`. */
function written(column: TableColumn, json: string): string {
  const { batch, text } = encodeJson(tableOf(column), [`[{"v":${json}}]`]);
  return batch.rejects.length > 0 ? "reject" : text.slice(0, -1);
}

function type(typeName: string, more: Partial<TableColumn> = {}): TableColumn {
  return columnOf("v", typeName, more);
}

interface Case {
  readonly column: TableColumn;
  /** JSON values that are written as they are spelled. */
  readonly same?: readonly string[];
  /** JSON value and what is written. */
  readonly other?: Readonly<Record<string, string>>;
  readonly rejected?: readonly string[];
}

const OFFSET = 4;
const MONEY = ((10 << 16) | 2) + OFFSET;
const UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";

const CASES: Readonly<Record<string, Case>> = {
  boolean: {
    column: type("bool"),
    other: { true: "t", false: "f", null: "\\N" },
    rejected: ["1", "0", '"true"', "[]", "{}"],
  },
  bigint: {
    column: type("int8"),
    same: ["0", "-0", "9007199254740993", "9223372036854775807", "-9223372036854775808"],
    other: { "1.0": "1", "1e3": "1000", "-1.50E+1": "-15", "1e18": "1000000000000000000" },
    rejected: ["9223372036854775808", "-9223372036854775809", "1.5", "1e19", "1e-1", '"1"', "true"]
      .concat('""', "9007199254740990.6", "[]", "1e200000"),
  },
  integer: {
    column: type("int4"),
    same: ["2147483647", "-2147483648"],
    other: { "2.0": "2" },
    rejected: ["2147483648", "0.5"],
  },
  smallint: { column: type("int2"), same: ["-32768"], rejected: ["32768"] },
  "double precision": {
    column: type("float8"),
    same: [
      "0.1",
      "1.10",
      "-0",
      "-0.0",
      "1e308",
      "5e-324",
      "1e22",
      "123456789012345",
      "0.30000000000000004",
    ]
      .concat("9007199254740992", "100000000000000000000"),
    rejected: ["9007199254740993", "1e309", "1e400", "1e-400", "0.1000000000000000055"]
      .concat('"0.1"', '"NaN"', "true"),
  },
  real: {
    column: type("float4"),
    same: ["0.1", "16777216", "1.5"],
    rejected: ["16777217", "0.12345678", "1e39"],
  },
  numeric: {
    column: type("numeric"),
    same: ["1.10", "1e400", "12345678901234567890123", "0.1000000000000000055", "-0.0", "1"],
    rejected: ["1e200000", "1e-20000", '"1"', "false"],
  },
  "numeric(10,2)": {
    column: type("numeric", { typmod: MONEY }),
    same: ["12345678.90", "1.500", "1e7"],
    rejected: ["0.001", "100000000"],
  },
  timestamptz: {
    column: type("timestamptz"),
    other: {
      '"2026-11-24T12:00:00.123456+01:00"': "2026-11-24T12:00:00.123456+01:00",
      '"2026-11-24T12:00:00\\u005a"': "2026-11-24T12:00:00Z",
    },
    rejected: ['"now"', '"infinity"', '"2026-11-24"', "1700000000", '"2026-11-24T12:00:00"'],
  },
  "timestamptz(0)": {
    column: type("timestamptz", { typmod: 0 }),
    other: {
      '"2026-11-24T12:00:00Z"': "2026-11-24T12:00:00Z",
      '"2026-11-24T12:00:00.000Z"': "2026-11-24T12:00:00.000Z",
    },
    rejected: ['"2026-11-24T12:00:00.1Z"', '"2026-11-24T12:00:00.0000000Z"'],
  },
  jsonb: {
    column: type("jsonb"),
    same: ["1", "true", "[]", "{}", '{"a":[1,{"b":null}]}', "1e400", '"x"', '"2026-11-24"'],
    other: {
      '"a\\nb\\\\"': '"a\\\\nb\\\\\\\\"',
      '["\\u0000","\\\\u0000"]': '["\\\\ufffd","\\\\\\\\u0000"]',
      '"\\ud83d\\ude00\\ud83d"': '"\\\\ud83d\\\\ude00\\\\ufffd"',
      "[1,\n2]": "[1,\\n2]",
    },
    rejected: ["1e200000", "[1e200000]", '{"a":{"b":[1E-20000]}}'],
  },
  json: {
    column: type("json"),
    same: ["1e200000", "[1e200000]", "{}"],
    other: { '"\\u0000"': '"\\\\ufffd"' },
  },
  text: {
    column: type("text"),
    same: ["1.10", "1e200000", "-0", "true", "[]", '{"a": 1}'],
    other: {
      '""': "",
      '"plain"': "plain",
      '"\\t\\n\\r\\b\\f\\"\\\\\\/"': '\\t\\n\\r\\b\\f"\\\\/',
      '"\\u0009\\u005c\\u000a\\u0001"': "\\t\\\\\\n\u0001",
      '"\\\\."': "\\\\.",
      '"\\\\N"': "\\\\N",
      '"é\\u00e9😀\\ud83d\\ude00\u202eא"': "éé😀😀\u202eא",
      '"\\udbff\\udfff\\ud800\\udc00"': "\u{10ffff}\u{10000}",
      '"\\uffff\\u07ff\\u0800\\u0080"': "\uffff\u07ff\u0800\u0080",
      '"\ufeff"': "\ufeff",
      '{"a":"\\u0000"}': '{"a":"\\\\u0000"}',
    },
  },
  "varchar(3)": {
    column: type("varchar", { typmod: 3 + OFFSET }),
    same: ["1.1", "[]", "123"],
    other: { '"é😀x"': "é😀x", '"a\\nb"': "a\\nb", '"ab "': "ab " },
    rejected: ['"abcd"', '"abc "', "1234", "true", "[1,2]", '"é\\u00e9ab"'],
  },
  "char(3)": {
    column: type("bpchar", { typmod: 3 + OFFSET }),
    other: { '"ab"': "ab", '"ab "': "ab " },
    rejected: ['"a "', '"abcd"'],
  },
  uuid: {
    column: type("uuid"),
    other: { [`"${UUID}"`]: UUID, [`"${UUID.toUpperCase()}"`]: UUID.toUpperCase() },
    rejected: [`"{${UUID}}"`, `"${UUID.replaceAll("-", "")}"`, '"x"', "1"],
  },
  date: {
    column: type("date"),
    other: { '"2024-02-29"': "2024-02-29" },
    rejected: ['"2023-02-29"', '"now"', '"today"', '"2026-11-24T00:00:00Z"', '"24.11.2026"'],
  },
  timestamp: {
    column: type("timestamp"),
    other: {
      '"2026-11-24T12:00:00.5"': "2026-11-24T12:00:00.5",
      '"2026-11-24 12:00:00"': "2026-11-24 12:00:00",
    },
    rejected: ['"2026-11-24T12:00:00Z"', '"2026-11-24"', '"now"', '"2026-11-24T24:00:00"', "1"],
  },
  "time(2)": {
    column: type("time", { typmod: 2 }),
    other: { '"12:00:00.25"': "12:00:00.25", '"12:00:00.250"': "12:00:00.250" },
    rejected: ['"12:00:00.255"', '"24:00:00"', '"12:00"', '"12:00:00."', '"12:00:00Z"', "12"],
  },
  bytea: {
    column: type("bytea"),
    other: { '"\\\\x00fF"': "\\\\x00fF", '"\\u005cx"': "\\\\x" },
    rejected: ['"\\\\x0"', '"\\\\000"', '"x00"', '""', "1"],
  },
  "int4[]": {
    column: type("_int4", { elements: type("int4") }),
    other: { "[1, null ,-2]": "{1,NULL,-2}", "[]": "{}", "[ 1.0 ]": "{1}" },
    rejected: ["[1.5]", "[[1]]", '["1"]', "1", '{"a":1}', "[1e9]", "[2147483648]"],
  },
  "text[]": {
    column: type("_text", { elements: type("text") }),
    other: { '["a\\"b\\\\","",1,true,"NULL"]': '{"a\\\\"b\\\\\\\\","",1,true,"NULL"}' },
    rejected: ["[{}]", '"{a}"'],
  },
  "domain over varchar(2)": {
    column: type("short", {
      typeKind: "d",
      typeSchema: "public",
      domainOver: type("varchar", { typmod: 2 + OFFSET }),
    }),
    other: { '"ab"': "ab" },
    rejected: ['"abc"'],
  },
  enum: {
    column: type("mood", {
      typeKind: "e",
      typeSchema: "public",
      enumLabels: ["sad", "not so\nbad"],
    }),
    other: { '"sad"': "sad", '"not so\\nbad"': "not so\\nbad" },
    rejected: ['"happy"', '"SAD"', "1", "true"],
  },
};

for (const [name, { column, same = [], other = {}, rejected = [] }] of Object.entries(CASES)) {
  Deno.test(`writeValue() knows what ${name} holds without loss`, () => {
    for (const json of same) assert.equal(written(column, json), json, json.slice(0, 40));
    for (const [json, copy] of Object.entries(other)) {
      assert.equal(written(column, json), copy, json);
    }
    for (const json of rejected) assert.equal(written(column, json), "reject", json);
  });
}

Deno.test("writeValue() writes null as NULL whatever the type", () => {
  for (const { column } of Object.values(CASES)) {
    assert.equal(written(column, "null"), "\\N");
  }
});

Deno.test("writeValue() refuses every value in a type without a rule", () => {
  for (
    const column of [
      type("interval"),
      type("_jsonb", { elements: type("jsonb") }),
      type("text", { typeSchema: "public" }),
    ]
  ) assert.equal(written(column, '"1"'), "reject");
});
