/**
 * Creates tables and adds columns, safe against other instances and against people who do the same:
 * own transaction, advisory lock on the table's names, a second look, one statement for all columns.
 * Where somebody without our lock was quicker, it looks again. Every change is written down in
 * `state_tables.schema_change`.
 */
import type { Clock } from "../clock.ts";
import { StoreUnavailableError, TableUnavailableError } from "../errors.ts";
import type { TableChange } from "../ingest/ports.ts";
import type { Log } from "../log.ts";
import { backoffDelayMs } from "../retry.ts";
import { tableNames } from "../schema/identifiers.ts";
import type { TableDescription } from "../schema/table_description.ts";
import { ADVISORY_LOCK_CLASS } from "./migrations.ts";
import type { Session } from "./session.ts";
import type { SessionPool } from "./session_pool.ts";
import type { SourceIds } from "./source_ids.ts";
import { isDefinitionRace } from "./sql_state.ts";
import { textArray } from "./sql_text.ts";
import { StatementError, tableUnavailable } from "./statement_error.ts";
import { alterTable, createTable, type TableDefinition } from "./table_definition.ts";
import { descriptionOf, readTable, refusalOfKind } from "./table_reader.ts";
import { inTransaction, type TransactionTimeouts } from "./transaction.ts";

/** Looks in all, when others change the table at the same moment. */
const LOOKS_MAX = 6;

/** Sorted, so that two changes with two names each cannot deadlock. */
const LOCK_NAMES = `SELECT pg_catalog.pg_advisory_xact_lock(${ADVISORY_LOCK_CLASS}, key)
  FROM (SELECT DISTINCT pg_catalog.hashtext(name) AS key
        FROM pg_catalog.unnest($1::text[]) u(name) ORDER BY 1) keys`;

/** What a changer works with. */
export interface TableChangerOptions {
  readonly pool: SessionPool;
  readonly timeouts: TransactionTimeouts;
  readonly sourceIds: SourceIds;
  /** Where tables go, resolved at connect. */
  readonly schema: string;
  /** Roles that may read the tables we create. */
  readonly tableGrants: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

/** Changes tables; see the top of this file. */
export class TableChanger {
  readonly #options: TableChangerOptions;

  constructor(options: TableChangerOptions) {
    this.#options = options;
  }

  /** See {@linkcode TableStore.change}. */
  async change(change: TableChange): Promise<TableDescription> {
    const table = change.table.fullName;
    for (let looks = 1;; looks++) {
      try {
        return await this.#changeOnce(change);
      } catch (error) {
        const isRace = error instanceof StatementError &&
          isDefinitionRace(error.sqlState, error.schema);
        if (!isRace) throw tableUnavailable(error, `change the table ${table}`, table);
        if (looks >= LOOKS_MAX) {
          throw new StoreUnavailableError(
            `Cannot change the table ${table} as others change it too: ${error.message}`,
            { sqlState: error.sqlState, cause: error },
          );
        }
        await this.#options.clock.delay(backoffDelayMs(looks));
      }
    }
  }

  async #changeOnce(change: TableChange): Promise<TableDescription> {
    const { pool, timeouts, sourceIds, log } = this.#options;
    using lease = await pool.acquire("flush");
    const { session } = lease;
    const source = change.cause === null
      ? null
      : await sourceIds.resolve(session, change.cause.origin);
    const { definition, description } = await inTransaction(session, timeouts, async () => {
      const definition = await this.#define(session, change);
      for (const statement of definition.statements) await session.execute(statement);
      await recordChanges(session, definition, change, source);
      const after = await readTable(session, this.#options.schema, change.table);
      if (after === null) {
        throw new TypeError(`Cannot find ${definition.tableName} after changing it`);
      }
      return { definition, description: descriptionOf(after) };
    });
    if (definition.records.length > 0) {
      const { tableName, records } = definition;
      log.info(
        records[0]?.change === "create table" ? "Table created" : "Table changed",
        {
          table: tableName,
          columns: records.filter((record) => record.change === "add column").length,
          reason: change.reason,
        },
      );
    }
    return description;
  }

  /** Locks the table's names, looks, and says what is to be done. */
  async #define(session: Session, change: TableChange): Promise<TableDefinition> {
    const { schema, tableGrants } = this.#options;
    const { fullName, legacyName } = change.table;
    const names = [fullName, ...(legacyName === null ? [] : [legacyName])];
    // PostgreSQL's own cut: full names that could lead to one table share it.
    const lockNames = names.map(tableNames).map(({ name, truncated }) => truncated ?? name);
    await session.query(LOCK_NAMES, [textArray(lockNames.map((name) => `${schema}.${name}`))]);
    const found = await readTable(session, schema, change.table);
    if (found === null) {
      return createTable(schema, change, await this.#knownRoles(session, tableGrants));
    }
    const refusal = refusalOfKind(found.relationKind);
    if (refusal !== null) {
      throw new TableUnavailableError(`Cannot change ${found.name} as ${refusal}`, {
        table: found.name,
        kind: "refused",
      });
    }
    return alterTable(found, change);
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

async function recordChanges(
  session: Session,
  { records }: TableDefinition,
  change: TableChange,
  source: number | null,
): Promise<void> {
  if (records.length === 0) return;
  const values = records.map((_, row) => {
    const at = row * 3 + 3;
    return `($${at + 1}, $${at + 2}, $${at + 3}, $1, ${source ?? "NULL"}, $2::bigint, $3)`;
  });
  const { tableName } = records[0] ?? { tableName: "" };
  await session.queryOnce(
    `INSERT INTO state_tables.schema_change
       (column_name, change, to_type, reason, source, seq, table_name) VALUES ${values.join(", ")}`,
    [
      change.reason,
      change.cause?.sequence ?? null,
      tableName,
      ...records.flatMap((record) => [record.columnName, record.change, record.toType]),
    ],
  );
}
