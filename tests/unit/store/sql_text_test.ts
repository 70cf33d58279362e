import assert from "node:assert/strict";
import {
  integerArray,
  qualifiedName,
  quoteLiteral,
  textArray,
} from "../../../lib/store/sql_text.ts";

Deno.test("qualifiedName() quotes both parts", () => {
  assert.equal(qualifiedName({ schema: 'a"b', name: "c.d" }), '"a""b"."c.d"');
});

Deno.test("quoteLiteral() doubles quotes", () => {
  assert.equal(quoteLiteral("it's"), "'it''s'");
});

Deno.test("quoteLiteral() escapes backslashes whatever the server's setting", () => {
  assert.equal(quoteLiteral("a\\'b"), "E'a\\\\''b'");
});

Deno.test("integerArray() is PostgreSQL's array text", () => {
  assert.equal(integerArray([1, "1763976000000000001", -1]), "{1,1763976000000000001,-1}");
});

for (const wrong of ["1; drop table t", "", "1e3", "1.5"]) {
  Deno.test(`integerArray() refuses ${JSON.stringify(wrong)}`, () => {
    assert.throws(() => integerArray([wrong]), TypeError);
  });
}

Deno.test("integerArray() refuses a number that is no integer", () => {
  assert.throws(() => integerArray([NaN]), TypeError);
  assert.throws(() => integerArray([1e21]), TypeError);
});

Deno.test("textArray() escapes quotes and backslashes", () => {
  assert.equal(textArray(['a"b', "c\\d", "", "e,f"]), '{"a\\"b","c\\\\d","","e,f"}');
});
