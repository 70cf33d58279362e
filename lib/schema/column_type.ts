/** The types of the columns that this program creates (design §8). */
import type { TableColumn } from "./table_description.ts";

/** A column type as SQL spells it. */
export type ColumnType =
  | "boolean"
  | "bigint"
  | "double precision"
  | "numeric"
  | "timestamptz"
  | "jsonb"
  | "text";

/** Our types under the names that `pg_type` has for them. */
const OWN_TYPES: ReadonlyMap<string, ColumnType> = new Map([
  ["bool", "boolean"],
  ["int8", "bigint"],
  ["float8", "double precision"],
  ["numeric", "numeric"],
  ["timestamptz", "timestamptz"],
  ["jsonb", "jsonb"],
  ["text", "text"],
]);

/** The column's type if it is one that this program creates, else null. */
export function ownTypeOf(column: TableColumn): ColumnType | null {
  if (column.typeSchema !== "pg_catalog" || column.typmod !== -1) return null;
  return OWN_TYPES.get(column.typeName) ?? null;
}
