/**
 * The narrowest of our types that accepts all that two of them accept; `jsonb` only where one of the
 * two is it, so that a boolean and a number make text, as they do within one batch.
 *
 * ```
 *                text
 *           /    |     \         jsonb: above each of them, below text
 *      boolean numeric timestamptz
 *               /   \
 *          bigint  double precision
 * ```
 *
 * Widening is commutative and idempotent, and its result accepts all that came before. It is
 * associative, and so independent of the order of batches, as long as no structure comes. Where one
 * does, order shows: `true`, `1`, `{}` one after the other make text, as `true` and `1` did, and `{}`
 * first makes jsonb. So it does between number types: `0.5` behind `1` makes numeric, as a bigint
 * column may hold what double precision would round; `1` behind `0.5` leaves double precision.
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
  const mayBeJson = a === "jsonb" || b === "jsonb";
  const wider = NARROWEST_FIRST.find((each) =>
    (each !== "jsonb" || mayBeJson) && (needed & ~ACCEPTED_KINDS[each]) === 0
  );
  // Text accepts every kind, so there always is one.
  return wider ?? "text";
}
