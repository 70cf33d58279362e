import assert from "node:assert/strict";
import fc from "fast-check";
import {
  columnNameFor,
  exactColumnName,
  hashedName,
  indexName,
  quoteIdentifier,
  tableNames,
  truncatedName,
  utf8Bytes,
} from "../../../lib/schema/identifiers.ts";

Deno.test("quoteIdentifier() doubles quotes", () => {
  assert.equal(quoteIdentifier('x" int); drop table v; --'), '"x"" int); drop table v; --"');
  assert.equal(quoteIdentifier("MixedCase $1 %"), '"MixedCase $1 %"');
});

Deno.test("quoteIdentifier() refuses the empty name and NUL", () => {
  assert.throws(() => quoteIdentifier(""), /Cannot quote a name/);
  assert.throws(() => quoteIdentifier("a\0b"), TypeError);
});

Deno.test("columnNameFor() is the key itself when that fits", () => {
  const keys = [
    "question",
    "oid",
    "CTID",
    "__proto__",
    "constructor",
    "a\tb\n",
    '"',
    ";",
    "$1",
    "é",
  ]
    .concat("a".repeat(63), "é".repeat(31), "_timestamp", " ");
  for (const key of keys) assert.equal(columnNameFor(key), key);
});

Deno.test("columnNameFor() hashes keys that no column can be named after", () => {
  assert.equal(columnNameFor(""), "_cbf29ce484222325");
  assert.equal(columnNameFor("ctid"), "ctid_9c733a2b14ba5bef");
  assert.equal(columnNameFor("_overflow"), "_overflow_4045bc40d6e4eb7e");
  assert.equal(columnNameFor("a\0b"), "a\ufffdb_8f682b24faff67d6");
  assert.equal(
    columnNameFor("a".repeat(64)),
    `${"a".repeat(46)}_e89413de6c146825`,
  );
});

Deno.test("columnNameFor() tells keys apart that differ only past byte 63 or in what is unstorable", () => {
  const start = "k".repeat(300);
  assert.notEqual(columnNameFor(`${start}1`), columnNameFor(`${start}2`));
  assert.notEqual(columnNameFor("a\0"), columnNameFor("a\ufffd"));
  assert.notEqual(columnNameFor("a\ud800"), columnNameFor("a\ud801"));
});

Deno.test("columnNameFor() always yields a name that PostgreSQL keeps as it is", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), (key) => {
    const name = columnNameFor(key);
    assert.ok(utf8Bytes(name) <= 63 && utf8Bytes(name) > 0);
    assert.ok(name.isWellFormed() && !name.includes("\0"));
    assert.equal(exactColumnName(name), name);
  }));
});

Deno.test("truncatedName() cuts at the boundary of a character within 63 bytes", () => {
  assert.equal(truncatedName("é".repeat(40)), "é".repeat(31));
  assert.equal(truncatedName("a".repeat(64)), "a".repeat(63));
  assert.equal(truncatedName(`${"a".repeat(61)}😀`), "a".repeat(61));
});

Deno.test("hashedName() differs with every attempt", () => {
  const names = new Set([0, 1, 2, 3].map((attempt) => hashedName("key", attempt)));
  assert.equal(names.size, 4);
});

Deno.test("tableNames() keeps a full name of 63 bytes", () => {
  const name = "t".repeat(63);
  assert.deepEqual(tableNames(name), { name, truncated: null });
});

Deno.test("tableNames() hashes a longer full name and tells what PostgreSQL makes of it", () => {
  const { name, truncated } = tableNames("t".repeat(300));
  assert.equal(truncated, "t".repeat(63));
  assert.match(name, /^t{46}_[0-9a-f]{16}$/);
});

Deno.test("indexName() is spelled out where it fits and hashed where not", () => {
  assert.equal(indexName("table", "run_id"), "table_run_id_idx");
  assert.match(indexName("t".repeat(60), "run_id"), /^t{46}_[0-9a-f]{16}$/);
});
