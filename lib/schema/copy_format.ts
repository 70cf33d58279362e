/**
 * In which of COPY's formats a table's rows are sent. Binary costs PostgreSQL a third less than text
 * (measured), and holds only for columns whose bytes PostgreSQL would have made of the text itself;
 * it knows no marker for DEFAULT.
 */
import type { TableColumn } from "./table_description.ts";

/** The formats that rows are encoded in. */
export type CopyFormat = "text" | "binary";

/**
 * Types whose binary form is known to hold what their text would: none of them rounds, pads or cuts
 * while it has no modifier.
 */
const BINARY_TYPES: ReadonlySet<string> = new Set([
  "bool",
  "int2",
  "int4",
  "int8",
  "float8",
  "numeric",
  "timestamptz",
  "jsonb",
  "text",
  "varchar",
]);

/** Values of the column can be sent as COPY binary. */
export function hasBinaryForm(column: TableColumn): boolean {
  return column.typeSchema === "pg_catalog" && column.typeKind === "b" && column.typmod === -1 &&
    BINARY_TYPES.has(column.typeName);
}
