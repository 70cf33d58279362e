/** Column plans for rows of the bench, without a database: for what is measured in this process. */
import { type ColumnPlan, compilePlan } from "../../lib/schema/column_plan.ts";
import type { TableColumn } from "../../lib/schema/table_description.ts";
import type { RowShape } from "./row_shapes.ts";

/** SQL's names of types to the catalog's. */
const CATALOG_NAMES: Readonly<Record<string, string>> = {
  bigint: "int8",
  boolean: "bool",
  "double precision": "float8",
};

/** The plan of a table as the program makes it for such rows. */
export function columnPlanOf(shape: RowShape): ColumnPlan {
  const columns = shape.columns.map(({ name, type }, index): TableColumn => ({
    name,
    attnum: index + 1,
    typeName: CATALOG_NAMES[type] ?? type,
    typeSchema: "pg_catalog",
    typeOid: 0,
    typmod: -1,
    typeKind: "b",
    enumLabels: [],
    domainOver: null,
    elements: null,
    notNull: false,
    hasDefault: false,
    generated: false,
    identity: "none",
    comment: null,
  }));
  const table = {
    schema: "public",
    name: "shape",
    oid: 1,
    relationKind: "r",
    columns,
    fingerprint: "",
  };
  return compilePlan(table, { includeTimestamp: false, prefersBinary: true });
}
