/**
 * Finds the keys of one record and notes where each one's value stands; builds nothing. Which keys
 * there are and what becomes of them is the business of others.
 */
import type { ColumnPlan } from "../schema/column_plan.ts";
import { type KeySlot, RecordKeys } from "./record_keys.ts";
import { skipSpace, ValueSkipper } from "./value_skipper.ts";

/** Reads record after record; `KeySlot.record` equal to `record` means that the key is in this one. */
export class RecordReader {
  readonly keys: RecordKeys;
  readonly #skipper = new ValueSkipper();
  /** Number of the record read last. */
  record = 0;
  /** Slots of that record that are to be looked at beside the columns'. */
  readonly attention: KeySlot[] = [];

  constructor(plan: ColumnPlan) {
    this.keys = new RecordKeys(plan);
  }

  /** Reads the object at `start`; returns the offset behind it. */
  read(payload: Uint8Array, start: number): number {
    const record = ++this.record;
    this.attention.length = 0;
    let at = skipSpace(payload, start + 1);
    for (let index = 0; payload[at] === 0x22; index++) {
      const slot = this.keys.read(payload, at, index);
      at = this.keys.keyEnd;
      if (payload[at] !== 0x3a) at = skipSpace(payload, at);
      at = skipSpace(payload, at + 1);
      if (slot.needsAttention && slot.record !== record) this.attention.push(slot);
      slot.record = record;
      slot.start = at;
      at = this.#skipper.skip(payload, at);
      slot.end = at;
      slot.token = this.#skipper.token;
      if (payload[at] !== 0x2c) at = skipSpace(payload, at);
      if (payload[at] !== 0x2c) break;
      at = skipSpace(payload, at + 1);
    }
    if (payload[at] !== 0x7d) {
      throw new RangeError(
        `Cannot encode a record as its JSON must be valid: it breaks at byte ${at}`,
      );
    }
    return at + 1;
  }

  /** The offset behind a value of any type. */
  skip(payload: Uint8Array, start: number): number {
    return this.#skipper.skip(payload, start);
  }

  /** Lets go of the batch and of the keys that only it has. */
  forget(): void {
    this.keys.forgetNew();
    this.attention.length = 0;
  }
}
