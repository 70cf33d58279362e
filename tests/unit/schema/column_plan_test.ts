import assert from "node:assert/strict";
import {
  type ColumnPlan,
  compilePlan,
  planSendingDefaults,
} from "../../../lib/schema/column_plan.ts";
import { columnOf, tableOf } from "../../support/encoding.ts";

function sent(plan: ColumnPlan): (readonly [string, string | null])[] {
  return plan.columns.map(({ name, key }) => [name, key]);
}

Deno.test("compilePlan() has no columns for a table that does not exist", () => {
  const plan = compilePlan(null, { includeTimestamp: true });
  assert.deepEqual([plan.columns, plan.lacksTimestamp], [[], true]);
});

Deno.test("compilePlan() sends ordinary columns in the order of the catalog", () => {
  const table = tableOf(columnOf("b", "int8"), columnOf("a", "text"));
  const plan = compilePlan(table, { includeTimestamp: false });
  assert.deepEqual(sent(plan), [["b", "b"], ["a", "a"]]);
  assert.equal(plan.lacksTimestamp, false);
});

Deno.test("compilePlan() gives a claimed column the key of its comment", () => {
  const name = `${"k".repeat(46)}_0123456789abcdef`;
  const key = "k".repeat(80);
  const table = tableOf(columnOf("k".repeat(63), "text", { comment: key }), columnOf(name, "text"));
  assert.deepEqual(sent(compilePlan(table, { includeTimestamp: false })), [
    ["k".repeat(63), key],
    [name, name],
  ]);
});

Deno.test("compilePlan() never sends the overflow column for a key", () => {
  const table = tableOf(columnOf("_overflow", "jsonb"));
  const plan = compilePlan(table, { includeTimestamp: false });
  assert.deepEqual([plan.columns, plan.unsentKeys.size], [[], 0]);
  assert.deepEqual(plan.overflow, { hasDefault: false });
});

Deno.test("compilePlan() takes only a jsonb column that can be written for overflow", () => {
  const overflowOf = (typeName: string, more = {}): unknown =>
    compilePlan(tableOf(columnOf("_overflow", typeName, more)), { includeTimestamp: false })
      .overflow;
  assert.equal(overflowOf("json"), null);
  assert.equal(overflowOf("jsonb", { generated: true }), null);
  assert.deepEqual(overflowOf("jsonb", { hasDefault: true }), { hasDefault: true });
});

Deno.test("compilePlan() sends the time of receipt where the column can hold it", () => {
  const sends = (typeName: string, more = {}): boolean => {
    const table = tableOf(columnOf("_timestamp", typeName, more));
    const plan = compilePlan(table, { includeTimestamp: true });
    assert.equal(plan.lacksTimestamp, false);
    assert.equal(plan.unsentKeys.get("_timestamp")?.kind, "ignored");
    return plan.columns.some(({ key }) => key === null);
  };
  assert.equal(sends("timestamptz"), true);
  assert.equal(sends("timestamptz", { hasDefault: true }), true);
  assert.equal(sends("text"), true);
  assert.equal(sends("varchar", { typmod: 24 }), true);
  assert.equal(sends("varchar", { typmod: 23 }), false);
  assert.equal(sends("int8"), false);
  assert.equal(sends("timestamptz", { generated: true }), false);
});

Deno.test("planSendingDefaults() adds the columns of the keys named to those sent before", () => {
  const table = tableOf(
    columnOf("a", "int8", { hasDefault: true }),
    columnOf("b", "int8", { identity: "default" }),
    columnOf("c", "int8"),
  );
  const plan = compilePlan(table, { includeTimestamp: false });
  assert.deepEqual(sent(plan), [["c", "c"]]);
  const wider = planSendingDefaults(planSendingDefaults(plan, ["a"]), ["b"]);
  assert.deepEqual(sent(wider), [["a", "a"], ["b", "b"], ["c", "c"]]);
});

const BINARY = { includeTimestamp: false, prefersBinary: true } as const;

Deno.test("compilePlan() chooses binary where every column sent has an exact binary form", () => {
  const types = ["bool", "int2", "int4", "int8", "float8", "numeric", "timestamptz", "jsonb"]
    .concat("text", "varchar");
  const table = tableOf(
    ...types.map((type) => columnOf(type, type)),
    columnOf("_overflow", "jsonb"),
  );
  assert.equal(compilePlan(table, BINARY).format, "binary");
  assert.equal(compilePlan(table, { includeTimestamp: false }).format, "text");
});

Deno.test("compilePlan() chooses text for types and modifiers that round, cut or pad", () => {
  const inText = [
    ...["float4", "date", "time", "timestamp", "uuid", "bytea", "json", "bpchar"].map((type) =>
      columnOf("x", type)
    ),
    columnOf("x", "varchar", { typmod: 14 }),
    columnOf("x", "bpchar", { typmod: 14 }),
    columnOf("x", "numeric", { typmod: ((10 << 16) | 2) + 4 }),
    columnOf("x", "timestamptz", { typmod: 3 }),
    columnOf("x", "mood", { typeKind: "e", enumLabels: ["fine"] }),
    columnOf("x", "positive", { typeKind: "d", domainOver: columnOf("x", "int8") }),
    columnOf("x", "_int8", { elements: columnOf("x", "int8") }),
  ];
  for (const column of inText) {
    const plan = compilePlan(tableOf(columnOf("a", "int8"), column), BINARY);
    assert.equal(plan.format, "text", column.typeName);
  }
});

Deno.test("compilePlan() chooses text where a row may take a DEFAULT that is sent", () => {
  const table = tableOf(columnOf("a", "int8"), columnOf("d", "int8", { hasDefault: true }));
  const plan = compilePlan(table, BINARY);
  assert.deepEqual([plan.format, planSendingDefaults(plan, ["d"]).format], ["binary", "text"]);
  const overflow = columnOf("_overflow", "jsonb", { hasDefault: true });
  assert.equal(compilePlan(tableOf(columnOf("a", "int8"), overflow), BINARY).format, "text");
});

Deno.test("compilePlan() chooses text where no column is sent", () => {
  assert.equal(compilePlan(null, BINARY).format, "text");
  assert.equal(compilePlan(tableOf(), BINARY).format, "text");
  assert.equal(compilePlan(tableOf(columnOf("_overflow", "jsonb")), BINARY).format, "text");
});

Deno.test("compilePlan() words types as SQL does", () => {
  const table = tableOf(
    columnOf("a", "int4"),
    columnOf("b", "varchar", { typmod: 9 }),
    columnOf("c", "numeric", { typmod: ((10 << 16) | 2) + 4 }),
    columnOf("d", "numeric", { typmod: ((3 << 16) | 0x7fe) + 4 }),
    columnOf("e", "timestamptz"),
  );
  const plan = compilePlan(table, { includeTimestamp: false });
  assert.deepEqual(plan.columns.map(({ typeWords }) => typeWords), [
    "integer",
    "varchar(5)",
    "numeric(10,2)",
    "numeric(3,-2)",
    "timestamptz",
  ]);
});
