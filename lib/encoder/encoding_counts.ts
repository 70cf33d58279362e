/** What the fast encoder did, in numbers that only grow. */

/** Why a record, or all records of a batch or message, went the exact way. */
export type PassReason =
  | "not_object"
  | "unknown_key"
  | "escaped_key"
  | "duplicate_key"
  | "default_column"
  | "other_type"
  | "number"
  | "misfit"
  | "text"
  | "size"
  | "syntax"
  /** The table has no column yet, or none that can be written fast. */
  | "plan"
  | "trap";

/** Counts since start. Records of a flush that is encoded again count again. */
export class EncodingCounts {
  /** Records that the fast encoder made rows of. */
  recordsFast = 0;
  /** Records that went the exact way. */
  readonly recordsPassed = new Map<PassReason, number>();
  /** Envelopes read by the fast pass, and those it left to the exact one. */
  envelopesFast = 0;
  envelopesPassed = 0;
  /** Faults in the fast encoder; no row is lost by one. */
  traps = 0;

  countPassed(reason: PassReason, records: number): void {
    this.recordsPassed.set(reason, (this.recordsPassed.get(reason) ?? 0) + records);
  }
}
