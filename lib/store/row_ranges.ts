/**
 * Which of a flush's encoded rows are sent, and as which pieces of bytes. Pure arithmetic on row
 * numbers; rows keep their order everywhere.
 */
import type { EncodedRows } from "../encoder/encoded_batch.ts";
import type { FlushMessages, FlushRun } from "../ingest/ports.ts";
import { COPY_CHUNK_BYTES } from "./copy.ts";

/** Rows `from` up to, not including, `to`. */
export interface RowRange {
  readonly from: number;
  readonly to: number;
}

/** All rows but those of the messages that the ledger knows, as few ranges as possible, in order. */
export function freshRanges(
  { firstRows }: Pick<FlushMessages, "firstRows">,
  known: ReadonlySet<number>,
): readonly RowRange[] {
  const ranges: RowRange[] = [];
  let from = 0;
  for (const index of [...known].sort((a, b) => a - b)) {
    const firstRow = firstRows[index] ?? 0;
    const end = firstRows[index + 1] ?? 0;
    if (end === firstRow) continue;
    if (firstRow > from) ranges.push({ from, to: firstRow });
    from = end;
  }
  const rowCount = firstRows.at(-1) ?? 0;
  if (from < rowCount) ranges.push({ from, to: rowCount });
  return ranges;
}

/** Number of rows in the ranges. */
export function countRows(ranges: readonly RowRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from, 0);
}

/** Rows of the ranges that send the same columns. */
export interface RunPart {
  readonly columns: readonly string[];
  readonly ranges: readonly RowRange[];
}

/**
 * Cuts the ranges where the columns change; both are in row order.
 *
 * @throws {TypeError} a row of the ranges is in no run
 */
export function partsOf(
  runs: readonly FlushRun[],
  ranges: readonly RowRange[],
): readonly RunPart[] {
  const parts: RunPart[] = [];
  let first = 0;
  for (const { firstRow, rowCount, columns } of runs) {
    const inRun: RowRange[] = [];
    for (let at = first; at < ranges.length; at++) {
      const range = ranges[at];
      if (range === undefined || range.from >= firstRow + rowCount) break;
      const from = Math.max(range.from, firstRow);
      const to = Math.min(range.to, firstRow + rowCount);
      if (from < to) inRun.push({ from, to });
      if (range.to <= firstRow + rowCount) first = at + 1;
    }
    if (inRun.length > 0) parts.push({ columns, ranges: inRun });
  }
  const covered = parts.reduce((sum, part) => sum + countRows(part.ranges), 0);
  if (covered === countRows(ranges)) return parts;
  throw new TypeError(`Cannot send ${countRows(ranges)} rows as the runs have ${covered} of them`);
}

/** The bytes of the ranges, in chunks of a size that COPY likes; views, cut anywhere in a row. */
export function* chunksOf(
  rows: EncodedRows,
  ranges: readonly RowRange[],
  chunkBytes: number = COPY_CHUNK_BYTES,
): Generator<Uint8Array, void, undefined> {
  for (const { from, to } of ranges) {
    const end = endOf(rows, to - 1);
    for (let at = endOf(rows, from - 1); at < end; at += chunkBytes) {
      yield rows.bytes.subarray(at, Math.min(at + chunkBytes, end));
    }
  }
}

/** Of COPY binary: signature, flags and the length of an extension, none of either. */
export const BINARY_HEADER = Uint8Array.from(
  [...new TextEncoder().encode("PGCOPY\n"), 0xff, 0x0d, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0],
);

/** In place of a row's number of columns: -1. */
export const BINARY_TRAILER = Uint8Array.of(0xff, 0xff);

/**
 * The same for rows in COPY binary, with the header and trailer that the format wants. Few rows are
 * copied into one chunk: a small flush is one write to the socket.
 */
export function* binaryChunksOf(
  rows: EncodedRows,
  ranges: readonly RowRange[],
): Generator<Uint8Array, void, undefined> {
  const bytes = ranges.reduce(
    (sum, { from, to }) => sum + endOf(rows, to - 1) - endOf(rows, from - 1),
    0,
  );
  if (bytes > COPY_CHUNK_BYTES) {
    yield BINARY_HEADER;
    yield* chunksOf(rows, ranges);
    yield BINARY_TRAILER;
    return;
  }
  yield concatenated([BINARY_HEADER, ...chunksOf(rows, ranges), BINARY_TRAILER]);
}

/** Byte offset behind a row; 0 for the row before the first. */
function endOf(rows: EncodedRows, row: number): number {
  if (row < 0) return 0;
  const end = rows.ends[row];
  if (end === undefined) throw new RangeError(`Cannot find row ${row} of ${rows.count}`);
  return end;
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
