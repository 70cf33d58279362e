import assert from "node:assert/strict";
import { isDefinitionRace, sqlStateKind } from "../../../lib/store/sql_state.ts";

for (
  const [sqlState, kind] of [
    [undefined, "transient"],
    ["08006", "transient"],
    ["08P01", "data"],
    ["0A000", "schema"],
    ["22003", "data"],
    ["22P02", "data"],
    ["23505", "data"],
    ["25006", "transient"],
    ["25P02", "transient"],
    ["28P01", "configuration"],
    ["40001", "transient"],
    ["40P01", "transient"],
    ["42501", "configuration"],
    ["42703", "schema"],
    ["42P01", "schema"],
    ["53100", "transient"],
    ["54000", "data"],
    ["55P03", "transient"],
    ["57014", "transient"],
    ["57P01", "transient"],
    ["57P04", "configuration"],
    ["58030", "transient"],
    ["P0001", "data"],
    ["XX000", "data"],
    ["XX002", "configuration"],
    ["ZZ999", "data"],
  ] as const
) {
  Deno.test(`sqlStateKind() is ${kind} when the code is ${sqlState}`, () => {
    assert.equal(sqlStateKind(sqlState), kind);
  });
}

Deno.test("isDefinitionRace() is true when a unique index of the catalog refuses", () => {
  assert.equal(isDefinitionRace("23505", "pg_catalog"), true);
});

Deno.test("isDefinitionRace() is false when a unique index of anybody else refuses", () => {
  assert.equal(isDefinitionRace("23505", "public"), false);
});

Deno.test("isDefinitionRace() is false when the role may not", () => {
  assert.equal(isDefinitionRace("42501", null), false);
});
