/**
 * The one table that says what a SQLSTATE means for the work that met it. Every code that decides
 * anything is named here; the meanings of codes are PostgreSQL's appendix A. Who reacts how is left
 * to the callers.
 */

/**
 * What an error says.
 * - `transient`: nothing about the data; the same work is repeated later.
 * - `schema`: the table is not what the statement took it for; look again.
 * - `configuration`: a person has to change a right, a setting or the table; other tables may work.
 * - `data`: the rows concerned can never land as they are.
 */
export type SqlStateKind = "transient" | "schema" | "configuration" | "data";

const EXACT: Readonly<Record<string, SqlStateKind>> = {
  "08P01": "data", // protocol_violation: looks like a lost connection and is bad input (NUL in SQL)
  "0A000": "schema", // feature_not_supported: the relation became one that COPY cannot write
  "26000": "transient", // invalid_sql_statement_name: a pooler handed us another server connection
  "25P01": "transient", // no_active_sql_transaction: the transaction ended under us
  "25P02": "transient", // in_failed_sql_transaction: an earlier error of the same transaction decides
  "28000": "configuration", // invalid_authorization_specification
  "28P01": "configuration", // invalid_password
  "3D000": "configuration", // invalid_catalog_name: no such database
  "3F000": "schema", // invalid_schema_name
  "42501": "configuration", // insufficient_privilege
  "42P01": "schema", // undefined_table
  "42703": "schema", // undefined_column
  "42704": "schema", // undefined_object: a type or role is gone
  "42804": "schema", // datatype_mismatch
  "42809": "schema", // wrong_object_type: the table became a view
  "42883": "schema", // undefined_function: a trigger or default calls what is gone
  "55000": "configuration", // object_not_in_prerequisite_state: the relation takes no rows
  "55006": "transient", // object_in_use
  "55P03": "transient", // lock_not_available
  "57P04": "configuration", // database_dropped
  "58030": "transient", // io_error
  "58P01": "transient", // undefined_file
  "XX001": "configuration", // data_corrupted
  "XX002": "configuration", // index_corrupted
};

/** First two characters: the class, for codes that are not listed one by one. */
const BY_CLASS: Readonly<Record<string, SqlStateKind>> = {
  "08": "transient", // connection exception: 08000, 08001, 08003, 08004, 08006, 08007
  "25": "transient", // invalid transaction state: 25006 read-only, 25P03 idle in transaction timeout
  "40": "transient", // rollback: 40001 serialization, 40003 completion unknown, 40P01 deadlock
  "53": "transient", // resources: 53100 disk full, 53200 memory, 53300 connections
  "57": "transient", // operator: 57014 canceled or timeout, 57P01, 57P02 shutdown, 57P03 starting
};

/**
 * What a SQLSTATE says; undefined stands for a failure of the connection. Codes listed nowhere are
 * data errors: of what remains, nearly all (classes 22, 23, 54, P0, user-defined) come from a value,
 * a constraint or a trigger, and isolating rows is the one reaction that neither loses the others
 * nor waits for ever. An internal error (XX000) that does not repeat lands with the repetition.
 */
export function sqlStateKind(sqlState: string | undefined): SqlStateKind {
  if (sqlState === undefined) return "transient";
  return EXACT[sqlState] ?? BY_CLASS[sqlState.slice(0, 2)] ?? "data";
}

/**
 * True for what CREATE and ALTER say when somebody else made the same change at the same moment:
 * look at the catalog again. 23505 comes from the unique indexes of `pg_class`, `pg_type` and
 * `pg_namespace`, XX000 is "tuple concurrently updated".
 */
export function isDefinitionRace(sqlState: string, schema: string | null): boolean {
  switch (sqlState) {
    case "42P07": // duplicate_table
    case "42701": // duplicate_column
    case "42710": // duplicate_object
    case "42P06": // duplicate_schema
    case "42P01": // undefined_table: dropped between look and change
    case "40P01": // deadlock_detected, with somebody who takes no advisory lock
    case "XX000": // internal_error
      return true;
    case "23505": // unique_violation
      return schema === "pg_catalog";
    default:
      return false;
  }
}
