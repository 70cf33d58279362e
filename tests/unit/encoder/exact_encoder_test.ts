import assert from "node:assert/strict";
import { encodeBatch } from "../../../lib/encoder/exact_encoder.ts";
import { RowBuffer } from "../../../lib/encoder/row_buffer.ts";
import { compilePlan } from "../../../lib/schema/column_plan.ts";
import * as kinds from "../../../lib/schema/value_kind.ts";
import { columnOf, deliveryOfJson, encodeJson, tableOf } from "../../support/encoding.ts";

const TABLE = tableOf(
  columnOf("a", "int8"),
  columnOf("b", "text"),
  columnOf("c", "jsonb"),
);

Deno.test("encodeBatch() writes values in the order of the columns, absent and null as NULL", () => {
  const { text } = encodeJson(TABLE, ['[{"b":"x","a":1},{"c":{"k":[1]},"b":null},{}]']);
  assert.equal(text, '1\tx\t\\N\n\\N\t\\N\t{"k":[1]}\n\\N\t\\N\t\\N\n');
});

Deno.test("encodeBatch() keeps an empty string apart from NULL, in the first column too", () => {
  const { text } = encodeJson(tableOf(columnOf("a", "text"), columnOf("b", "text")), [
    '[{"a":"","b":""},{"a":"\\\\N"}]',
  ]);
  assert.equal(text, "\t\n\\\\N\t\\N\n");
});

Deno.test("encodeBatch() counts rows per delivery and knows where each row came from", () => {
  const { batch } = encodeJson(TABLE, ['[{"a":1},2,{"a":3}]', "[]", '{"a":4}']);
  assert.equal(batch.rows.count, 3);
  assert.deepEqual([...batch.firstRows], [0, 2, 2, 3]);
  assert.deepEqual([0, 1, 2].map(batch.deliveryOf), [0, 0, 2]);
  assert.deepEqual([0, 1, 2].map(batch.ordinalOf), [0, 2, 0]);
  assert.deepEqual([...batch.rows.ends], [8, 16, 24]);
  assert.throws(() => batch.deliveryOf(3), RangeError);
});

Deno.test("encodeBatch() makes rejects of records that are no objects", () => {
  const { batch } = encodeJson(TABLE, ['[null,5,"text",[{"a":1}],true]']);
  assert.equal(batch.rows.count, 0);
  assert.deepEqual(batch.rejects.map(({ ordinal, reason }) => [ordinal, reason]), [
    [0, "Cannot write the record as a row must be a JSON object: the record is null"],
    [1, "Cannot write the record as a row must be a JSON object: the record is 5"],
    [2, 'Cannot write the record as a row must be a JSON object: the record is "text"'],
    [3, 'Cannot write the record as a row must be a JSON object: the record is [{"a":1}]'],
    [4, "Cannot write the record as a row must be a JSON object: the record is true"],
  ]);
});

Deno.test("encodeBatch() takes the last of several equal keys, however they are spelled", () => {
  const { values } = encodeJson(TABLE, [
    '[{"a":1,"\\u0061":2,"a":3},{"a":1,"\\u0061":2},{"a":"misfit","a":1},{"a":1,"a":null}]',
  ]);
  assert.deepEqual(values.map(([a]) => a), ["3", "2", "1", null]);
});

Deno.test("encodeBatch() reports new keys in order, with the kinds of all their values", () => {
  const { batch } = encodeJson(null, [
    '[{"z":1,"m":null},{"a":true,"z":0.5}]',
    '[{"m":null,"z":null,"b":"2026-11-24T00:00:00Z"},{}]',
  ]);
  assert.equal(batch.rows.count, 4);
  assert.deepEqual(batch.newKeys, [
    { key: "z", kinds: kinds.KIND_INTEGER | kinds.KIND_FRACTION },
    { key: "a", kinds: kinds.KIND_BOOLEAN },
    { key: "b", kinds: kinds.KIND_TIMESTAMP },
  ]);
});

Deno.test("encodeBatch() takes the last value of a new key that is given twice", () => {
  const { batch } = encodeJson(null, ['[{"a":"text","a":1}]']);
  assert.deepEqual(batch.newKeys, [{ key: "a", kinds: kinds.KIND_INTEGER }]);
});

