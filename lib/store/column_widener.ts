/**
 * Widens columns in place where that is safe, all of one table in one statement, so that the table
 * is rewritten once. Whatever stands against it is answered as refused and changes nothing. The
 * lock order is that of every change: the names' advisory lock, then the table; it looks before it
 * waits for the table's lock and once more when it has it. A rewrite is not MVCC-safe: a repeatable
 * read that began before and touches the table only afterwards finds it empty.
 */
import type { ChangedTable, RefusedChange, TableChange, WantedWidening } from "../ingest/ports.ts";
import type { Log } from "../log.ts";
import { TableUnavailableError } from "../errors.ts";
import { quoteIdentifier } from "../schema/identifiers.ts";
import { recordChanges } from "./schema_changes.ts";
import type { Session } from "./session.ts";
import type { SessionPool } from "./session_pool.ts";
import type { SourceIds } from "./source_ids.ts";
import { qualifiedName } from "./sql_text.ts";
import { StatementError, tableUnavailable } from "./statement_error.ts";
import { TYPE_SQL } from "./table_definition.ts";
import { lockNames, lockTable } from "./table_lock.ts";
import { descriptionOf, type FoundTable, readTable } from "./table_reader.ts";
import { inTransaction, type TransactionTimeouts } from "./transaction.ts";
import { lookAtWidenings, type Widening } from "./widening_look.ts";
import { conversion, CONVERSION_SETTINGS } from "./widening_sql.ts";

/**
 * Longest wait for the table's lock, during which its readers and writers queue behind us. Longer
 * than PostgreSQL's `deadlock_timeout` of 1 s, after which autovacuum gives way.
 */
const TABLE_LOCK_MS_MAX = 2_000;

/** What a widener works with. */
export interface ColumnWidenerOptions {
  readonly pool: SessionPool;
  readonly timeouts: TransactionTimeouts;
  readonly sourceIds: SourceIds;
  /** Where tables go. */
  readonly schema: string;
  /** Tables larger than this, with indexes, are not rewritten. */
  readonly rewriteBytesMax: number;
  readonly log: Log;
}

/** Outcome of one transaction. */
interface Attempt {
  readonly table: FoundTable;
  readonly widened: readonly Widening[];
  readonly refused: readonly RefusedChange[];
}

/** Widens columns; see the top of this file. */
export class ColumnWidener {
  readonly #options: ColumnWidenerOptions;

  constructor(options: ColumnWidenerOptions) {
    this.#options = options;
  }

