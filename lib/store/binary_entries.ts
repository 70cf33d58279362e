/** Sequences and stored times as PostgreSQL's binary bigint, without a BigInt for each. */
import type { MessageIdentity } from "../ingest/delivery.ts";

/** Stored times from this second on (in the year 2096) would not be computed exactly. */
const SECONDS_END = 4_000_000_000;
const TWO_32 = 2 ** 32;

/** {@linkcode writeStored} can write it. */
export function isStoredExact({ storedSeconds }: MessageIdentity): boolean {
  return storedSeconds < SECONDS_END;
}

/** Writes an integer that a double holds exactly. */
export function writeInteger(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / TWO_32));
  view.setUint32(at + 4, value % TWO_32);
}

/** Writes the stored time in nanoseconds. */
export function writeStored(
  view: DataView,
  at: number,
  { storedSeconds, storedFraction }: MessageIdentity,
): void {
  // 10^9 is 1,953,125 · 2^9, and the first factor's product is still exact.
  const product = storedSeconds * 1_953_125;
  const low = (product % 2 ** 23) * 512 + storedFraction; // may be twice as much as fits
  const carry = low >= TWO_32 ? 1 : 0;
  view.setUint32(at, Math.floor(product / 2 ** 23) + carry);
  view.setUint32(at + 4, low - carry * TWO_32);
}
