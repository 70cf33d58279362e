/** Values that no column takes, and columns that make values of their own. */
import assert from "node:assert/strict";
import * as kinds from "../../../lib/schema/value_kind.ts";
import { columnOf, encodeJson, tableOf } from "../../support/encoding.ts";

const WITH_DEFAULT = tableOf(
  columnOf("id", "int8", { identity: "always", notNull: true }),
  columnOf("n", "int8", { identity: "default", notNull: true }),
  columnOf("made", "text", { hasDefault: true }),
  columnOf("a", "int8"),
);

Deno.test("encodeBatch() leaves columns with a DEFAULT out until a key asks for them", () => {
  const { batch, text } = encodeJson(WITH_DEFAULT, ['[{"a":1},{}]']);
  assert.deepEqual(batch.columns, ["a"]);
  assert.deepEqual(batch.runs, [{ firstRow: 0, rowCount: 2, columns: ["a"] }]);
  assert.equal(text, "1\n\\N\n");
});

Deno.test("encodeBatch() marks the DEFAULT of absent keys and keeps null apart when COPY has a marker", () => {
  const { batch, text } = encodeJson(
    WITH_DEFAULT,
    ['[{"a":1},{"made":null},{"made":"\\\\D","a":2}]'],
    { defaults: "marker" },
  );
  assert.deepEqual(batch.columns, ["made", "a"]);
  assert.equal(text, "\\D\t1\n\\N\t\\N\n\\\\D\t2\n");
  assert.deepEqual(batch.runs, [{ firstRow: 0, rowCount: 3, columns: ["made", "a"] }]);
  assert.equal(batch.usesMarker, true);
});

Deno.test("encodeBatch() makes runs of rows that leave out the same columns when COPY has no marker", () => {
  const { batch, text } = encodeJson(WITH_DEFAULT, [
    '[{"a":1},{"a":2},5,{"made":"x","a":3},{"n":4}]',
    '[{"n":5},{"made":null,"n":6,"a":7}]',
  ]);
  assert.equal(text, "1\n2\nx\t3\n4\t\\N\n5\t\\N\n6\t\\N\t7\n");
  assert.deepEqual(batch.runs, [
    { firstRow: 0, rowCount: 2, columns: ["a"] },
    { firstRow: 2, rowCount: 1, columns: ["made", "a"] },
    { firstRow: 3, rowCount: 2, columns: ["n", "a"] },
    { firstRow: 5, rowCount: 1, columns: ["n", "made", "a"] },
  ]);
  assert.equal(batch.usesMarker, false);
});

Deno.test("encodeBatch() sends no column at all when rows leave all of them out", () => {
  const table = tableOf(columnOf("made", "text", { hasDefault: true }));
  const { batch, text } = encodeJson(table, ['[{},{"made":"x"},{}]']);
  assert.equal(text, "\nx\n\n");
  assert.deepEqual(batch.runs.map(({ columns }) => columns), [[], ["made"], []]);
});

Deno.test("encodeBatch() never sends an identity that is always generated", () => {
  const { batch } = encodeJson(WITH_DEFAULT, ['[{"id":7,"a":1},{"id":null,"a":2}]']);
  assert.deepEqual(batch.columns, ["a"]);
  assert.deepEqual(batch.rejects.map(({ ordinal, columnName }) => [ordinal, columnName]), [
    [0, "id"],
  ]);
});

const OVERFLOWING = tableOf(
  columnOf("_overflow", "jsonb"),
  columnOf("a", "int8"),
  columnOf("g", "int8", { generated: true }),
);
const TO_OVERFLOW = { misfits: "overflow" } as const;

Deno.test("encodeBatch() puts the misfits of a row into one object behind all columns", () => {
  const { batch, text } = encodeJson(OVERFLOWING, [
    '[{"a":"x\\n","g":1.10},{"a":1},{"g":null},{"a":{"k":[]}}]',
  ], TO_OVERFLOW);
  assert.deepEqual(batch.columns, ["a", "_overflow"]);
  assert.equal(
    text,
    '\\N\t{"a":"x\\\\n","g":1.10}\n1\t\\N\n\\N\t\\N\n\\N\t{"a":{"k":[]}}\n',
  );
  assert.equal(batch.overflowValues, 3);
  assert.deepEqual(batch.misfits, [{ column: 0, kinds: kinds.KIND_STRING | kinds.KIND_STRUCTURE }]);
});

