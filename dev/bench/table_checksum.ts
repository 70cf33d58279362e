/**
 * Proof that a run wrote every row once and unchanged: the number of rows and a sum over a hash of
 * each row's text, columns in a fixed order. Also makes the tables that yardsticks write to.
 */
import type postgres from "postgres";
import type { RowShape } from "./row_shapes.ts";

/** What the rows of a table, or of several, add up to. */
export interface Checksum {
  readonly rows: number;
  /** Sum of 64-bit hashes, decimal digits. */
  readonly hashes: string;
}

/** One query with more tables than this takes longer to plan than to run. */
const TABLES_PER_QUERY = 100;

/** Makes an empty table of a shape; one of that name goes first. */
export async function createShapeTable(
  sql: postgres.Sql,
  table: string,
  shape: RowShape,
): Promise<void> {
  const columns = shape.columns.map(({ name, type }) => `"${name}" ${type}`);
  await sql.unsafe(`drop table if exists "${table}"; create table "${table}" (${columns})`);
}

/**
 * Adds up the rows of tables that all have a shape's columns. Rows without an id do not count: they
 * are what a table held before the run.
 */
export async function checksumTables(
  sql: postgres.Sql,
  tables: readonly string[],
  shape: RowShape,
): Promise<Checksum> {
  const columns = shape.columns.map(({ name }) => `"${name}"`);
  let rows = 0;
  let hashes = 0n;
  for (let first = 0; first < tables.length; first += TABLES_PER_QUERY) {
    const parts = tables.slice(first, first + TABLES_PER_QUERY).map((table) =>
      `select count(*) as rows,
        coalesce(sum(hashtextextended(row(${columns})::text, 0)::numeric), 0) as hashes
      from "${table}" where id is not null`
    );
    const [sums] = await sql.unsafe(
      `select sum(rows)::text as rows, sum(hashes)::text as hashes
      from (${parts.join(" union all ")}) parts`,
    );
    rows += Number(sums?.rows);
    hashes += BigInt(sums?.hashes);
  }
  return { rows, hashes: String(hashes) };
}

/** @throws {Error} rows are missing, there twice, or changed */
export function assertSameRows(found: Checksum, expected: Checksum, who: string): void {
  if (found.rows === expected.rows && found.hashes === expected.hashes) return;
  throw new Error(
    `Cannot count the run of ${who}: it left ${found.rows} rows with checksum ${found.hashes}, ` +
      `there should be ${expected.rows} with ${expected.hashes}`,
  );
}
