/** Why a record makes no row, in words that name the column and show the value. */
import type { UnsentKey } from "../schema/column_plan.ts";
import { OVERFLOW_COLUMN } from "../schema/identifiers.ts";
import { kindWords } from "../schema/value_kind.ts";
import { kindOfValue, shownValue } from "./value_judge.ts";
import type { SourceValue } from "./source_value.ts";

/** Why a record makes no row. */
export interface Refusal {
  /** Column concerned, when one is. */
  readonly columnName: string | null;
  /** In words. */
  readonly reason: string;
}

/** Where a value of a record stands. */
type ValuePosition = Readonly<Pick<SourceValue, "token" | "start" | "end">>;

/** The column does not hold the value; `kind` is the value's. */
export function misfitRule(
  column: { readonly name: string; readonly typeWords: string },
  kind: number,
  payload: Uint8Array,
  { start, end }: ValuePosition,
): string {
  return `column "${column.name}" of type ${column.typeWords} does not hold ${kindWords(kind)} ` +
    `without loss: the value is ${shownValue(payload, start, end)}`;
}

/** Nothing can be written into the key's column. */
export function unsentRule(
  unsent: Extract<UnsentKey, { kind: "refused" }>,
  payload: Uint8Array,
  { start, end }: ValuePosition,
): string {
  return `column "${unsent.columnName}" takes no value, ${unsent.rule}: ` +
    `the value is ${shownValue(payload, start, end)}`;
}

/** The table can have no column for the key. */
export function closedRule(
  key: string,
  why: string,
  payload: Uint8Array,
  { start, end }: ValuePosition,
): string {
  return `there can be no column for the key ${JSON.stringify(key)}, ${why}: ` +
    `the value is ${shownValue(payload, start, end)}`;
}

/** `_overflow`, which the value would go to, is not there. */
export function withoutOverflow(rule: string, why: string | null): string {
  const reason = why === null ? "" : ` (${why})`;
  return `${rule}; and there is no column "${OVERFLOW_COLUMN}" to take it${reason}`;
}

/** Not even `_overflow` holds the value. */
export function outsizeRule(key: string, payload: Uint8Array, value: ValuePosition): string {
  const kind = kindOfValue(value.token, payload, value.start, value.end);
  return `no column for the key ${JSON.stringify(key)} and no jsonb holds ${kindWords(kind)}: ` +
    `the value is ${shownValue(payload, value.start, value.end)}`;
}

/** The record is no object. */
export function noObjectRule(payload: Uint8Array, start: number, end: number): string {
  return `a row must be a JSON object: the record is ${shownValue(payload, start, end)}`;
}

/** The record's text is not to be replaced. */
export const INVALID_TEXT_RULE =
  "it holds text that PostgreSQL cannot hold (NUL or half of a surrogate pair), which is to be rejected";
