/**
 * What people send that other programs lose batches over: each case says what lands, and what is said
 * of what does not. Neighbours of a bad record are part of the cases.
 */
import assert from "node:assert/strict";
import { columnNameFor } from "../../../lib/schema/identifiers.ts";
import { sharedPostgres } from "../../support/servers.ts";
import { Landing, TABLE, testOnBoth, type TextRow } from "./landing.ts";

await sharedPostgres();

/** Batches of one message each, and what is there afterwards. */
interface BadInput {
  readonly what: string;
  readonly batches: readonly string[];
  readonly columns?: Readonly<Record<string, string>>;
  readonly rows: readonly TextRow[];
  readonly rejects?: readonly RegExp[];
}

const LONG = "k".repeat(300);
const named = (key: string): string => columnNameFor(key);

const BAD_INPUTS: readonly BadInput[] = [
  {
    what: "NUL in a value, in a key and in nested JSON",
    batches: ['[{"a":"x\\u0000y","b\\u0000":1,"c":{"k\\u0000":"\\u0000"},"d":"\\\\u0000"}]'],
    rows: [{
      a: "x\ufffdy",
      [named("b\0")]: "1",
      c: '{"k\ufffd": "\ufffd"}',
      d: "\\u0000",
    }],
  },
  {
    what: "lone surrogates beside astral characters",
    batches: ['[{"a":"\\ud800x\\udc00","b":["\\udfff\\ud83d\\ude00"],"c":"\\ud83d\\ude00😀"}]'],
    rows: [{ a: "\ufffdx\ufffd", b: '["\ufffd😀"]', c: "😀😀" }],
  },
  {
    what: "combining marks, right-to-left text and byte-order marks",
    batches: ['[{"é":"e\u0301","e\u0301":"é","שלום":"\u202eabc","\ufeffa":"\ufeff","a":1}]'],
    rows: [{ "é": "e\u0301", "e\u0301": "é", "שלום": "\u202eabc", "\ufeffa": "\ufeff", a: "1" }],
  },
  {
    what: "the empty key, and keys of 63, 64 and 300 bytes",
    batches: [
      `[{"":0,"${LONG.slice(0, 63)}":63,"${LONG.slice(0, 64)}":64,"${LONG}":300,"${LONG}x":301}]`,
      `[{"${LONG}x":2,"":1}]`,
    ],
    rows: [{
      [named("")]: "0",
      [LONG.slice(0, 63)]: "63",
      [named(LONG.slice(0, 64))]: "64",
      [named(LONG)]: "300",
      [named(`${LONG}x`)]: "301",
    }, { [named(`${LONG}x`)]: "2", [named("")]: "1" }],
  },
  {
    what: "keys that differ only in case",
    batches: ['[{"Key":1,"key":2,"KEY":3}]'],
    rows: [{ Key: "1", key: "2", KEY: "3" }],
  },
  {
    what: "keys full of SQL, COPY and format characters",
    batches: [
      '[{"q\\"q":1,"b\\\\b":2,"s;--":3,"n\\nn":4,"%s":5,"$1":6,"t\\tt":7,"\'":8,"\\") text); drop table t; --":9}]',
    ],
    rows: [{
      'q"q': "1",
      "b\\b": "2",
      "s;--": "3",
      "n\nn": "4",
      "%s": "5",
      "$1": "6",
      "t\tt": "7",
      "'": "8",
      '") text); drop table t; --': "9",
    }],
  },
  {
    what: "keys named as PostgreSQL, JavaScript and this program name things",
    batches: [
      '[{"ctid":1,"tableoid":2,"oid":3,"_timestamp":4,"__proto__":5,"constructor":6,"hasOwnProperty":7,' +
      '"xmin":8,"_overflow":9}]',
    ],
    rows: [{
      [named("ctid")]: "1",
      [named("tableoid")]: "2",
      oid: "3",
      _timestamp: "4",
      ["__proto__"]: "5",
      constructor: "6",
      hasOwnProperty: "7",
      [named("xmin")]: "8",
      [named("_overflow")]: "9",
    }],
  },
  {
    what: "strings that COPY would read as something else",
    batches: [
      '[{"a":"\\t\\n\\r\\\\"},{"a":"\\\\."},{"a":"\\\\N"},{"a":""},{"a":"\\\\x41\\\\101\\\\D"}]',
    ],
    rows: [{ a: "\t\n\r\\" }, { a: "\\." }, { a: "\\N" }, { a: "" }, { a: "\\x41\\101\\D" }],
  },
  {
    what: "duplicate keys, spelled alike or not",
    batches: ['[{"a":"x","a":1},{"a":"y","\\u0061":2}]'],
    columns: { a: "bigint" },
    rows: [{ a: "1" }, { a: "2" }],
  },
  {
    what: "integers at and beyond 2^53 and 2^63",
    batches: [
      '[{"a":9007199254740993,"b":9223372036854775807,"c":9223372036854775808,"d":-9223372036854775808}]',
      `[{"a":1,"b":1${"0".repeat(40)}}]`,
    ],
    columns: { a: "bigint", b: "numeric", c: "numeric", d: "bigint" },
    rows: [
      {
        a: "9007199254740993",
        b: "9223372036854775807",
        c: "9223372036854775808",
        d: "-9223372036854775808",
      },
      { a: "1", b: `1${"0".repeat(40)}` },
    ],
  },
  {
    what: "fractions at the edges of double precision",
    batches: ['[{"a":1e308,"b":1e309,"c":5e-324,"d":0.1,"e":1.10,"f":-0,"g":-0.0,"h":1e-400}]'],
    columns: {
      a: "double precision",
      b: "numeric",
      c: "double precision",
      d: "double precision",
      e: "double precision",
      f: "bigint",
      g: "double precision",
      h: "numeric",
    },
    rows: [{
      a: "1e+308",
      b: `1${"0".repeat(309)}`,
      c: "5e-324",
      d: "0.1",
      e: "1.1",
      f: "0",
      g: "-0",
      h: `0.${"0".repeat(399)}1`,
    }],
  },
  {
    what: "numbers that no numeric holds, alone and in JSON",
    batches: ['[{"a":1e200000,"b":{"k":1e-20000}},{"a":1,"b":{}}]'],
    columns: { a: "text", b: "text" },
    rows: [{ a: "1e200000", b: '{"k":1e-20000}' }, { a: "1", b: "{}" }],
  },
  {
    what: "numbers as strings",
    batches: ['[{"a":"1"},{"a":"1.10"}]', '[{"a":1.10}]'],
    columns: { a: "text" },
    rows: [{ a: "1" }, { a: "1.10" }, { a: "1.10" }],
  },
  {
    what: "an object where a scalar was, and a list where an object was",
    batches: ['[{"a":1,"b":{}}]', '[{"a":{"k":null},"b":[]}]', '[{"a":[1,"x",[true]],"b":"s"}]'],
    columns: { a: "jsonb", b: "jsonb" },
    rows: [
      { a: "1", b: "{}" },
      { a: '{"k": null}', b: "[]" },
      { a: '[1, "x", [true]]', b: '"s"' },
    ],
  },
  {
    what: "nesting ten and nine hundred deep",
    batches: [
      `[{"a":${"[".repeat(10)}${"]".repeat(10)},"b":${"[".repeat(900)}${"]".repeat(900)}}]`,
    ],
    rows: [{
      a: "[".repeat(10) + "]".repeat(10),
      b: "[".repeat(900) + "]".repeat(900),
    }],
  },
  {
    what: "a string of a megabyte",
    batches: [`[{"a":"${"é\\n".repeat(250_000)}"},{"a":"x"}]`],
    rows: [{ a: "é\n".repeat(250_000) }, { a: "x" }],
  },
  {
    what: "date-times in all forms of RFC 3339 that PostgreSQL holds",
    batches: [
      '[{"a":"2026-11-24T12:00:00Z"},{"a":"2026-11-24t12:00:00.123456+05:45"},' +
      '{"a":"0001-01-01T00:00:00Z"},{"a":"9999-12-31T23:59:59.999999Z"}]',
    ],
    columns: { a: "timestamp with time zone" },
    rows: [
      { a: "2026-11-24 12:00:00+00" },
      { a: "2026-11-24 06:15:00.123456+00" },
      { a: "0001-01-01 00:00:00+00" },
      { a: "9999-12-31 23:59:59.999999+00" },
    ],
  },
  {
    what: "date-times that PostgreSQL would change or not take",
    batches: [
      '[{"n":"2026-11-24T12:00:00.123456789Z","l":"2016-12-31T23:59:60Z","y":"294277-01-01T00:00:00Z",' +
      '"d":"2026-11-24","t":"2026-11-24T12:00:00","w":"2026-W48-2","i":"infinity","o":"now"}]',
    ],
    rows: [{
      n: "2026-11-24T12:00:00.123456789Z",
      l: "2016-12-31T23:59:60Z",
      y: "294277-01-01T00:00:00Z",
      d: "2026-11-24",
      t: "2026-11-24T12:00:00",
      w: "2026-W48-2",
      i: "infinity",
      o: "now",
    }],
  },
  {
    what: "a list of date-times with one exception",
    batches: ['[{"a":"2026-11-24T12:00:00.50Z"},{"a":"soon"}]', '[{"a":"2026-11-25T12:00:00Z"}]'],
    columns: { a: "text" },
    rows: [{ a: "2026-11-24T12:00:00.50Z" }, { a: "soon" }, { a: "2026-11-25T12:00:00Z" }],
  },
  {
    what: "records that are null, a number, a string or a list",
    batches: ['[{"a":1},null,5,"x",[{"a":2}],{"a":3},{}]'],
    columns: { a: "bigint" },
    rows: [{ a: "1" }, { a: "3" }, {}],
    rejects: [/the record is null$/, /is 5$/, /is "x"$/, /is \[\{"a":2\}\]$/],
  },
  {
    what: "a single object in place of a list, and an empty list",
    batches: ['{"a":1}', "[]"],
    rows: [{ a: "1" }],
  },
];

