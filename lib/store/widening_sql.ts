/**
 * How the values of a column are carried over when its type is widened: without losing a digit, and
 * spelled as the encoder would have spelled them. The expressions rest on two settings that the
 * transaction makes first: doubles in their shortest exact form, and UTC.
 */
import type { ColumnType } from "../schema/column_type.ts";
import { widen } from "../schema/widening.ts";

/** The settings under which {@linkcode conversion} is right. */
export const CONVERSION_SETTINGS = "SET LOCAL extra_float_digits = 1; SET LOCAL TimeZone = 'UTC'";

/** What is to become of a column of ours that should accept more. */
export type WideningStep =
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "alter"; readonly type: ColumnType };

/** The step from what the column is by now, another instance may have widened it, to what is wanted. */
export function wideningStep(current: ColumnType, wanted: ColumnType): WideningStep {
  const type = widen(current, wanted);
  if (type === current) return { kind: "done" };
  if (current === "jsonb") {
    return { kind: "refused", reason: "text would not tell its JSON strings from other values" };
  }
  return { kind: "alter", type };
}

/**
 * The value of `column`, of type `from`, as `to`.
 *
 * @param column quoted name
 */
export function conversion(column: string, from: ColumnType, to: ColumnType): string {
  switch (to) {
    case "text":
      return textOf(column, from);
    case "jsonb":
      // What JSON has no number for (NaN) becomes a string.
      return `pg_catalog.to_jsonb(${from === "timestamptz" ? textOf(column, from) : column})`;
    case "numeric":
      // The cast itself keeps 15 digits of a double.
      return from === "double precision" ? `${column}::text::numeric` : `${column}::numeric`;
    default:
      throw new TypeError(`Cannot convert ${from} to ${to} as that is no widening`);
  }
}

function textOf(column: string, from: ColumnType): string {
  if (from !== "timestamptz") return `${column}::text`;
  // JSON's form is ISO 8601 with as many digits of the second as there are; only the zone is long.
  return `pg_catalog.regexp_replace(pg_catalog.to_jsonb(${column}) #>> '{}', '[+]00:00$', 'Z')`;
}
