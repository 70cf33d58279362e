/**
 * Which type a new column gets, from the kinds of all values that its key has in one batch (design
 * §8). The type inferred accepts every one of these values. Order and number of the values do not
 * matter.
 */
import type { ColumnType } from "./column_type.ts";
import { ACCEPTED_KINDS } from "./accepted_kinds.ts";
import {
  KIND_BEYOND_INT8,
  KIND_BEYOND_INT8_EXACT,
  KIND_INTEGER,
  KIND_LONG_INTEGER,
  KIND_NULL,
  KIND_STRING,
  KIND_STRUCTURE,
  KIND_TIMESTAMP,
  KINDS_NUMERIC,
} from "./value_kind.ts";

/** What a processor's settings say about types. */
export interface InferenceOptions {
  /** `text`: every column is text, as the Go service made them. */
  readonly schemaMode?: "infer" | "text";
  /** `text`: date-times stay text, exactly as they were written. */
  readonly timestamps?: "infer" | "text";
}

const INT8 = KIND_INTEGER | KIND_LONG_INTEGER;
const INTEGERS = INT8 | KIND_BEYOND_INT8_EXACT | KIND_BEYOND_INT8;
const STRINGS = KIND_TIMESTAMP | KIND_STRING;

/** The column's type; null when there was nothing but null: such a key makes no column yet. */
export function inferColumnType(kinds: number, options: InferenceOptions = {}): ColumnType | null {
  const { schemaMode = "infer", timestamps = "infer" } = options;
  const seen = kinds & ~KIND_NULL;
  if (seen === 0) return null;
  if (schemaMode === "text") return "text";
  if (isWithin(seen, ACCEPTED_KINDS.boolean)) return "boolean";
  if (isWithin(seen, INT8)) return "bigint";
  if (isWithin(seen, INTEGERS)) return "numeric";
  if (isWithin(seen, ACCEPTED_KINDS["double precision"])) return "double precision";
  if (isWithin(seen, KINDS_NUMERIC)) return "numeric";
  if (seen === KIND_TIMESTAMP && timestamps === "infer") return "timestamptz";
  if (isWithin(seen, STRINGS)) return "text";
  const hasStructure = (seen & KIND_STRUCTURE) !== 0;
  return hasStructure && isWithin(seen, ACCEPTED_KINDS.jsonb) ? "jsonb" : "text";
}

function isWithin(kinds: number, accepted: number): boolean {
  return (kinds & ~accepted) === 0;
}
