/** What tests of widening share: a table that the program made, and the question for wider columns. */
import type postgres from "postgres";
import type { ChangedTable, TableChange, WantedColumn } from "../../../lib/ingest/ports.ts";
import type { ColumnType } from "../../../lib/schema/column_type.ts";
import type { Store } from "../../../lib/store/store.ts";
import { identity, named } from "./store_fixture.ts";

/** A change of nothing. */
export const NOTHING: Omit<TableChange, "table"> = {
  columns: [],
  widenings: [],
  overflow: false,
  indexKeys: [],
  reason: "test",
  cause: null,
};

/** Has the program make table `t`. */
export async function create(store: Store, ...columns: readonly WantedColumn[]): Promise<void> {
  await store.tables.change({ ...NOTHING, table: named("t"), columns });
}

/** Asks for wider columns of `t`. */
export async function widen(
  store: Store,
  widenings: Readonly<Record<string, ColumnType>>,
): Promise<ChangedTable> {
  return await store.tables.change({
    ...NOTHING,
    table: named("t"),
    widenings: Object.entries(widenings).map(([columnName, type]) => ({ columnName, type })),
    cause: identity(7),
  });
}

/** The type of a column of `t`. */
export async function typeOf(sql: postgres.Sql, column: string): Promise<string> {
  const [row] = await sql`select format_type(atttypid, atttypmod) as type from pg_attribute
    where attrelid = 't'::regclass and attname = ${column}`;
  return String(row?.type);
}
