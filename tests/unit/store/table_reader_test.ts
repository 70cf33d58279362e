import assert from "node:assert/strict";
import { tableNames, truncatedName } from "../../../lib/schema/identifiers.ts";
import { chooseTable, refusalOfKind } from "../../../lib/store/table_reader.ts";

const LONG = `${"p".repeat(70)}1`;
const OTHER = `${"p".repeat(70)}2`;
const HASHED = tableNames(LONG).name;
const CUT = truncatedName(LONG);

function named(fullName: string): { fullName: string; legacyName: null } {
  return { fullName, legacyName: null };
}

Deno.test("chooseTable() is null when nothing was found", () => {
  assert.equal(chooseTable([], named("t")), null);
});

Deno.test("chooseTable() takes a short name whatever its comment says", () => {
  const table = { name: "t", comment: "my table" };
  assert.equal(chooseTable([table], named("t")), table);
});

Deno.test("chooseTable() takes the truncated name when nobody claims it", () => {
  const table = { name: CUT, comment: "made by hand" };
  assert.equal(chooseTable([table], named(LONG)), table);
});

Deno.test("chooseTable() leaves the truncated name to the full name that claims it", () => {
  const table = { name: CUT, comment: OTHER };
  assert.equal(chooseTable([table], named(LONG)), null);
  assert.equal(chooseTable([table], named(OTHER)), table);
});

Deno.test("chooseTable() prefers the hashed name when that claims the full name", () => {
  const hashed = { name: HASHED, comment: LONG };
  const cut = { name: CUT, comment: null };
  assert.equal(chooseTable([cut, hashed], named(LONG)), hashed);
});

Deno.test("chooseTable() takes the Go service's default name first", () => {
  const legacy = { name: "p_hello_world", comment: null };
  const plain = { name: "p", comment: null };
  const identity = { fullName: "p", legacyName: "p_hello_world" };
  assert.equal(chooseTable([plain, legacy], identity), legacy);
  assert.equal(chooseTable([plain], identity), plain);
});

Deno.test("refusalOfKind() is null for tables and partitioned tables only", () => {
  assert.equal(refusalOfKind("r"), null);
  assert.equal(refusalOfKind("p"), null);
  assert.equal(refusalOfKind("v"), "it is a view");
  assert.equal(refusalOfKind("f"), "it is a foreign table");
  assert.equal(refusalOfKind("?"), "it is no table (relkind ?)");
});
