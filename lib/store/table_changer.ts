/**
 * Creates tables, adds columns and has them widened, safe against other instances and against people
 * who do the same: own transaction, advisory lock on the table's names, a second look, one statement
 * for all columns. Where somebody without our lock was quicker, it looks again. What PostgreSQL
 * refuses of a table that exists is answered as refused, and the rest is done. Every change is
 * written down in `state_tables.schema_change`.
 */
import type { Clock } from "../clock.ts";
import { StoreUnavailableError, TableUnavailableError } from "../errors.ts";
import type { ChangedTable, TableChange } from "../ingest/ports.ts";
import type { Log } from "../log.ts";
import { backoffDelayMs } from "../retry.ts";
import type { TableDescription } from "../schema/table_description.ts";
import { ColumnWidener } from "./column_widener.ts";
import { recordChanges } from "./schema_changes.ts";
import type { Session } from "./session.ts";
import type { SessionPool } from "./session_pool.ts";
import type { SourceIds } from "./source_ids.ts";
import { isDefinitionRace } from "./sql_state.ts";
import { textArray } from "./sql_text.ts";
import { StatementError, storeUnavailable, tableUnavailable } from "./statement_error.ts";
import {
  alterTable,
  createTable,
  type TableDefinition,
  type Withheld,
} from "./table_definition.ts";
import { lockNames, lockTable } from "./table_lock.ts";
import { descriptionOf, readTable, refusalOfKind } from "./table_reader.ts";
import { inTransaction, type TransactionTimeouts } from "./transaction.ts";

/** Looks in all, when others change the table at the same moment. */
const LOOKS_MAX = 6;

/** What a changer works with. */
export interface TableChangerOptions {
  readonly pool: SessionPool;
  readonly timeouts: TransactionTimeouts;
  readonly sourceIds: SourceIds;
  /** Where tables go, resolved at connect. */
  readonly schema: string;
  /** Roles that may read the tables we create. */
  readonly tableGrants: readonly string[];
  /** Tables larger than this, with indexes, are not rewritten to widen a column. */
  readonly rewriteBytesMax: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Changes tables; see the top of this file. */
export class TableChanger {
  readonly #options: TableChangerOptions;
  readonly #widener: ColumnWidener;

  constructor(options: TableChangerOptions) {
    this.#options = options;
    this.#widener = new ColumnWidener(options);
  }

  /** See {@linkcode TableStore.change}. */
  async change(change: TableChange): Promise<ChangedTable> {
    const defined = await this.#define(change);
    if (change.widenings.length === 0) return defined;
    const { table, refused } = await this.#widener.widen(change);
    return { table, refused: [...defined.refused, ...refused] };
  }

  /** Everything but the widenings. */
  async #define(change: TableChange): Promise<ChangedTable> {
    const table = change.table.fullName;
    let withheld: Withheld = { columns: null, overflow: null };
    for (let looks = 1;; looks++) {
      try {
        return await this.#defineOnce(change, withheld);
      } catch (error) {
        if (!(error instanceof StatementError)) throw error;
        if (isDefinitionRace(error.sqlState, error.schema)) {
          await this.#waitForOthers(table, error, looks);
          continue;
        }
        const more = withholdMore(withheld, error, change.overflow);
        if (more === null || !await this.#isAlterable(change, error)) {
          throw tableUnavailable(error, `change the table ${table}`, table);
        }
        withheld = more;
      }
    }
  }

