/**
 * Which kinds of values the seven types of our own columns hold without loss (design §8). Inference
 * and widening rest on this one table.
 */
import type { ColumnType } from "./column_type.ts";
import {
  KIND_BEYOND_INT8_EXACT,
  KIND_BOOLEAN,
  KIND_FRACTION,
  KIND_INTEGER,
  KIND_LONG_INTEGER,
  KIND_LONG_WHOLE,
  KIND_NULL,
  KIND_OUTSIZE_NUMBER,
  KIND_OUTSIZE_STRUCTURE,
  KIND_TIMESTAMP,
  KIND_WHOLE,
  KINDS_ALL,
  KINDS_NUMERIC,
} from "./value_kind.ts";

/** Kinds that a column of each type accepts; null always, as SQL NULL. */
export const ACCEPTED_KINDS: Readonly<Record<ColumnType, number>> = {
  boolean: KIND_NULL | KIND_BOOLEAN,
  bigint: KIND_NULL | KIND_INTEGER | KIND_LONG_INTEGER | KIND_WHOLE | KIND_LONG_WHOLE,
  "double precision": KIND_NULL | KIND_INTEGER | KIND_BEYOND_INT8_EXACT | KIND_WHOLE |
    KIND_FRACTION,
  numeric: KIND_NULL | KINDS_NUMERIC,
  timestamptz: KIND_NULL | KIND_TIMESTAMP,
  jsonb: KINDS_ALL & ~(KIND_OUTSIZE_NUMBER | KIND_OUTSIZE_STRUCTURE),
  text: KINDS_ALL,
};
