/**
 * Where the values of a record go that no column takes: to `_overflow` where that is the rule and the
 * table has it, else nowhere, and the record is refused. It decides by the plan alone.
 */
import type { ColumnPlan } from "../schema/column_plan.ts";
import { OVERFLOW_COLUMN } from "../schema/identifiers.ts";
import type { JsonText } from "./json_text.ts";
import { OverflowObject } from "./overflow_object.ts";
import type { KeySlot } from "./record_keys.ts";
import {
  closedRule,
  misfitRule,
  outsizeRule,
  type Refusal,
  unsentRule,
  withoutOverflow,
} from "./refusal.ts";
import type { SourceValue } from "./source_value.ts";

/** See the head of this file; used again for record after record. */
export class MisfitPlacement {
  readonly #plan: ColumnPlan;
  readonly #overflow = new OverflowObject();
  /** Why the record at hand makes no row; null while it does. */
  refusal: Refusal | null = null;
  /** A record of this batch was refused only as the table has no `_overflow`. */
  lacksOverflow = false;

  constructor(plan: ColumnPlan) {
    this.#plan = plan;
  }

  /** Values of the record at hand that go to `_overflow`. */
  get size(): number {
    return this.#overflow.size;
  }

  beginBatch(): void {
    this.lacksOverflow = false;
    this.beginRecord();
  }

  beginRecord(): void {
    this.refusal = null;
    this.#overflow.clear();
  }

  /** The slot's column does not hold its value, which is of this kind. */
  placeMisfit(
    column: { readonly name: string; readonly typeWords: string },
    slot: KeySlot,
    kind: number,
    payload: Uint8Array,
  ): void {
    if (this.#overflows(slot)) return;
    this.#refuseMisfit(column.name, misfitRule(column, kind, payload, slot));
  }

  /** The slot's column takes no value at all; this one is not null. */
  placeUnsent(slot: KeySlot, payload: Uint8Array): void {
    const unsent = this.#plan.unsentKeys.get(slot.key);
    if (unsent?.kind !== "refused" || this.#overflows(slot)) return;
    this.#refuseMisfit(unsent.columnName, unsentRule(unsent, payload, slot));
  }

  /** The slot's key has no column; its value is not null. Does nothing while it may get one. */
  placeNew(slot: KeySlot, payload: Uint8Array): void {
    const { overflow, options } = this.#plan;
    const why = options.closed ?? null;
    if (why === null) return;
    if (overflow !== null) return this.#overflow.add(slot);
    this.lacksOverflow = true;
    const rule = closedRule(slot.key, why, payload, slot);
    this.refuse(null, withoutOverflow(rule, options.overflowRefusal ?? null));
  }

  /** Writes `_overflow` and returns where it ends; refuses the record where jsonb cannot hold it. */
  writeOverflow(value: SourceValue, text: JsonText, out: Uint8Array, at: number): number {
    const end = this.#overflow.write(value, text, out, at);
    if (typeof end === "number") return end;
    this.refuse(OVERFLOW_COLUMN, outsizeRule(end.key, value.payload, end));
    return at;
  }

  /** The first reason stays. */
  refuse(columnName: string | null, rule: string): void {
    this.refusal ??= { columnName, reason: `Cannot write the record as ${rule}` };
  }

  #overflows(slot: KeySlot): boolean {
    const { overflow, options } = this.#plan;
    if (overflow === null || options.misfits !== "overflow") return false;
    this.#overflow.add(slot);
    return true;
  }

  #refuseMisfit(columnName: string, rule: string): void {
    const { misfits, overflowRefusal } = this.#plan.options;
    if (misfits !== "overflow") return this.refuse(columnName, rule);
    this.lacksOverflow = true;
    this.refuse(columnName, withoutOverflow(rule, overflowRefusal ?? null));
  }
}