for (const { what, batches, columns, rows, rejects = [] } of BAD_INPUTS) {
  testOnBoth(`flush() lands ${what}`, {}, async (landing) => {
    for (const batch of batches) await landing.write(batch);
    if (columns !== undefined) assert.deepEqual(await landing.columns(), columns);
    assert.deepEqual(await landing.rows(), rows);
    const kept = await landing.rejects();
    assert.equal(kept.length, rejects.length);
    for (const [index, reason] of rejects.entries()) {
      assert.match(kept[index]?.reason ?? "", reason);
    }
  });
}

function permutations<T>(values: readonly T[]): T[][] {
  if (values.length === 0) return [[]];
  return values.flatMap((value, index) =>
    permutations(values.toSpliced(index, 1)).map((others) => [value, ...others])
  );
}

testOnBoth('flush() makes text of true, 1, "1" and null in every order of batches', {}, async (
  landing,
) => {
  for (const order of permutations(["true", "1", '"1"', "null"])) {
    for (const value of order) await landing.write(`[{"a":${value}}]`);
    const expected = order.map((value) => value === "null" ? null : value.replaceAll('"', ""));
    assert.deepEqual(await landing.values("a"), expected, order.join());
    assert.deepEqual(await landing.columns(), { a: "text" });
    await landing.sql.unsafe(`drop table ${TABLE}`);
  }
});

Deno.test("flush() takes a message as large as the server lets through", async () => {
  await using landing = await Landing.open();
  const text = "x".repeat(1_048_576 - 60);
  await landing.write(`[{"a":"${text}"}]`);
  assert.deepEqual(await landing.values("a"), [text]);
});
