/** COPY bytes of the rows of one flush, and which columns they send. */

/** Encoded rows in one of COPY's formats; valid until the buffer that holds them is used again. */
export interface EncodedRows {
  /**
   * Complete rows back to back, in text each ended by a newline, in binary without the file's header
   * and trailer. A view of a reused buffer.
   */
  readonly bytes: Uint8Array;
  /** Number of rows. */
  readonly count: number;
  /** Byte offset behind each row; the first `count` entries count. A view of a reused array. */
  readonly ends: Uint32Array;
}

/** Rows that stand together and send the same columns. */
export interface EncodedRun {
  /** Index of its first row. */
  readonly firstRow: number;
  /** At least 1. */
  readonly rowCount: number;
  /** Names of the columns sent, in the order of the values; may be empty. */
  readonly columns: readonly string[];
}