Deno.test("encodeBatch() takes names of Object.prototype for plain keys", () => {
  const names = ["__proto__", "constructor", "hasOwnProperty", "toString"];
  const { batch } = encodeJson(null, ['[{"__proto__":1,"constructor":2,"hasOwnProperty":3}]']);
  assert.deepEqual(batch.newKeys.map(({ key }) => key), names.slice(0, 3));
  const table = tableOf(...names.map((name) => columnOf(name, "int8")));
  const { values } = encodeJson(table, ['[{"toString":4,"__proto__":1}]']);
  assert.deepEqual(values, [["1", null, null, "4"]]);
});

Deno.test("encodeBatch() finds columns whose names hold quotes, backslashes and control characters", () => {
  const names = ['"', "\\", "a\nb", "\t", "\\n", "é", "", "; drop table t; --", "😀"];
  const table = tableOf(
    ...names.map((name) =>
      name === ""
        ? columnOf("_cbf29ce484222325", "int8", { comment: '""' })
        : columnOf(name, "int8")
    ),
  );
  const record = (from: number): string =>
    `{${names.map((name, index) => `${JSON.stringify(name)}:${from + index}`).join(",")}}`;
  const { values, batch } = encodeJson(table, [`[${record(0)},${record(10)}]`]);
  assert.deepEqual(batch.newKeys, []);
  assert.deepEqual(values, [
    names.map((_, index) => String(index)),
    names.map((_, index) => String(10 + index)),
  ]);
});

Deno.test("encodeBatch() finds every key when their order and number change", () => {
  const table = tableOf(...["a", "b", "c", "d"].map((name) => columnOf(name, "int8")));
  const { values } = encodeJson(table, [
    '[{"a":1,"b":2,"c":3,"d":4},{"d":4,"c":3,"b":2,"a":1},{"c":3},{"b":2,"new":0,"a":1},' +
    '{"new":1,"d":4,"a":1},{},{"a":1,"b":2,"c":3,"d":4,"e":5}]',
  ]);
  assert.deepEqual(values.map((row) => row.map((value) => value ?? "-").join("")), [
    "1234",
    "1234",
    "--3-",
    "12--",
    "1--4",
    "----",
    "1234",
  ]);
});

Deno.test("encodeBatch() ignores white space between tokens and keeps it inside of values", () => {
  const { text } = encodeJson(TABLE, [
    ' [ { "a" : 1 ,\n\t"c" : [ 1 ,\n{ } ] \r\n} , { } ] ',
  ]);
  assert.equal(text, "1\t\\N\t[ 1 ,\\n{ } ]\n\\N\t\\N\t\\N\n");
});

Deno.test("encodeBatch() rejects a row with a misfit, and says which kinds came", () => {
  const { batch, values } = encodeJson(TABLE, ['[{"a":1},{"a":1.5,"b":"x"},{"a":"1"},{"a":2}]']);
  assert.deepEqual(values.map(([a]) => a), ["1", "2"]);
  assert.deepEqual(batch.misfits, [{ column: 0, kinds: kinds.KIND_FRACTION | kinds.KIND_STRING }]);
  assert.deepEqual(batch.rejects, [
    {
      delivery: 0,
      ordinal: 1,
      columnName: "a",
      reason: 'Cannot write the record as column "a" of type bigint does not hold a fraction ' +
        "without loss: the value is 1.5",
    },
    {
      delivery: 0,
      ordinal: 2,
      columnName: "a",
      reason: 'Cannot write the record as column "a" of type bigint does not hold a string ' +
        'without loss: the value is "1"',
    },
  ]);
});

