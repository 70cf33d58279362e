/**
 * Finds the rows that PostgreSQL refuses without losing their neighbours: savepoint and bisection
 * inside the flush's own transaction. The remaining rows land in their order, at a cost of
 * O(bad × log n) probes. COPY's own line numbers are not used; they are wrong for rows that are too
 * big.
 */
import { TableUnavailableError } from "../errors.ts";
import type { RowRefusal } from "../ingest/ports.ts";
import type { RowRange } from "./row_ranges.ts";
import type { Session } from "./session.ts";
import { StatementError } from "./statement_error.ts";

/** After so many probes, with most rows refused, it is the table and not the rows. */
const PROBES_BEFORE_VERDICT = 200;

/** What isolating found. */
export interface Isolation {
  readonly rowsWritten: number;
  /** In row order. */
  readonly refused: readonly { readonly row: number; readonly refusal: RowRefusal }[];
}

/**
 * Writes all rows of the ranges that can land.
 *
 * @param options.writeRows writes one range; throws {@linkcode StatementError} when refused
 * @throws {TableUnavailableError} most rows are refused
 */
export async function writeIsolated(
  session: Session,
  options: {
    readonly table: string;
    readonly ranges: readonly RowRange[];
    readonly writeRows: (range: RowRange) => Promise<number>;
  },
): Promise<Isolation> {
  // A deferred constraint would speak at COMMIT, where no row can be named any more.
  await session.execute("SET CONSTRAINTS ALL IMMEDIATE");
  const refused: { row: number; refusal: RowRefusal }[] = [];
  const stack = options.ranges.toReversed();
  let rowsWritten = 0;
  let probes = 0;
  for (let range = stack.pop(); range !== undefined; range = stack.pop()) {
    const outcome = await probe(session, range, options.writeRows);
    probes++;
    if (typeof outcome === "number") {
      rowsWritten += outcome;
    } else if (range.to - range.from === 1) {
      refused.push({ row: range.from, refusal: refusalOf(outcome) });
    } else {
      const middle = (range.from + range.to) >>> 1;
      stack.push({ from: middle, to: range.to }, { from: range.from, to: middle });
    }
    if (probes >= PROBES_BEFORE_VERDICT && refused.length > rowsWritten) {
      throw tableRefusal(options.table, refused.at(-1)?.refusal);
    }
  }
  return { rowsWritten, refused };
}

/** Rows written, or why the range was refused; then nothing of it is there. */
async function probe(
  session: Session,
  range: RowRange,
  writeRows: (range: RowRange) => Promise<number>,
): Promise<number | StatementError> {
  await session.execute("SAVEPOINT probe");
  try {
    const rows = await writeRows(range);
    await session.execute("RELEASE SAVEPOINT probe");
    return rows;
  } catch (error) {
    if (!(error instanceof StatementError) || error.kind !== "data") throw error;
    await session.execute("ROLLBACK TO SAVEPOINT probe; RELEASE SAVEPOINT probe");
    return error;
  }
}

function refusalOf(error: StatementError): RowRefusal {
  return {
    sqlState: error.sqlState,
    columnName: error.column,
    constraintName: error.constraint,
    reason: error.message,
  };
}

function tableRefusal(table: string, last: RowRefusal | undefined): TableUnavailableError {
  return new TableUnavailableError(
    `Cannot write the table as it refuses most rows, the last with: ${last?.reason ?? "?"}`,
    { table, kind: "refused", sqlState: last?.sqlState },
  );
}
