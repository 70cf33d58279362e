/**
 * Which columns each row sends, as runs of rows that send the same ones. A row leaves out a column
 * that has a DEFAULT and no value, where COPY has no marker for it; all others send every column.
 */
import type { EncodedRun } from "./encoded_batch.ts";

/** A run without its length, which is known when the next one begins. */
interface OpenRun {
  readonly firstRow: number;
  /** Indexes of the columns left out, ascending. */
  readonly leftOut: readonly number[];
}

/** See the head of this file. */
export class RowRuns {
  readonly #columns: readonly string[];
  readonly #runs: OpenRun[] = [];
  readonly #leftOut: number[] = [];

  /** `columns` are the names of all columns, in the order of the values. */
  constructor(columns: readonly string[]) {
    this.#columns = columns;
  }

  /** Forgets all rows. */
  reset(): void {
    this.#runs.length = 0;
    this.#leftOut.length = 0;
  }

  /** The row at hand leaves out the column with this index; called in ascending order. */
  leaveOut(column: number): void {
    this.#leftOut.push(column);
  }

  /** The row at hand is no row after all. */
  dropRow(): void {
    this.#leftOut.length = 0;
  }

  /** The row at hand is finished and has this index. */
  endRow(row: number): void {
    const last = this.#runs.at(-1);
    if (last === undefined || !isSame(last.leftOut, this.#leftOut)) {
      this.#runs.push({ firstRow: row, leftOut: [...this.#leftOut] });
    }
    this.dropRow();
  }

  /** Forgets all rows from `rowCount` on. */
  truncate(rowCount: number): void {
    while ((this.#runs.at(-1)?.firstRow ?? -1) >= rowCount) this.#runs.pop();
  }

  /** The runs of `rowCount` rows. */
  runs(rowCount: number): EncodedRun[] {
    return this.#runs.map(({ firstRow, leftOut }, index) => ({
      firstRow,
      rowCount: (this.#runs[index + 1]?.firstRow ?? rowCount) - firstRow,
      columns: leftOut.length === 0
        ? this.#columns
        : this.#columns.filter((_, column) => !leftOut.includes(column)),
    }));
  }
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((each, index) => each === b[index]);
}
