/** The types of the columns that this program creates (design §8). */

/** A column type as SQL spells it. */
export type ColumnType =
  | "boolean"
  | "bigint"
  | "double precision"
  | "numeric"
  | "timestamptz"
  | "jsonb"
  | "text";
