/**
 * The buffer that rows are encoded into: COPY bytes, where each row ends, and which record it came
 * from. It is used again for flush after flush, as a fresh one costs more than anything else the
 * encoder does (measured); it grows as needed and lets go of what an unusual flush made it take.
 */
import type { EncodedRows } from "./encoded_batch.ts";

/** Bytes of a new buffer. */
const INITIAL_BYTES = 64 * 1024;

/** Rows of a new buffer. */
const INITIAL_ROWS = 1024;

/** What is kept for the next flush: twice the payload bytes that a flush takes under load. */
const KEPT_BYTES_MAX = 16 * 1024 * 1024;

/** Rows kept for the next flush; the arrays for them take twelve bytes a row. */
const KEPT_ROWS_MAX = 256 * 1024;

/** Bounds of a buffer; for tests. */
export interface RowBufferOptions {
  readonly keptBytesMax?: number;
  readonly keptRowsMax?: number;
}

/** Complete rows back to back, and of each where it ends and which record it came from. */
export interface AppendedRows {
  readonly bytes: Uint8Array;
  /** Offsets in `bytes`. */
  readonly ends: Uint32Array;
  readonly deliveries: Uint32Array;
  readonly ordinals: Uint32Array;
}

/** See the head of this file. The fields are for the encoders. */
export class RowBuffer {
  readonly #keptBytesMax: number;
  readonly #keptRowsMax: number;
  /** COPY bytes; the first `length` count. Replaced when it grows. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(INITIAL_BYTES);
  length = 0;
  /** Rows finished. */
  rowCount = 0;
  #ends = new Uint32Array(INITIAL_ROWS);
  #deliveries = new Uint32Array(INITIAL_ROWS);
  #ordinals = new Uint32Array(INITIAL_ROWS);

  constructor(options: RowBufferOptions = {}) {
    this.#keptBytesMax = options.keptBytesMax ?? KEPT_BYTES_MAX;
    this.#keptRowsMax = options.keptRowsMax ?? KEPT_ROWS_MAX;
  }

  /** True while it is not much larger than a new one. */
  get isSmall(): boolean {
    return this.bytes.length <= 4 * INITIAL_BYTES;
  }

  /** Forgets all rows; views of them are void. */
  reset(): void {
    this.length = 0;
    this.rowCount = 0;
    if (this.bytes.length > this.#keptBytesMax) this.bytes = new Uint8Array(INITIAL_BYTES);
    if (this.#ends.length > this.#keptRowsMax) {
      this.#ends = new Uint32Array(INITIAL_ROWS);
      this.#deliveries = new Uint32Array(INITIAL_ROWS);
      this.#ordinals = new Uint32Array(INITIAL_ROWS);
    }
  }

  /** Makes room for `more` bytes behind `length`. */
  reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /** The bytes up to `end` are complete rows now, one more than before. */
  endRow(end: number, delivery: number, ordinal: number): void {
    if (this.rowCount === this.#ends.length) this.#growRows();
    this.length = end;
    this.#ends[this.rowCount] = end;
    this.#deliveries[this.rowCount] = delivery;
    this.#ordinals[this.rowCount] = ordinal;
    this.rowCount++;
  }

  /** Adds rows that were encoded elsewhere. */
  append(rows: AppendedRows): void {
    const { bytes, ends, deliveries, ordinals } = rows;
    const before = this.rowCount;
    while (before + ends.length > this.#ends.length) this.#growRows();
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.#deliveries.set(deliveries, before);
    this.#ordinals.set(ordinals, before);
    for (let i = 0; i < ends.length; i++) this.#ends[before + i] = this.length + (ends[i] ?? 0);
    this.length += bytes.length;
    this.rowCount += ends.length;
  }

  /** Forgets all rows from `rowCount` on. */
  truncate(rowCount: number): void {
    this.length = rowCount === 0 ? 0 : this.#at(this.#ends, rowCount - 1);
    this.rowCount = rowCount;
  }

  /** All rows, as views that are valid until `reset`. */
  rows(): EncodedRows {
    return {
      bytes: this.bytes.subarray(0, this.length),
      count: this.rowCount,
      ends: this.#ends.subarray(0, this.rowCount),
    };
  }

  /** Index of the delivery that a row came from. */
  deliveryOf(row: number): number {
    return this.#at(this.#deliveries, row);
  }

  /** Position of the record that a row came from in its message, from 0. */
  ordinalOf(row: number): number {
    return this.#at(this.#ordinals, row);
  }

  #at(numbers: Uint32Array, row: number): number {
    const value = row < this.rowCount ? numbers[row] : undefined;
    if (value === undefined) {
      throw new RangeError(`Cannot find row ${row} as there are ${this.rowCount}`);
    }
    return value;
  }

  #growRows(): void {
    const grow = (numbers: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> => {
      const grown = new Uint32Array(numbers.length * 2);
      grown.set(numbers);
      return grown;
    };
    this.#ends = grow(this.#ends);
    this.#deliveries = grow(this.#deliveries);
    this.#ordinals = grow(this.#ordinals);
  }
}
