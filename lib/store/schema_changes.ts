/**
 * The record of every change that the program makes to a table: `state_tables.schema_change`. A line
 * names its column by table OID and column number, too, so that a column made by hand under a name
 * that was ours is never taken for ours. A restored dump has other OIDs: its columns are nobody's.
 */
import type { MessageIdentity } from "../ingest/delivery.ts";
import type { ColumnType } from "../schema/column_type.ts";
import type { TableDescription } from "../schema/table_description.ts";
import type { Session } from "./session.ts";

/** A line of `schema_change`. */
export interface ChangeRecord {
  /** As the catalog spells it; null when the line is about the table. */
  readonly columnName: string | null;
  readonly change: "create table" | "add column" | "widen column" | "create index" | "claim name";
  readonly fromType: ColumnType | null;
  readonly toType: ColumnType | null;
}

/** Why a change was made. */
export interface ChangeReason {
  readonly reason: string;
  /** The message that first asked for it. */
  readonly cause: MessageIdentity | null;
  /** Number of the cause's stream in the ledger. */
  readonly source: number | null;
}

/** Fields of a line that differ between the lines of one statement. */
const FIELDS = 5;

/**
 * Writes the lines down, in the transaction that makes the change.
 *
 * @param table as it is after the change
 */
export async function recordChanges(
  session: Session,
  table: TableDescription,
  records: readonly ChangeRecord[],
  { reason, cause, source }: ChangeReason,
): Promise<void> {
  if (records.length === 0) return;
  const numberOf = new Map(table.columns.map(({ name, attnum }) => [name, attnum]));
  const shared = [table.name, table.oid, reason, source, cause?.sequence ?? null];
  const values = records.map((_, row) => {
    const own = Array.from(
      { length: FIELDS },
      (_, at) => `$${shared.length + row * FIELDS + at + 1}`,
    );
    return `($1, $2, $3, $4::int, $5::bigint, ${own.join(", ")})`;
  });
  await session.queryOnce(
    `INSERT INTO state_tables.schema_change (table_name, table_oid, reason, source, seq,
       column_name, column_number, change, from_type, to_type) VALUES ${values.join(", ")}`,
    [
      ...shared,
      ...records.flatMap(({ columnName, change, fromType, toType }) => [
        columnName,
        columnName === null ? null : numberOf.get(columnName) ?? null,
        change,
        fromType,
        toType,
      ]),
    ],
  );
}
