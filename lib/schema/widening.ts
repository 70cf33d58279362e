/**
 * The narrowest of our types that accepts all that two of them accept. The order is that of what
 * they accept, so widening is a join: commutative, associative, idempotent.
 *
 * ```
 *                text
 *                 |
 *               jsonb
 *           /     |     \
 *      boolean numeric timestamptz
 *               /   \
 *          bigint  double precision
 * ```
 *
 * Whether a column may be changed in place is decided elsewhere.
 */
import { ACCEPTED_KINDS } from "./accepted_kinds.ts";
import type { ColumnType } from "./column_type.ts";

/** Our types, each behind all that it includes. */
const NARROWEST_FIRST: readonly ColumnType[] = [
  "boolean",
  "bigint",
  "double precision",
  "timestamptz",
  "numeric",
  "jsonb",
  "text",
];

/**
 * The narrowest type that accepts every value that `a` or `b` accepts. For a column with misfits, `b`
 * is the type inferred of them, so that a string makes text of every column.
 */
export function widen(a: ColumnType, b: ColumnType): ColumnType {
  const needed = ACCEPTED_KINDS[a] | ACCEPTED_KINDS[b];
  const wider = NARROWEST_FIRST.find((each) => (needed & ~ACCEPTED_KINDS[each]) === 0);
  // Text accepts every kind, so there always is one.
  return wider ?? "text";
}