  async #waitForOthers(table: string, error: StatementError, looks: number): Promise<void> {
    if (looks >= LOOKS_MAX) {
      throw new StoreUnavailableError(
        `Cannot change the table ${table} as others change it too: ${error.message}`,
        { sqlState: error.sqlState, cause: error },
      );
    }
    await this.#options.clock.delay(backoffDelayMs(looks));
  }

  /** Less of the change may be had: the table exists, or has too many columns to be created. */
  async #isAlterable(change: TableChange, error: StatementError): Promise<boolean> {
    if (error.sqlState === "54011") return true; // too_many_columns
    using lease = await this.#options.pool.acquire("flush");
    try {
      return await readTable(lease.session, this.#options.schema, change.table) !== null;
    } catch (cause) {
      throw storeUnavailable(cause, `look at the table ${change.table.fullName}`);
    }
  }

  async #defineOnce(change: TableChange, withheld: Withheld): Promise<ChangedTable> {
    const { pool, timeouts, sourceIds } = this.#options;
    using lease = await pool.acquire("flush");
    const { session } = lease;
    const source = change.cause === null
      ? null
      : await sourceIds.resolve(session, change.cause.origin);
    const { definition, table } = await inTransaction(session, timeouts, async () => {
      const definition = await this.#look(session, change, withheld);
      for (const statement of definition.statements) await session.execute(statement);
      const after = await readTable(session, this.#options.schema, change.table);
      if (after === null) {
        throw new TypeError(`Cannot find ${definition.tableName} after changing it`);
      }
      const { reason, cause } = change;
      await recordChanges(session, after, definition.records, { reason, cause, source });
      return { definition, table: descriptionOf(after) };
    });
    this.#logChange(definition, change.reason);
    return { table, refused: definition.refused };
  }

  #logChange({ tableName, records }: TableDefinition, reason: string): void {
    if (records.length === 0) return;
    this.#options.log.info(
      records[0]?.change === "create table" ? "Table created" : "Table changed",
      {
        table: tableName,
        columns: records.filter((record) => record.change === "add column").length,
        reason,
      },
    );
  }

  /** Locks the table's names, looks, and says what is to be done. */
  async #look(
    session: Session,
    change: TableChange,
    withheld: Withheld,
  ): Promise<TableDefinition> {
    const { schema, tableGrants } = this.#options;
    await lockNames(session, schema, change.table);
    const found = await readTable(session, schema, change.table);
    if (found === null) {
      const roles = await this.#knownRoles(session, tableGrants);
      return createTable(schema, change, roles, withheld);
    }
    refuseOtherKinds(found);
    const definition = alterTable(found, change, withheld);
    if (definition.statements.length > 0) {
      await lockTable(session, found, this.#options.timeouts.lockMs);
    }
    return definition;
  }

  /** A role dropped since the start must not keep tables from being made. */
  async #knownRoles(session: Session, roles: readonly string[]): Promise<readonly string[]> {
    if (roles.length === 0) return [];
    const missing = await missingRoles(session, roles);
    if (missing.length > 0) {
      this.#options.log.warn("Cannot grant a new table to roles that do not exist", {
        roles: missing,
      });
    }
    return roles.filter((role) => !missing.includes(role));
  }
}

/** Which of the roles do not exist; PUBLIC always does. */
export async function missingRoles(
  session: Session,
  roles: readonly string[],
): Promise<readonly string[]> {
  const rows = await session.query<{ name: string }>(
    `SELECT name FROM pg_catalog.unnest($1::text[]) u(name)
     WHERE pg_catalog.lower(name) <> 'public'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = name)`,
    [textArray(roles)],
  );
  return rows.map(({ name }) => name);
}

function refuseOtherKinds(table: TableDescription): void {
  const refusal = refusalOfKind(table.relationKind);
  if (refusal === null) return;
  throw new TableUnavailableError(`Cannot change ${table.name} as ${refusal}`, {
    table: table.name,
    kind: "refused",
  });
}

/**
 * First the columns are given up, then the overflow column; null when nothing is left to give up or
 * waiting would help.
 */
function withholdMore(
  withheld: Withheld,
  error: StatementError,
  overflow: boolean,
): Withheld | null {
  if (error.kind === "transient") return null;
  const reason = `PostgreSQL says: ${error.message}`;
  if (withheld.columns === null) return { ...withheld, columns: reason };
  if (withheld.overflow === null && overflow) return { ...withheld, overflow: reason };
  return null;
}
