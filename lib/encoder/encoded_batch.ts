/** COPY bytes of the rows of one flush. */

/** Encoded rows in COPY text format; valid until the buffer that holds them is used again. */
export interface EncodedRows {
  /** Complete rows back to back, each ended by a newline. A view of a reused buffer. */
  readonly bytes: Uint8Array;
  /** Number of rows. */
  readonly count: number;
  /** Byte offset behind each row; the first `count` entries count. A view of a reused array. */
  readonly ends: Uint32Array;
}
