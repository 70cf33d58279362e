/**
 * Whether columns of a table may be widened in place, by what PostgreSQL's catalog and
 * `state_tables.schema_change` say (design §8): the columns are ours and still what we made them, the
 * table is small, and nothing depends on them that would break. It changes nothing.
 */
import type { RefusedChange, WantedWidening } from "../ingest/ports.ts";
import type { ColumnType } from "../schema/column_type.ts";
import type { Session } from "./session.ts";
import { textArray } from "./sql_text.ts";
import type { FoundTable } from "./table_reader.ts";
import { wideningStep } from "./widening_sql.ts";

/** A column that may be changed. */
export interface Widening {
  readonly columnName: string;
  readonly fromType: ColumnType;
  readonly toType: ColumnType;
}

/** What a look at the table found. Columns that are wide enough already stand in neither list. */
export interface WideningLook {
  readonly widenings: readonly Widening[];
  readonly refused: readonly RefusedChange[];
}

/** Our types under the names that `pg_type` has for them. */
const OWN_TYPES: ReadonlyMap<string, ColumnType> = new Map([
  ["bool", "boolean"],
  ["int8", "bigint"],
  ["float8", "double precision"],
  ["numeric", "numeric"],
  ["timestamptz", "timestamptz"],
  ["jsonb", "jsonb"],
  ["text", "text"],
]);

interface TableFacts {
  readonly bytes: number;
  readonly hasRelatives: boolean;
}

interface ColumnFacts {
  readonly name: string;
  /** The type that we gave the column last; null when we did not make it. */
  readonly ownType: string | null;
  /** One thing that depends on the column, in PostgreSQL's words. */
  readonly dependent: string | null;
}

const TABLE_FACTS = `SELECT pg_catalog.pg_total_relation_size($1::bigint::oid)::float8 AS bytes,
  EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE $1::bigint::oid IN (inhparent, inhrelid))
    AS "hasRelatives"`;

/** An index that ALTER TYPE rebuilds as it was: it can neither refuse rows nor lose its operators. */
const IS_PLAIN_INDEX = `EXISTS (SELECT FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
  JOIN pg_catalog.pg_am am ON am.oid = ic.relam
  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.indexrelid = d.objid
    AND NOT i.indisunique AND NOT i.indisexclusion AND i.indexprs IS NULL AND i.indpred IS NULL
    AND am.amname = 'btree'
    AND NOT EXISTS (SELECT FROM pg_catalog.unnest(i.indclass::oid[]) u(oid)
      JOIN pg_catalog.pg_opclass o ON o.oid = u.oid WHERE NOT o.opcdefault))`;

/** NOT NULL, which PostgreSQL 18 lists among the constraints. */
const IS_NOT_NULL = `EXISTS (SELECT FROM pg_catalog.pg_constraint k
  WHERE d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objid
    AND k.contype = 'n')`;

/**
 * Views, rules, constraints, keys, partition keys, defaults, generated columns, other indexes,
 * triggers, policies, publications, statistics and SQL function bodies all stand in `pg_depend`.
 */
const COLUMN_FACTS = `SELECT a.attname AS name,
  (SELECT s.to_type FROM state_tables.schema_change s
   WHERE s.table_oid = a.attrelid AND s.column_number = a.attnum
     AND s.change IN ('add column', 'widen column') ORDER BY s.id DESC LIMIT 1) AS "ownType",
  (SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
   FROM pg_catalog.pg_depend d
   WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = a.attrelid
     AND d.refobjsubid = a.attnum AND NOT ${IS_PLAIN_INDEX} AND NOT ${IS_NOT_NULL}
   LIMIT 1) AS dependent
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = $1::bigint::oid AND a.attname = ANY ($2::text[])
  AND a.attnum > 0 AND NOT a.attisdropped`;

/** Looks which of the widenings may be made. */
export async function lookAtWidenings(
  session: Session,
  table: FoundTable,
  wanted: readonly WantedWidening[],
  rewriteBytesMax: number,
): Promise<WideningLook> {
  const names = wanted.map(({ columnName }) => columnName);
  const [facts] = await session.query<TableFacts>(TABLE_FACTS, [table.oid]);
  const columns = await session.query<ColumnFacts>(COLUMN_FACTS, [table.oid, textArray(names)]);
  const factsOf = new Map(columns.map((column) => [column.name, column]));
  const tableReason = facts === undefined
    ? "the table is gone"
    : refusalOfTable(table, facts, rewriteBytesMax);
  const widenings: Widening[] = [];
  const refused: RefusedChange[] = [];
  for (const { columnName, type } of wanted) {
    const outcome = judge(table, columnName, type, factsOf.get(columnName), tableReason);
    if (outcome === null) continue;
    if (typeof outcome === "string") {
      refused.push({ kind: "widening", name: columnName, reason: outcome });
    } else if (!widenings.some((other) => other.columnName === columnName)) {
      widenings.push(outcome);
    }
  }
  return { widenings, refused };
}

/** The widening, why there is none, or null when the column is wide enough. */
function judge(
  table: FoundTable,
  columnName: string,
  wanted: ColumnType,
  facts: ColumnFacts | undefined,
  tableReason: string | null,
): Widening | string | null {
  const column = table.columns.find(({ name }) => name === columnName);
  if (column === undefined || facts === undefined) return "the column is gone";
  const current = column.typeSchema === "pg_catalog" && column.typmod === -1
    ? OWN_TYPES.get(column.typeName)
    : undefined;
  if (current === undefined) return `its type ${column.typeName} is none that we make`;
  const step = wideningStep(current, wanted);
  if (step.kind === "done") return null;
  if (facts.ownType === null) return "the column was not made by this program";
  if (facts.ownType !== current) return "somebody has changed the column's type";
  if (step.kind === "refused") return step.reason;
  if (tableReason !== null) return tableReason;
  if (facts.dependent !== null) return `${facts.dependent} depends on it`;
  return { columnName, fromType: current, toType: step.type };
}

function refusalOfTable(
  table: FoundTable,
  { bytes, hasRelatives }: TableFacts,
  rewriteBytesMax: number,
): string | null {
  if (!table.isOwned) return "the role does not own the table";
  if (table.relationKind !== "r" || hasRelatives) return "the table has partitions or inherits";
  if (bytes <= rewriteBytesMax) return null;
  return `the table is too large to be rewritten: ${bytes} bytes, at most ${rewriteBytesMax}`;
}
