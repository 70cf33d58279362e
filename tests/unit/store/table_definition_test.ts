import assert from "node:assert/strict";
import type { TableChange, WantedColumn } from "../../../lib/ingest/ports.ts";
import { tableNames, truncatedName } from "../../../lib/schema/identifiers.ts";
import { alterTable, createTable } from "../../../lib/store/table_definition.ts";
import type { FoundTable } from "../../../lib/store/table_reader.ts";

function wanted(columns: readonly WantedColumn[], more: Partial<TableChange> = {}): TableChange {
  return {
    table: { fullName: "t", legacyName: null },
    columns,
    widenings: [],
    overflow: false,
    indexKeys: [],
    reason: "test",
    cause: null,
    ...more,
  };
}

function found(
  columns: readonly { readonly name: string; readonly comment: string | null }[],
  more: Partial<FoundTable> = {},
): FoundTable {
  return {
    schema: "public",
    name: "t",
    oid: 1,
    relationKind: "r",
    fingerprint: "",
    comment: null,
    isOwned: true,
    columns: columns.map((column, at) => ({
      attnum: at + 1,
      typeName: "text",
      typeSchema: "pg_catalog",
      typeOid: 25,
      typmod: -1,
      typeKind: "b",
      enumLabels: [],
      domainOver: null,
      elements: null,
      notNull: false,
      hasDefault: false,
      generated: false,
      identity: "none",
      ...column,
    })),
    ...more,
  };
}

Deno.test("createTable() makes all columns in one statement, in the order wanted", () => {
  const { statements } = createTable(
    "public",
    wanted([{ key: "b", type: "double precision" }, { key: 'a"', type: "jsonb" }]),
    [],
  );
  assert.deepEqual(statements, [
    'CREATE TABLE "public"."t" ("b" double precision, "a""" jsonb)',
  ]);
});

Deno.test("createTable() indexes each key that has a column once", () => {
  const { statements } = createTable(
    "public",
    wanted([{ key: "a", type: "text" }], { indexKeys: ["a", "b", "a"] }),
    [],
  );
  assert.deepEqual(statements.slice(1), ['CREATE INDEX "t_a_idx" ON "public"."t" ("a")']);
});

Deno.test("createTable() grants reading to roles and to PUBLIC", () => {
  const { statements } = createTable("public", wanted([]), ["reader", "public"]);
  assert.deepEqual(statements.slice(1), [
    'GRANT SELECT ON "public"."t" TO "reader"',
    'GRANT SELECT ON "public"."t" TO PUBLIC',
  ]);
});

Deno.test("createTable() writes a full name that was cut into the comment", () => {
  const fullName = `it's ${"x".repeat(80)}`;
  const { name } = tableNames(fullName);
  const { statements } = createTable(
    "public",
    wanted([], { table: { fullName, legacyName: null } }),
    [],
  );
  assert.deepEqual(statements, [
    `CREATE TABLE "public"."${name}" ()`,
    `COMMENT ON TABLE "public"."${name}" IS 'it''s ${"x".repeat(80)}'`,
  ]);
});

Deno.test("alterTable() does nothing when all is there", () => {
  const table = found([{ name: "a", comment: null }]);
  const definition = alterTable(table, wanted([{ key: "a", type: "text" }]));
  assert.deepEqual(definition, { tableName: "t", statements: [], records: [], refused: [] });
});

Deno.test("alterTable() adds all missing columns in one statement", () => {
  const { statements, records } = alterTable(
    found([{ name: "a", comment: null }]),
    wanted(["a", "b", "c", "b"].map((key) => ({ key, type: "text" }))),
  );
  assert.deepEqual(statements, [
    'ALTER TABLE "public"."t" ADD COLUMN "b" text, ADD COLUMN "c" text',
  ]);
  assert.deepEqual(records.map(({ columnName }) => columnName), ["b", "c"]);
});

Deno.test("alterTable() lets one of two keys claim the name that PostgreSQL cut", () => {
  const [one, two] = [`${"k".repeat(70)}1`, `${"k".repeat(70)}2`];
  const cut = truncatedName(one);
  const { statements, records } = alterTable(
    found([{ name: cut, comment: null }]),
    wanted([{ key: one, type: "text" }, { key: two, type: "text" }]),
  );
  assert.ok(statements.includes(`COMMENT ON COLUMN "public"."t"."${cut}" IS '${one}'`));
  assert.deepEqual(records.map(({ change }) => change), ["add column", "claim name"]);
});

Deno.test("alterTable() leaves the comment of a table that is not ours alone", () => {
  const fullName = "t".repeat(70);
  const table = found([], { name: truncatedName(fullName), isOwned: false });
  const change = wanted([], { table: { fullName, legacyName: null } });
  assert.deepEqual(alterTable(table, change).statements, []);
  assert.equal(alterTable({ ...table, isOwned: true }, change).statements.length, 1);
});
