/**
 * The one place where names and constants become SQL text. Row values never do; they travel by COPY
 * or as parameters.
 */
import { quoteIdentifier } from "../schema/identifiers.ts";

/** `"schema"."table"`. */
export function qualifiedName(table: { readonly schema: string; readonly name: string }): string {
  return `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`;
}

/**
 * A string constant, for statements that take no parameters (COMMENT, SET). Right whatever
 * `standard_conforming_strings` says.
 */
export function quoteLiteral(text: string): string {
  const doubled = text.replaceAll("'", "''");
  return doubled.includes("\\") ? `E'${doubled.replaceAll("\\", "\\\\")}'` : `'${doubled}'`;
}

const INTEGER = /^-?\d+$/;

/** A `bigint[]` or `int[]` parameter: `{1,2,3}`. Takes decimal digits only. */
export function integerArray(values: Iterable<number | string>): string {
  const items = [...values];
  const wrong = items.find((item) =>
    typeof item === "number" ? !Number.isSafeInteger(item) : !INTEGER.test(item)
  );
  if (wrong !== undefined) throw new TypeError(`Cannot pass ${wrong} as it is no integer`);
  return `{${items.join(",")}}`;
}

/** A `text[]` parameter; null stands for NULL. */
export function textArray(values: readonly (string | null)[]): string {
  const items = values.map((value) =>
    value === null ? "NULL" : `"${value.replaceAll(/["\\]/g, "\\$&")}"`
  );
  return `{${items.join(",")}}`;
}

/** SQLSTATE of {@linkcode failUnless}: invalid_text_representation. */
export const FAILED_CONDITION = "22P02";

/**
 * An expression that is true, or makes its statement fail: with it, statements sent in one go go on
 * under a condition only. NULL is not true.
 *
 * @param explanation SQL that the server's log quotes; `concat` makes it a text that is never NULL, and
 *   that no planner works out beforehand
 */
export function failUnless(condition: string, explanation: string): string {
  return `CASE WHEN ${condition} THEN true
    ELSE pg_catalog.concat('state_tables: ', ${explanation})::boolean END`;
}
