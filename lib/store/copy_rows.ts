/**
 * Rows of a flush as COPY statements: one for rows that send the same columns, so usually one. A row
 * without columns is an INSERT, as COPY cannot say that.
 */
import type { Flush } from "../ingest/ports.ts";
import { quoteIdentifier } from "../schema/identifiers.ts";
import type { TableDescription } from "../schema/table_description.ts";
import {
  binaryChunksOf,
  chunksOf,
  countRows,
  partsOf,
  type RowRange,
  type RunPart,
} from "./row_ranges.ts";
import type { Session } from "./session.ts";
import { qualifiedName, quoteLiteral } from "./sql_text.ts";

/**
 * Sends the rows of the ranges, each run with its own COPY; resolves to the number of rows.
 *
 * @throws {StatementError} PostgreSQL refused a row
 */
export async function copyRows(
  session: Session,
  table: TableDescription,
  flush: Flush,
  ranges: readonly RowRange[],
): Promise<number> {
  let rows = 0;
  for (const part of partsOf(flush.runs, ranges)) {
    rows += await sendPart(session, table, flush, part);
  }
  return rows;
}

async function sendPart(
  session: Session,
  table: TableDescription,
  flush: Flush,
  { columns, ranges }: RunPart,
): Promise<number> {
  const name = qualifiedName(table);
  if (columns.length === 0) {
    // COPY without columns is a syntax error; such rows are all defaults.
    const count = countRows(ranges);
    await session.execute(
      `INSERT INTO ${name} SELECT FROM pg_catalog.generate_series(1, ${count})`,
    );
    return count;
  }
  return await session.copyIn(copyText(table, flush, columns), copyBytes(flush, ranges));
}

/** The COPY statement for rows that send these columns, at least one. */
export function copyText(
  table: TableDescription,
  flush: Flush,
  columns: readonly string[],
): string {
  const names = columns.map(quoteIdentifier).join(", ");
  return `COPY ${qualifiedName(table)} (${names}) FROM STDIN${optionsOf(flush)}`;
}

/** What {@linkcode copyText} is followed by. */
export function copyBytes(
  { format, rows }: Flush,
  ranges: readonly RowRange[],
): Generator<Uint8Array, void, undefined> {
  return format === "binary" ? binaryChunksOf(rows, ranges) : chunksOf(rows, ranges);
}

function optionsOf({ format, defaultMarker }: Flush): string {
  if (format === "binary") return " WITH (FORMAT binary)";
  return defaultMarker === null ? "" : ` WITH (DEFAULT ${quoteLiteral(defaultMarker)})`;
}