  /**
   * Makes the change's widenings where that is safe.
   *
   * @throws {StoreUnavailableError} the database cannot be used
   * @throws {TableUnavailableError} the table is gone
   */
  async widen(change: TableChange): Promise<ChangedTable> {
    using lease = await this.#options.pool.acquire("flush");
    const { session } = lease;
    const together = await this.#try(session, change, change.widenings);
    if (!(together instanceof StatementError)) return this.#report(change, together);
    const reason = refusalOf(together);
    // What concerns one column must not cost the others theirs; a lock is no different for one.
    const single = isTimeout(together) || change.widenings.length === 1 ? [] : change.widenings;
    const refused = single.length === 0 ? change.widenings.map((one) => refuse(one, reason)) : [];
    for (const widening of single) {
      const attempt = await this.#try(session, change, [widening]);
      refused.push(
        ...(attempt instanceof StatementError
          ? [refuse(widening, refusalOf(attempt))]
          : this.#report(change, attempt).refused),
      );
    }
    return { table: descriptionOf(await this.#readAgain(session, change)), refused };
  }

  /** One transaction; an answer of PostgreSQL that refuses it is returned. */
  async #try(
    session: Session,
    change: TableChange,
    wanted: readonly WantedWidening[],
  ): Promise<Attempt | StatementError> {
    const { timeouts, sourceIds } = this.#options;
    const { fullName } = change.table;
    try {
      const source = change.cause === null
        ? null
        : await sourceIds.resolve(session, change.cause.origin);
      return await inTransaction(
        session,
        timeouts,
        () => this.#alter(session, change, wanted, source),
      );
    } catch (error) {
      if (!(error instanceof StatementError)) throw error;
      if (error.kind === "transient" && !isTimeout(error)) {
        throw tableUnavailable(error, `widen columns of ${fullName}`, fullName);
      }
      return error;
    }
  }

  async #alter(
    session: Session,
    change: TableChange,
    wanted: readonly WantedWidening[],
    source: number | null,
  ): Promise<Attempt> {
    const { schema, timeouts } = this.#options;
    await lockNames(session, schema, change.table);
    const lockMs = Math.ceil(Math.min(timeouts.lockMs, TABLE_LOCK_MS_MAX));
    await session.execute(`SET LOCAL lock_timeout = ${lockMs}; ${CONVERSION_SETTINGS}`);
    const before = await this.#look(session, change, wanted);
    if (before.widened.length === 0) return before;
    await lockTable(session, before.table, lockMs);
    const { widened, refused, table } = await this.#look(session, change, wanted);
    if (widened.length === 0) return { widened, refused, table };
    await session.execute(
      `ALTER TABLE ${qualifiedName(table)} ${widened.map(alterSql).join(", ")}`,
    );
    const after = await this.#read(session, change);
    const records = widened.map((one) => ({ ...one, change: "widen column" } as const));
    const { reason, cause } = change;
    await recordChanges(session, after, records, { reason, cause, source });
    return { table: after, widened, refused };
  }

  async #readAgain(session: Session, change: TableChange): Promise<FoundTable> {
    const { fullName } = change.table;
    try {
      return await this.#read(session, change);
    } catch (error) {
      throw tableUnavailable(error, `look at the table ${fullName}`, fullName);
    }
  }

  async #look(
    session: Session,
    change: TableChange,
    wanted: readonly WantedWidening[],
  ): Promise<Attempt> {
    const table = await this.#read(session, change);
    const { rewriteBytesMax } = this.#options;
    const look = await lookAtWidenings(session, table, wanted, rewriteBytesMax);
    return { table, widened: look.widenings, refused: look.refused };
  }

  async #read(session: Session, change: TableChange): Promise<FoundTable> {
    const found = await readTable(session, this.#options.schema, change.table);
    if (found !== null) return found;
    const { fullName } = change.table;
    throw new TableUnavailableError(
      `Cannot widen columns of ${fullName} as the table was dropped meanwhile`,
      { table: fullName, kind: "refused" },
    );
  }

  #report(change: TableChange, { table, widened, refused }: Attempt): ChangedTable {
    if (widened.length > 0) {
      this.#options.log.info("Columns widened", {
        table: table.name,
        columns: widened.map(({ columnName, toType }) => `${columnName}: ${toType}`),
        reason: change.reason,
      });
    }
    return { table: descriptionOf(table), refused };
  }
}

function alterSql({ columnName, fromType, toType }: Widening): string {
  const column = quoteIdentifier(columnName);
  return `ALTER COLUMN ${column} TYPE ${TYPE_SQL[toType]} ` +
    `USING ${conversion(column, fromType, toType)}`;
}

/** Waiting longer might help, but nobody is to wait for a widening. */
function isTimeout({ sqlState }: StatementError): boolean {
  switch (sqlState) {
    case "55P03": // lock_not_available
    case "40P01": // deadlock_detected
    case "57014": // query_canceled: statement_timeout
      return true;
    default:
      return false;
  }
}

function refusalOf(error: StatementError): string {
  return error.sqlState === "55P03" || error.sqlState === "40P01"
    ? "the table was locked by others for too long"
    : `PostgreSQL says: ${error.message}`;
}

function refuse({ columnName }: WantedWidening, reason: string): RefusedChange {
  return { kind: "widening", name: columnName, reason };
}