Deno.test("encodeBatch() reports new keys until the table is closed, then puts them into the object", () => {
  const open = encodeJson(OVERFLOWING, ['[{"b":1}]'], TO_OVERFLOW);
  assert.deepEqual(open.batch.newKeys, [{ key: "b", kinds: kinds.KIND_INTEGER }]);
  const closed = encodeJson(OVERFLOWING, ['[{"b":1,"__proto__":{"x":1},"c":null,"_overflow":2}]'], {
    closed: "it is full",
  });
  assert.deepEqual(closed.batch.newKeys, []);
  assert.equal(closed.values[0]?.[1], '{"b":1,"__proto__":{"x":1},"_overflow":2}');
});

Deno.test("encodeBatch() spells keys of the object as the record means them", () => {
  const keys = ['q\\"uote', "back\\\\slash", "tab\\t", "\\u00e9\\/", "\\ud83d\\ude00", ""];
  const { values } = encodeJson(OVERFLOWING, [
    `[{${keys.map((key, index) => `"${key}":${index}`).join(",")}}]`,
  ], { closed: "it is full" });
  assert.deepEqual(Object.entries(JSON.parse(values[0]?.[1] ?? "")), [
    ['q"uote', 0],
    ["back\\slash", 1],
    ["tab\t", 2],
    ["é/", 3],
    ["😀", 4],
    ["", 5],
  ]);
});

Deno.test("encodeBatch() gives keys that PostgreSQL cannot hold hashed names in the object", () => {
  const { batch, values } = encodeJson(OVERFLOWING, ['[{"a\\u0000":1,"a\\ud800":2}]'], {
    closed: "it is full",
  });
  assert.match(values[0]?.[1] ?? "", /^\{"a\ufffd_[0-9a-f]{16}":1,"a\ufffd_[0-9a-f]{16}":2\}$/);
  assert.equal(new Set(Object.keys(JSON.parse(values[0]?.[1] ?? ""))).size, 2);
  assert.deepEqual([batch.textReplacements, batch.replacedKey], [2, "a\0"]);
});

Deno.test("encodeBatch() says why a value has no place when there is no overflow column", () => {
  const table = tableOf(columnOf("a", "int8"));
  const { batch } = encodeJson(table, ['[{"a":"x"},{"b":1},{"b":null}]'], {
    misfits: "overflow",
    closed: "the role does not own the table",
    overflowRefusal: "neither does it own this",
  });
  assert.equal(batch.lacksOverflow, true);
  assert.deepEqual(batch.rejects.map(({ reason }) => reason), [
    'Cannot write the record as column "a" of type bigint does not hold a string without loss: ' +
    'the value is "x"; and there is no column "_overflow" to take it (neither does it own this)',
    'Cannot write the record as there can be no column for the key "b", the role does not own the ' +
    'table: the value is 1; and there is no column "_overflow" to take it (neither does it own this)',
  ]);
});

const PLAIN = tableOf(columnOf("a", "int8"), columnOf("b", "text"), columnOf("c", "jsonb"));

Deno.test("encodeBatch() names the key whose text was replaced, or the overflow column", () => {
  const named = encodeJson(PLAIN, ['[{"a":1},{"b":"\\u0000"},{"c":["\\ud800"]}]']);
  assert.equal(named.batch.replacedKey, "b");
  const overflowing = encodeJson(OVERFLOWING, ['[{"a":"\\u0000"}]'], TO_OVERFLOW);
  assert.equal(overflowing.batch.replacedKey, "_overflow");
  assert.equal(encodeJson(PLAIN, ['[{"b":"x"}]']).batch.replacedKey, null);
});
