/**
 * Which statements a table change takes: pure, from what the catalog said under the table's lock.
 * All columns go into one statement, every column may be NULL and has no default, so that no table
 * is ever rewritten. Names that had to be cut keep their full text in a comment.
 */
import type { RefusedChange, TableChange, TableIdentity, WantedColumn } from "../ingest/ports.ts";
import type { ColumnType } from "../schema/column_type.ts";
import { commentFor, resolveColumn } from "../schema/column_keys.ts";
import { columnNameFor, indexName, quoteIdentifier, tableNames } from "../schema/identifiers.ts";
import type { TableColumn } from "../schema/table_description.ts";
import type { ChangeRecord } from "./schema_changes.ts";
import { qualifiedName, quoteLiteral } from "./sql_text.ts";
import type { FoundTable } from "./table_reader.ts";

/** Statements to run, in order, and what to write down. All empty when nothing is to be done. */
export interface TableDefinition {
  readonly tableName: string;
  readonly statements: readonly string[];
  readonly records: readonly ChangeRecord[];
  readonly refused: readonly RefusedChange[];
}

/** Parts of a change that cannot be made, with the reason; null for those that are to be made. */
export interface Withheld {
  readonly columns: string | null;
  readonly overflow: string | null;
}

const NOTHING_WITHHELD: Withheld = { columns: null, overflow: null };

/** For values that no other column takes; no key's column has this name. */
const OVERFLOW: NewColumn = { key: "_overflow", name: "_overflow", type: "jsonb", comment: null };

const NOT_OWNED = "the role does not own the table";

/** How the types that we create are spelled; nothing else ever stands as a type in our DDL. */
export const TYPE_SQL: Readonly<Record<ColumnType, string>> = {
  "boolean": "boolean",
  "bigint": "bigint",
  "double precision": "double precision",
  "numeric": "numeric",
  "timestamptz": "timestamptz",
  "jsonb": "jsonb",
  "text": "text",
};

interface NewColumn {
  readonly key: string;
  readonly name: string;
  readonly type: ColumnType;
  /** COMMENT ON COLUMN: claims the name for the key where it could be another's. */
  readonly comment: string | null;
}

interface Claim {
  readonly key: string;
  readonly name: string;
  readonly comment: string;
}

/** Makes the table that the change wants, with its indexes. */
export function createTable(
  schema: string,
  change: TableChange,
  grants: readonly string[],
  withheld: Withheld = NOTHING_WITHHELD,
): TableDefinition {
  const { fullName } = change.table;
  const { name } = tableNames(fullName);
  const table = qualifiedName({ schema, name });
  const columns = newColumns(resolveColumns([], change.columns).added, withheld.columns);
  const overflow = newColumns(change.overflow ? [OVERFLOW] : [], withheld.overflow, "overflow");
  const added = [...columns.added, ...overflow.added];
  const indexed = change.indexKeys.map(columnNameFor)
    .filter((column, at, all) => all.indexOf(column) === at)
    .filter((column) => columns.added.some((one) => one.name === column));
  return {
    tableName: name,
    statements: [
      `CREATE TABLE ${table} (${added.map(columnSql).join(", ")})`,
      ...(name === fullName ? [] : [claimTable(table, fullName)]),
      ...added.flatMap((column) => commentOn(table, column.name, column.comment)),
      ...indexed.map((column) => `CREATE INDEX ${indexSql(name, table, column)}`),
      ...grants.map((role) => `GRANT SELECT ON ${table} TO ${roleName(role)}`),
    ],
    records: [
      { columnName: null, change: "create table", fromType: null, toType: null },
      ...added.map(addedRecord),
      ...indexed.map(indexRecord),
    ],
    refused: [...columns.refused, ...overflow.refused],
  };
}

/** Adds the columns that the table lacks, and claims shortened names that nobody has claimed. */
export function alterTable(
  found: FoundTable,
  change: TableChange,
  withheld: Withheld = NOTHING_WITHHELD,
): TableDefinition {
  const table = qualifiedName(found);
  const notOwned = found.isOwned ? null : NOT_OWNED;
  const noColumns = withheld.columns ?? notOwned;
  const resolved = resolveColumns(found.columns, change.columns);
  const columns = newColumns(resolved.added, noColumns);
  const claims = newColumns(resolved.claimed, noColumns);
  const overflow = overflowColumn(found, change, withheld.overflow ?? notOwned);
  const added = [...columns.added, ...overflow.added];
  const fullName = noColumns === null ? unclaimedFullName(found, change.table) : null;
  const additions = added.map((column) => `ADD COLUMN ${columnSql(column)}`);
  return {
    tableName: found.name,
    statements: [
      ...(additions.length === 0 ? [] : [`ALTER TABLE ${table} ${additions.join(", ")}`]),
      ...(fullName === null ? [] : [claimTable(table, fullName)]),
      ...[...added, ...claims.added].flatMap(({ name, comment }) =>
        commentOn(table, name, comment)
      ),
    ],
    records: [
      ...added.map(addedRecord),
      ...(fullName === null ? [] : [claimRecord(null)]),
      ...claims.added.map((column) => claimRecord(column.name)),
    ],
    refused: [...columns.refused, ...claims.refused, ...overflow.refused],
  };
}

/** Name, table and column of an index of ours. */
export function indexSql(tableName: string, table: string, column: string): string {
  return `${quoteIdentifier(indexName(tableName, column))} ON ${table} (${
    quoteIdentifier(column)
  })`;
}

function overflowColumn(
  found: FoundTable,
  change: TableChange,
  why: string | null,
): Made<NewColumn> {
  if (!change.overflow) return { added: [], refused: [] };
  const column = found.columns.find(({ name }) => name === OVERFLOW.name);
  if (column === undefined) return newColumns([OVERFLOW], why, "overflow");
  if (column.generated) return newColumns([OVERFLOW], "it is a generated column", "overflow");
  const isJsonb = column.typeName === "jsonb" && column.typeSchema === "pg_catalog";
  const otherType = isJsonb ? null : `its type is ${column.typeName} and not jsonb`;
  return { added: [], refused: newColumns([OVERFLOW], otherType, "overflow").refused };
}

interface Made<Column> {
  readonly added: readonly Column[];
  readonly refused: readonly RefusedChange[];
}

/** All of the columns, or none and why. */
function newColumns<Column extends { readonly key: string }>(
  columns: readonly Column[],
  why: string | null,
  kind: RefusedChange["kind"] = "column",
): Made<Column> {
  if (why === null) return { added: columns, refused: [] };
  return { added: [], refused: columns.map(({ key }) => ({ kind, name: key, reason: why })) };
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
        claimed.push({ key, name, comment });
        columns[columns.findIndex((column) => column.name === name)] = { name, comment };
        break;
      }
      case "missing": {
        const { name, comment } = resolution;
        added.push({ key, name, type, comment });
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

function columnSql({ name, type }: NewColumn): string {
  return `${quoteIdentifier(name)} ${TYPE_SQL[type]}`;
}

function addedRecord({ name, type }: NewColumn): ChangeRecord {
  return { columnName: name, change: "add column", fromType: null, toType: type };
}

function indexRecord(columnName: string): ChangeRecord {
  return { columnName, change: "create index", fromType: null, toType: null };
}

function claimRecord(columnName: string | null): ChangeRecord {
  return { columnName, change: "claim name", fromType: null, toType: null };
}

/** PUBLIC is a keyword, everything else a role. */
function roleName(role: string): string {
  return role.toLowerCase() === "public" ? "PUBLIC" : quoteIdentifier(role);
}
