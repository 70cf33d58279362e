/**
 * Which statements a table change takes: pure, from what the catalog said under the table's lock.
 * All columns go into one statement, every column may be NULL and has no default, so that no table
 * is ever rewritten. Names that had to be cut keep their full text in a comment.
 */
import type { TableChange, TableIdentity, WantedColumn } from "../ingest/ports.ts";
import type { ColumnType } from "../schema/column_type.ts";
import { commentFor, resolveColumn } from "../schema/column_keys.ts";
import { columnNameFor, indexName, quoteIdentifier, tableNames } from "../schema/identifiers.ts";
import type { TableColumn } from "../schema/table_description.ts";
import { qualifiedName, quoteLiteral } from "./sql_text.ts";
import type { FoundTable } from "./table_reader.ts";

/** A line of `schema_change`. */
export interface ChangeRecord {
  readonly tableName: string;
  readonly columnName: string | null;
  readonly change: "create table" | "add column" | "create index" | "claim name";
  readonly toType: ColumnType | null;
}

/** Statements to run, in order, and what to write down. Both empty when nothing is to be done. */
export interface TableDefinition {
  readonly tableName: string;
  readonly statements: readonly string[];
  readonly records: readonly ChangeRecord[];
}

/** How the types that we create are spelled; nothing else ever stands as a type in our DDL. */
const TYPE_SQL: Readonly<Record<ColumnType, string>> = {
  "boolean": "boolean",
  "bigint": "bigint",
  "double precision": "double precision",
  "numeric": "numeric",
  "timestamptz": "timestamptz",
  "jsonb": "jsonb",
  "text": "text",
};

interface NewColumn {
  readonly name: string;
  readonly type: ColumnType;
  /** COMMENT ON COLUMN: claims the name for the key where it could be another's. */
  readonly comment: string | null;
}

interface Claim {
  readonly name: string;
  readonly comment: string;
}

/** Makes the table that the change wants, with its indexes. */
export function createTable(
  schema: string,
  change: TableChange,
  grants: readonly string[],
): TableDefinition {
  const { fullName } = change.table;
  const { name } = tableNames(fullName);
  const table = qualifiedName({ schema, name });
  const { added } = resolveColumns([], change.columns);
  const indexed = change.indexKeys.map(columnNameFor)
    .filter((column, at, all) => all.indexOf(column) === at)
    .filter((column) => added.some((one) => one.name === column));
  const columns = added.map((column) => `${quoteIdentifier(column.name)} ${TYPE_SQL[column.type]}`);
  return {
    tableName: name,
    statements: [
      `CREATE TABLE ${table} (${columns.join(", ")})`,
      ...(name === fullName ? [] : [claimTable(table, fullName)]),
      ...added.flatMap((column) => commentOn(table, column.name, column.comment)),
      ...indexed.map((column) =>
        `CREATE INDEX ${quoteIdentifier(indexName(name, column))} ON ${table} ` +
        `(${quoteIdentifier(column)})`
      ),
      ...grants.map((role) => `GRANT SELECT ON ${table} TO ${roleName(role)}`),
    ],
    records: [
      { tableName: name, columnName: null, change: "create table", toType: null },
      ...added.map((column) => addedRecord(name, column)),
      ...indexed.map((columnName): ChangeRecord => ({
        tableName: name,
        columnName,
        change: "create index",
        toType: null,
      })),
    ],
  };
}

/** Adds the columns that the table lacks, and claims shortened names that nobody has claimed. */
export function alterTable(found: FoundTable, change: TableChange): TableDefinition {
  const table = qualifiedName(found);
  const { added, claimed } = resolveColumns(found.columns, change.columns);
  const fullName = found.isOwned ? unclaimedFullName(found, change.table) : null;
  const additions = added.map((column) =>
    `ADD COLUMN ${quoteIdentifier(column.name)} ${TYPE_SQL[column.type]}`
  );
  return {
    tableName: found.name,
    statements: [
      ...(additions.length === 0 ? [] : [`ALTER TABLE ${table} ${additions.join(", ")}`]),
      ...(fullName === null ? [] : [claimTable(table, fullName)]),
      ...added.flatMap((column) => commentOn(table, column.name, column.comment)),
      ...claimed.flatMap((column) => commentOn(table, column.name, column.comment)),
    ],
    records: [
      ...added.map((column) => addedRecord(found.name, column)),
      ...(fullName === null ? [] : [claimRecord(found.name, null)]),
      ...claimed.map((column) => claimRecord(found.name, column.name)),
    ],
  };
}

/** Resolves the keys one after another, each seeing what the ones before it took. */
function resolveColumns(
  existing: readonly Pick<TableColumn, "name" | "comment">[],
  wanted: readonly WantedColumn[],
): { added: readonly NewColumn[]; claimed: readonly Claim[] } {
  const columns = [...existing];
  const added: NewColumn[] = [];
  const claimed: Claim[] = [];
  for (const { key, type } of wanted) {
    const resolution = resolveColumn(columns, key);
    switch (resolution.kind) {
      case "column":
        break;
      case "claim-truncated": {
        const { name, comment } = resolution;
        claimed.push({ name, comment });
        columns[columns.findIndex((column) => column.name === name)] = { name, comment };
        break;
      }
      case "missing": {
        const { name, comment } = resolution;
        added.push({ name, type, comment });
        columns.push({ name, comment });
        break;
      }
    }
  }
  return { added, claimed };
}

/** The full name to be put into the comment of a table that PostgreSQL's own cut led us to. */
function unclaimedFullName(found: FoundTable, identity: TableIdentity): string | null {
  if (found.comment !== null) return null;
  const names = identity.legacyName === null
    ? [identity.fullName]
    : [identity.legacyName, identity.fullName];
  const fullName = names.find((one) => {
    const { name, truncated } = tableNames(one);
    return found.name === name || found.name === truncated;
  });
  return fullName === undefined || fullName === found.name ? null : fullName;
}

function commentOn(table: string, column: string, comment: string | null): string[] {
  if (comment === null) return [];
  return [`COMMENT ON COLUMN ${table}.${quoteIdentifier(column)} IS ${quoteLiteral(comment)}`];
}

function claimTable(table: string, fullName: string): string {
  return `COMMENT ON TABLE ${table} IS ${quoteLiteral(commentFor(fullName))}`;
}

function addedRecord(tableName: string, column: NewColumn): ChangeRecord {
  return { tableName, columnName: column.name, change: "add column", toType: column.type };
}

function claimRecord(tableName: string, columnName: string | null): ChangeRecord {
  return { tableName, columnName, change: "claim name", toType: null };
}

/** PUBLIC is a keyword, everything else a role. */
function roleName(role: string): string {
  return role.toLowerCase() === "public" ? "PUBLIC" : quoteIdentifier(role);
}
