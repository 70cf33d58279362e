/**
 * What PostgreSQL said about one statement, and the ways such an answer becomes one of the errors
 * that callers outside of the store decide on. Only SQLSTATE, message and the names of table, column
 * and constraint are kept: detail, context, query text and parameters hold row data and stop here. Of
 * the context is kept whether there was one.
 */
import { StoreUnavailableError, TableUnavailableError } from "../errors.ts";
import { type SqlStateKind, sqlStateKind } from "./sql_state.ts";

/** PostgreSQL refused a statement; the connection is still good. Never leaves the store. */
export class StatementError extends Error {
  override readonly name = "StatementError";
  readonly sqlState: string;
  readonly schema: string | null;
  readonly table: string | null;
  readonly column: string | null;
  readonly constraint: string | null;
  /** It happened inside of a function, trigger or constraint, not in our statement itself. */
  readonly isNested: boolean;

  constructor(fields: {
    message: string;
    sqlState: string;
    schema: string | null;
    table: string | null;
    column: string | null;
    constraint: string | null;
    isNested?: boolean;
  }) {
    super(fields.message);
    this.sqlState = fields.sqlState;
    this.schema = fields.schema;
    this.table = fields.table;
    this.column = fields.column;
    this.constraint = fields.constraint;
    this.isNested = fields.isNested ?? false;
  }

  get kind(): SqlStateKind {
    return sqlStateKind(this.sqlState);
  }
}

/** Reads an error answer as the client library, or we, give it; null when it is none. */
export function readServerError(error: unknown): StatementError | null {
  if (error instanceof StatementError) return error;
  if (!(error instanceof Error) || error.name !== "PostgresError") return null;
  const fields: Partial<Record<string, unknown>> = { ...error };
  const text = (key: string): string | null => {
    const value = fields[key];
    return typeof value === "string" && value !== "" ? value : null;
  };
  return new StatementError({
    message: error.message,
    sqlState: text("code") ?? "XX000",
    schema: text("schema_name"),
    table: text("table_name"),
    column: text("column_name"),
    constraint: text("constraint_name"),
    isNested: text("where") !== null,
  });
}

/**
 * The error a caller outside of the store sees when `action` failed and no table is to blame. What
 * is no answer of PostgreSQL passes as it is.
 *
 * @param action completes "Cannot …", for example "look a processor up"
 */
export function storeUnavailable(error: unknown, action: string): unknown {
  if (!(error instanceof StatementError)) return error;
  return new StoreUnavailableError(`Cannot ${action} as PostgreSQL says: ${error.message}`, {
    sqlState: error.sqlState,
    cause: error,
  });
}

/**
 * The error for work on one table: somebody holds its lock, it refuses as a whole, or the database
 * cannot be used. What is no answer of PostgreSQL passes as it is.
 *
 * @param action completes "Cannot …", for example "write the table"
 */
export function tableUnavailable(error: unknown, action: string, table: string): unknown {
  if (!(error instanceof StatementError)) return error;
  const isLocked = error.sqlState === "55P03";
  if (error.kind === "transient" && !isLocked) return storeUnavailable(error, action);
  return new TableUnavailableError(`Cannot ${action} as PostgreSQL says: ${error.message}`, {
    table,
    kind: isLocked ? "locked" : "refused",
    sqlState: error.sqlState,
    cause: error,
  });
}
