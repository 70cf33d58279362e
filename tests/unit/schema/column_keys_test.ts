import assert from "node:assert/strict";
import fc from "fast-check";
import {
  commentFor,
  isClaimOf,
  keyOfColumn,
  resolveColumn,
} from "../../../lib/schema/column_keys.ts";
import { columnNameFor, hashedName, truncatedName } from "../../../lib/schema/identifiers.ts";

const LONG = `${"k".repeat(70)}1`;
const OTHER = `${"k".repeat(70)}2`;

interface Column {
  name: string;
  comment: string | null;
}

/** Gives the key a column as the store does, and returns that column's index. */
function place(columns: Column[], key: string): number {
  const found = resolveColumn(columns, key);
  if (found.kind === "column") return found.index;
  if (found.kind === "missing") {
    columns.push({ name: found.name, comment: found.comment });
    return columns.length - 1;
  }
  const index = columns.findIndex(({ name }) => name === found.name);
  columns[index] = { name: found.name, comment: found.comment };
  return index;
}

Deno.test("resolveColumn() finds the column of exactly the key's name", () => {
  const columns = [{ name: "a", comment: null }, { name: "b", comment: "words of a person" }];
  assert.deepEqual(resolveColumn(columns, "b"), { kind: "column", index: 1 });
});

Deno.test("resolveColumn() names a missing column after its key, without a comment", () => {
  assert.deepEqual(resolveColumn([], "score"), { kind: "missing", name: "score", comment: null });
});

Deno.test("resolveColumn() hashes a long key and claims the column by comment", () => {
  const missing = resolveColumn([], LONG);
  assert.deepEqual(missing, { kind: "missing", name: columnNameFor(LONG), comment: LONG });
  const columns = [{ name: columnNameFor(LONG), comment: LONG }];
  assert.deepEqual(resolveColumn(columns, LONG), { kind: "column", index: 0 });
});

Deno.test("resolveColumn() claims the column whose name PostgreSQL had cut, for one key only", () => {
  const name = truncatedName(LONG);
  assert.deepEqual(resolveColumn([{ name, comment: null }], LONG), {
    kind: "claim-truncated",
    name,
    comment: LONG,
  });
  const claimed = [{ name, comment: LONG }];
  assert.deepEqual(resolveColumn(claimed, LONG), { kind: "column", index: 0 });
  assert.deepEqual(resolveColumn(claimed, OTHER), {
    kind: "missing",
    name: columnNameFor(OTHER),
    comment: OTHER,
  });
});

Deno.test("resolveColumn() gives a key another column when its name is claimed by a longer key", () => {
  const name = truncatedName(LONG);
  const found = resolveColumn([{ name, comment: LONG }], name);
  assert.deepEqual(found, { kind: "missing", name: hashedName(name, 0), comment: name });
});

Deno.test("resolveColumn() keeps longer keys off a column that was made for its exact name", () => {
  const name = truncatedName(LONG);
  const made = resolveColumn([], name);
  assert.deepEqual(made, { kind: "missing", name, comment: name });
  assert.equal(resolveColumn([{ name, comment: name }], LONG).kind, "missing");
});

Deno.test("resolveColumn() takes another hash when a key is spelled like a hashed name", () => {
  const taken = columnNameFor("ctid");
  const found = resolveColumn([{ name: taken, comment: null }], "ctid");
  assert.deepEqual(found, { kind: "missing", name: hashedName("ctid", 1), comment: "ctid" });
});

Deno.test("keyOfColumn() gives no key to the overflow column", () => {
  assert.equal(keyOfColumn({ name: "_overflow", comment: null }), null);
});

Deno.test("commentFor() spells keys that a comment cannot hold as JSON", () => {
  assert.equal(commentFor(""), '""');
  assert.equal(commentFor("a\0b"), '"a\\u0000b"');
  assert.equal(commentFor("\ud800"), '"\\ud800"');
  assert.equal(commentFor('"quoted"'), '"quoted"');
});

Deno.test("isClaimOf() holds only for keys of which the name was made", () => {
  assert.equal(isClaimOf(LONG, columnNameFor(LONG)), true);
  assert.equal(isClaimOf(LONG, truncatedName(LONG)), true);
  assert.equal(isClaimOf('""', columnNameFor("")), true);
  assert.equal(isClaimOf("what the score means", "score"), false);
  assert.equal(isClaimOf(null, "score"), false);
});

Deno.test("resolveColumn() never lets two keys share a column, whatever the order", () => {
  const nasty = [LONG, OTHER, truncatedName(LONG), columnNameFor(LONG), "", "ctid", "_overflow"]
    .concat(
      columnNameFor("ctid"),
      "a\0",
      "a\ufffd",
      "a\ud800",
      '""',
      '"a\\u0000"',
      columnNameFor(""),
    );
  const keys = fc.uniqueArray(
    fc.oneof(fc.constantFrom(...nasty), fc.string({ unit: "binary", maxLength: 90 })),
  );
  const old = fc.constantFrom<Column[]>([], [{ name: truncatedName(LONG), comment: null }]);
  fc.assert(fc.property(keys, old, (chosen, before) => {
    const columns = [...before];
    const indexes = chosen.map((key) => place(columns, key));
    const again = chosen.map((key) => place(columns, key));
    // A claim may move a key of a column's exact name away, never onto another's.
    assert.equal(new Set(again).size, chosen.length, JSON.stringify(columns));
    assert.equal(new Set(columns.map(({ name }) => name)).size, columns.length);
    if (before.length === 0) assert.deepEqual(again, indexes);
  }));
});