Deno.test("encodeBatch() shows sixty characters of a misfit", () => {
  const { batch } = encodeJson(TABLE, [`[{"a":"${"é😀".repeat(100)}"}]`]);
  assert.match(batch.rejects[0]?.reason ?? "", /the value is "(é😀){29}é…$/u);
});

Deno.test("encodeBatch() notes all misfits of a row, and the first as its reason", () => {
  const { batch } = encodeJson(tableOf(columnOf("a", "int8"), columnOf("b", "bool")), [
    '[{"b":1,"a":true}]',
  ]);
  assert.deepEqual(batch.misfits, [
    { column: 0, kinds: kinds.KIND_BOOLEAN },
    { column: 1, kinds: kinds.KIND_INTEGER },
  ]);
  assert.deepEqual(batch.rejects.map(({ columnName }) => columnName), ["a"]);
});

Deno.test("encodeBatch() wants no column for a key that only rejected rows have", () => {
  const { batch } = encodeJson(TABLE, ['[{"a":"misfit","new":1}]']);
  assert.deepEqual(batch.newKeys, []);
});

Deno.test("encodeBatch() rejects a value for a generated column and takes null for none", () => {
  const table = tableOf(columnOf("a", "int8"), columnOf("g", "int8", { generated: true }));
  const { batch, text } = encodeJson(table, ['[{"a":1,"g":null},{"a":2,"g":3}]']);
  assert.deepEqual(batch.columns, ["a"]);
  assert.equal(text, "1\n");
  assert.deepEqual(batch.rejects.map(({ columnName, reason }) => [columnName, reason]), [[
    "g",
    'Cannot write the record as column "g" takes no value, the column is generated: the value is 3',
  ]]);
});

Deno.test("encodeBatch() rejects a value for a column whose type has no rule", () => {
  const table = tableOf(columnOf("a", "int8"), columnOf("r", "point"));
  const { batch } = encodeJson(table, ['[{"r":"x"}]']);
  assert.match(batch.rejects[0]?.reason ?? "", /no value is known to be lossless in type point/);
});

Deno.test("encodeBatch() gives every row the time of receipt in place of the record's own", () => {
  const options = { includeTimestamp: true };
  const row = ['[{"a":1,"_timestamp":"mine"}]'];
  const stamped = tableOf(columnOf("_timestamp", "timestamptz"), columnOf("a", "int8"));
  assert.equal(encodeJson(stamped, row, options).text, "2026-11-24T12:00:00.123Z\t1\n");
  const text = tableOf(columnOf("a", "text"), columnOf("_timestamp", "text"));
  assert.equal(encodeJson(text, row, options).text, "1\t2026-11-24T12:00:00Z\n");
});

Deno.test("encodeBatch() writes the time of receipt of each delivery", () => {
  const plan = compilePlan(tableOf(columnOf("_timestamp", "timestamptz")), {
    includeTimestamp: true,
  });
  const deliveries = [0, 1, 1].map((ms) => ({ ...deliveryOfJson("{}"), receivedAtMs: ms }));
  const { rows } = encodeBatch(plan, deliveries, new RowBuffer());
  assert.equal(
    new TextDecoder().decode(rows.bytes),
    "1970-01-01T00:00:00.000Z\n1970-01-01T00:00:00.001Z\n1970-01-01T00:00:00.001Z\n",
  );
});

Deno.test("encodeBatch() takes _timestamp for a plain key when the time is not wanted", () => {
  const { batch } = encodeJson(null, ['[{"_timestamp":5}]']);
  assert.deepEqual(batch.newKeys, [{ key: "_timestamp", kinds: kinds.KIND_INTEGER }]);
});

Deno.test("encodeBatch() replaces what PostgreSQL cannot hold, and counts it", () => {
  const { batch, values } = encodeJson(TABLE, [
    '[{"b":"a\\u0000b\\ud800c\\udc00\\ud83d\\ude00"},{"c":{"k\\u0000":["\\udfff\\ud83d\\ude00"]}}]',
  ]);
  assert.equal(values[0]?.[1], "a\ufffdb\ufffdc\ufffd😀");
  assert.equal(values[1]?.[2], '{"k\\ufffd":["\\ufffd\\ud83d\\ude00"]}');
  assert.equal(batch.textReplacements, 5);
});

Deno.test("encodeBatch() rejects rows with text that PostgreSQL cannot hold when told to", () => {
  const { batch, values } = encodeJson(
    TABLE,
    [
      '[{"b":"\\u0000"},{"b":"\\\\u0000"},{"c":["\\ud800"]},{"c":["\\\\ud800"]},{"a\\u0000":null},' +
      '{"b":"\\ufffd"}]',
    ],
    { onInvalidText: "reject" },
  );
  assert.deepEqual(batch.rejects.map(({ ordinal }) => ordinal), [0, 2, 4]);
  assert.deepEqual(values.map(([, b, c]) => b ?? c), ["\\u0000", '["\\\\ud800"]', "\ufffd"]);
  assert.equal(batch.textReplacements, 0);
});

Deno.test("encodeBatch() tells keys apart whose text PostgreSQL cannot hold", () => {
  const { batch } = encodeJson(null, [
    '[{"a\\u0000":1,"a\\ufffd":2,"a\\ud800":3,"a\\ud801":4},{"a\\u0000":true}]',
  ]);
  assert.deepEqual(batch.newKeys.map(({ key }) => key), ["a\0", "a\ufffd", "a\ud800", "a\ud801"]);
  assert.equal(batch.newKeys[0]?.kinds, kinds.KIND_INTEGER | kinds.KIND_BOOLEAN);
});

Deno.test("encodeBatch() takes 5,000 keys in a record and 5,000 records of distinct keys", () => {
  const numbers = Array.from({ length: 5_000 }, (_, index) => index);
  const wide = encodeJson(null, [`[{${numbers.map((index) => `"k${index}":1`).join(",")}}]`]);
  assert.equal(wide.batch.newKeys.length, 5_000);
  const many = encodeJson(null, [`[${numbers.map((index) => `{"k${index}":1}`).join(",")}]`]);
  assert.equal(many.batch.newKeys.length, 5_000);
  assert.equal(many.batch.rows.count, 5_000);
});

Deno.test("encodeBatch() takes 1,600 columns and a string of a megabyte", () => {
  const names = Array.from({ length: 1_600 }, (_, index) => `column ${index}`);
  const table = tableOf(...names.map((name) => columnOf(name, "text")));
  const long = "x\\n".repeat(350_000);
  const { values } = encodeJson(table, [`[{"column 1599":"${long}"}]`]);
  assert.equal(values[0]?.length, 1_600);
  assert.equal(values[0]?.[1_599], long.replaceAll("\\n", "\n"));
});

Deno.test("encodeBatch() keeps a structure nested 900 deep", () => {
  const deep = `${"[".repeat(900)}${"]".repeat(900)}`;
  assert.equal(encodeJson(TABLE, [`[{"c":${deep}}]`]).values[0]?.[2], deep);
});

Deno.test("encodeBatch() forgets one batch before the next", () => {
  const plan = compilePlan(TABLE, { includeTimestamp: false });
  const buffer = new RowBuffer();
  const first = encodeBatch(plan, [deliveryOfJson('[{"a":"x"},{"n":1,"b":"\\u0000"}]')], buffer);
  assert.equal(first.newKeys.length, 1);
  const second = encodeBatch(plan, [deliveryOfJson('[{"a":1}]')], buffer);
  assert.deepEqual(
    [second.newKeys, second.misfits, second.rejects, second.textReplacements, second.rows.count],
    [[], [], [], 0, 1],
  );
});

Deno.test("encodeBatch() gives the same bytes for every way to spell the same text", () => {
  const { values } = encodeJson(tableOf(columnOf("é/", "text")), [
    '[{"é/":"/é\\t"},{"\\u00e9\\/":"\\/\\u00E9\\u0009"}]',
  ]);
  assert.deepEqual(values, [["/é\t"], ["/é\t"]]);
});

Deno.test("encodeBatch() rejects a message as a whole when too many of its records make no row", () => {
  const bad = Array.from({ length: 1_001 }, () => "1").join(",");
  const { batch, text } = encodeJson(TABLE, ['[{"a":1}]', `[{"a":2},${bad},{"a":3}]`, '[{"a":4}]']);
  assert.equal(text, "1\t\\N\t\\N\n4\t\\N\t\\N\n");
  assert.deepEqual(batch.rejects, [{
    delivery: 1,
    ordinal: -1,
    columnName: null,
    reason:
      "Cannot write the message as more than 1000 of its 1003 records make no row; the first: " +
      "Cannot write the record as a row must be a JSON object: the record is 1",
  }]);
  assert.deepEqual([...batch.firstRows], [0, 1, 1, 2]);
  assert.deepEqual(batch.runs, [{ firstRow: 0, rowCount: 2, columns: ["a", "b", "c"] }]);
});

Deno.test("encodeBatch() keeps a thousand rejects of one message one by one", () => {
  const { batch } = encodeJson(TABLE, [`[${Array(1_000).fill("1").join(",")},{"a":2}]`]);
  assert.deepEqual([batch.rejects.length, batch.rows.count], [1_000, 1]);
});
