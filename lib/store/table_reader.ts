/**
 * Reads what a table looks like from PostgreSQL's own catalog, and finds which of a table's possible
 * names is in use. It changes nothing. The fingerprint is computed by one SQL expression, here for
 * the description and in the write transaction for the plan check.
 */
import { TableUnavailableError } from "../errors.ts";
import type { TableIdentity } from "../ingest/ports.ts";
import { commentFor, isClaimOf } from "../schema/column_keys.ts";
import { tableNames } from "../schema/identifiers.ts";
import type { TableDescription } from "../schema/table_description.ts";
import { LEDGER_IS_PLAIN } from "./ledger_entries.ts";
import type { LedgerEntries } from "./ledger_groups.ts";
import { lowestBySource, lowestOf, noneKnownSql, notKnownSql } from "./ledger_looks.ts";
import type { NamedStatement, Session } from "./session.ts";
import { failUnless, qualifiedName, quoteLiteral, textArray } from "./sql_text.ts";
import { TryAgain } from "./try_again.ts";

/**
 * Changes when a column of the relation with this OID is added, dropped, renamed or retyped, and when
 * another relation has taken the name. A sum of 64-bit hashes, as each has the column's number in it:
 * every flush computes it, and SHA-256 of the columns in order would take twice the time.
 */
function fingerprintOf(oid: string): string {
  return `${oid} || ':' || coalesce((
    SELECT pg_catalog.sum(pg_catalog.hashtextextended((a.attnum || ' ' || a.atttypid || ' ' ||
      a.atttypmod || ' ' || a.attgenerated::text || a.attidentity::text || a.atthasdef::text ||
      ' ' || a.attname) COLLATE "C", 0))
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = ${oid} AND a.attnum > 0 AND NOT a.attisdropped), 0)`;
}

/** Labels of an enum, in order, for a row of `pg_type` under this alias. */
function enumLabels(type: string): string {
  return `coalesce((SELECT pg_catalog.json_agg(l.enumlabel ORDER BY l.enumsortorder)
      FROM pg_catalog.pg_enum l WHERE l.enumtypid = ${type}.oid), '[]')`;
}

/** A `ValueType` as JSON, for a row of `pg_type` under this alias. */
function typeJson(type: string, typmod: string): string {
  return `pg_catalog.json_build_object('typeName', ${type}.typname,
      'typeSchema', ${type}.typnamespace::pg_catalog.regnamespace::text, 'typmod', ${typmod},
      'typeKind', ${type}.typtype, 'enumLabels', ${enumLabels(type)})`;
}

/**
 * The type whose OID is the expression, as a lateral relation. OFFSET 0 keeps it a look-up by index:
 * as a join it would read all of `pg_type`, which grows with every table, for each column.
 */
function typeBy(oid: string, condition = "true"): string {
  return `LATERAL (SELECT ty.* FROM pg_catalog.pg_type ty
      WHERE ty.oid = ${oid} AND ${condition} OFFSET 0)`;
}

/** `v` is the column's type, or the one under its domains; `e` that of an array's elements. */
const COLUMNS = `coalesce((
  SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
    'name', a.attname,
    'attnum', a.attnum,
    'typeName', t.typname,
    'typeSchema', tn.nspname,
    'typeOid', t.oid::bigint,
    'typmod', a.atttypmod,
    'typeKind', t.typtype,
    'enumLabels', ${enumLabels("t")},
    'notNull', a.attnotnull,
    'domainOver', CASE WHEN t.typtype = 'd' THEN ${typeJson("v", "v.typmod")} END,
    'elements', CASE WHEN e.oid IS NOT NULL THEN ${typeJson("e", "v.typmod")} END,
    'hasDefault', (a.atthasdef OR t.typdefault IS NOT NULL) AND a.attgenerated = '',
    'generated', a.attgenerated <> '',
    'identity', CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'default' ELSE 'none' END,
    'comment', pg_catalog.col_description(c.oid, a.attnum)) ORDER BY a.attnum)
  FROM pg_catalog.pg_attribute a
  CROSS JOIN ${typeBy("a.atttypid")} t
  JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
  CROSS JOIN LATERAL (
    WITH RECURSIVE under (oid, typmod) AS (
      SELECT t.oid, a.atttypmod
      UNION ALL SELECT d.typbasetype, d.typtypmod FROM under u
        CROSS JOIN ${typeBy("u.oid", "ty.typtype = 'd'")} d)
    SELECT b.*, u.typmod FROM under u
    CROSS JOIN ${typeBy("u.oid", "ty.typtype <> 'd'")} b) v
  LEFT JOIN ${typeBy("v.typelem", "ty.typarray = v.oid")} e ON true
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]')`;

const FIND_TABLES = `SELECT n.nspname AS schema, c.relname AS name, c.oid AS oid,
  c.relkind AS "relationKind", pg_catalog.obj_description(c.oid, 'pg_class') AS comment,
  pg_catalog.pg_has_role(c.relowner, 'USAGE') AS "isOwned",
  ${fingerprintOf("c.oid")} AS fingerprint, ${COLUMNS} AS columns
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1::text AND c.relname = ANY ($2::text[])`;

/** A table of this name, as `c`. */
function fromTable(schema: string, name: string): string {
  return `FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ${schema}::text AND c.relname = ${name}::text`;
}

const CHECK_PLAN_TEXT = `SELECT ${fingerprintOf("c.oid")} AS fingerprint,
  pg_catalog.row_security_active(c.oid) AS "hasRowSecurity"
${fromTable("$1", "$2")}`;

/**
 * The check, and a look at the ledger: one statement costs less than two. The table goes by its name,
 * which the lock keeps from meaning another one.
 */
function assertPlanStatement(look: {
  readonly name: string;
  readonly types: readonly string[];
  readonly sql: (args: readonly string[]) => string;
}): NamedStatement {
  return {
    name: look.name,
    types: ["regclass", "text", "boolean", ...look.types],
    text: ([name = "", fingerprint = "", areCounted = "", ...args]) => {
      const table = `${name}::regclass`;
      return `SELECT ${
        failUnless(
          `${fingerprintOf(`${table}::oid`)} = ${fingerprint}::text
      AND NOT pg_catalog.row_security_active(${table})
      AND ${look.sql(args)}
      AND (${areCounted}::boolean OR ${LEDGER_IS_PLAIN})`,
          `'another table or ledger, or messages known: ', ${table}`,
        )
      } AS "isAsPlanned"`;
    },
  };
}

/** For messages of one source, as almost always. */
const ASSERT_PLAN = assertPlanStatement({
  name: "state_tables_assert_plan",
  types: ["int", "bigint", "boolean"],
  sql: notKnownSql,
});

const ASSERT_PLAN_OF_SOURCES = assertPlanStatement({
  name: "state_tables_assert_plan_of_sources",
  types: ["int[]", "bigint[]", "boolean"],
  sql: noneKnownSql,
});

/** A relation that has one of the names asked for. */
export interface FoundTable extends TableDescription {
  /** COMMENT ON TABLE; holds the full name where that had to be cut. */
  readonly comment: string | null;
  /** We may ALTER it. */
  readonly isOwned: boolean;
}

/** What the write transaction sees of the table once it holds the lock. */
export interface PlanCheck {
  readonly fingerprint: string;
  /** Row-level security applies to us; COPY refuses such tables. */
  readonly hasRowSecurity: boolean;
}

/** Finds the table of an identity in `schema`; null when none of its names exists. */
export async function readTable(
  session: Session,
  schema: string,
  identity: TableIdentity,
): Promise<FoundTable | null> {
  const [table = null] = await readTables(session, schema, [identity]);
  return table;
}

/** As {@linkcode readTable} for several, by one query; in their order. */
export async function readTables(
  session: Session,
  schema: string,
  identities: readonly TableIdentity[],
): Promise<readonly (FoundTable | null)[]> {
  const names = new Set(identities.flatMap(possibleNames));
  const found = await session.query<FoundTable>(FIND_TABLES, [schema, textArray([...names])]);
  const byName = new Map(found.map((table) => [table.name, table]));
  return identities.map((identity) => {
    const candidates = possibleNames(identity).map((name) => byName.get(name));
    return chooseTable(candidates.filter((table) => table !== undefined), identity);
  });
}

/**
 * Refuses to go on with a plan made for another state of the table than the one that is locked now.
 *
 * @throws {TryAgain} the plan is stale
 * @throws {TableUnavailableError} row-level security applies
 */
export function assertPlan(table: TableDescription, check: PlanCheck | null): void {
  if (check?.fingerprint !== table.fingerprint) throw new TryAgain("plan-stale");
  if (!check.hasRowSecurity) return;
  throw new TableUnavailableError(
    `Cannot write ${table.name} as its row-level security applies to this role`,
    { table: table.name, kind: "refused" },
  );
}

/** The table as the description's holder knows it; null when its name is gone. */
export async function checkPlan(
  session: Session,
  table: { readonly schema: string; readonly name: string },
): Promise<PlanCheck | null> {
  const [check] = await session.query<PlanCheck>(CHECK_PLAN_TEXT, [table.schema, table.name]);
  return check ?? null;
}

/**
 * The statement of {@linkcode checkPlan} for several tables, for a query that holds others as well: it
 * answers with a row for each that is there, in their order, `number` counted from 1.
 */
export function checkPlansText(
  tables: readonly { readonly schema: string; readonly name: string }[],
): string {
  const array = (texts: readonly string[]): string => `${quoteLiteral(textArray(texts))}::text[]`;
  return `SELECT u.number::int AS number, ${fingerprintOf("c.oid")} AS fingerprint,
      pg_catalog.row_security_active(c.oid) AS "hasRowSecurity"
    FROM unnest(${array(tables.map(({ schema }) => schema))}, ${
    array(tables.map(({ name }) => name))
  }) WITH ORDINALITY u(schema, name, number)
    JOIN pg_catalog.pg_namespace n ON n.nspname = u.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = u.name
    ORDER BY u.number`;
}

/**
 * The check as a statement for a query that holds others as well, behind the lock and the inserts into
 * the ledger: it answers with one row, or fails (see {@linkcode failUnless}) when the plan is stale,
 * row-level security applies, the messages may have been pruned or stand in a span, or their entries
 * may be missing.
 *
 * @param look.areCounted the entries are known to be there; else the ledger has to be plain
 * @param look.areConfirmed the end of the transaction makes sure that no span has the messages
 */
export async function assertPlanText(
  session: Session,
  table: TableDescription,
  { ledger, areCounted, areConfirmed }: {
    readonly ledger: LedgerEntries;
    readonly areCounted: boolean;
    readonly areConfirmed: boolean;
  },
): Promise<string> {
  const plan = [
    quoteLiteral(qualifiedName(table)),
    quoteLiteral(table.fingerprint),
    String(areCounted),
  ];
  const [first, ...others] = lowestBySource(ledger);
  const end = String(areConfirmed);
  if (first !== undefined && others.length === 0) {
    return await session.callText(ASSERT_PLAN, [...plan, ...first.map(String), end]);
  }
  const lowest = lowestOf(ledger).map(quoteLiteral);
  return await session.callText(ASSERT_PLAN_OF_SOURCES, [...plan, ...lowest, end]);
}

/**
 * Which of the relations found is the identity's table: the Go service's default name first, then
 * the full name. A name over 63 bytes is found under its hashed form when the comment claims it,
 * else as PostgreSQL itself cut it (the Go service left such tables) unless another full name claims
 * that one, else under its hashed form.
 */
export function chooseTable<
  Table extends { readonly name: string; readonly comment: string | null },
>(
  found: readonly Table[],
  identity: TableIdentity,
): Table | null {
  for (const fullName of fullNames(identity)) {
    const { name, truncated } = tableNames(fullName);
    const ours = found.find((table) => table.name === name);
    const cut = truncated === null ? undefined : found.find((table) => table.name === truncated);
    if (ours !== undefined && (truncated === null || ours.comment === commentFor(fullName))) {
      return ours;
    }
    if (cut !== undefined && !isClaimedByOther(cut, fullName)) return cut;
    if (ours !== undefined) return ours;
  }
  return null;
}

/** The comment is a full name, another one, that was cut to this table's name. */
function isClaimedByOther(
  table: { readonly name: string; readonly comment: string | null },
  fullName: string,
): boolean {
  return table.comment !== commentFor(fullName) && isClaimOf(table.comment, table.name);
}

/** Names that the identity's table may have, as PostgreSQL spells them. */
function possibleNames(identity: TableIdentity): string[] {
  return fullNames(identity).flatMap((fullName) => {
    const { name, truncated } = tableNames(fullName);
    return truncated === null ? [name] : [name, truncated];
  });
}

function fullNames(identity: TableIdentity): readonly string[] {
  return identity.legacyName === null
    ? [identity.fullName]
    : [identity.legacyName, identity.fullName];
}

/** Why no rows can be written into a relation of this kind; null for tables. */
export function refusalOfKind(relationKind: string): string | null {
  switch (relationKind) {
    case "r":
    case "p":
      return null;
    case "v":
      return "it is a view";
    case "m":
      return "it is a materialized view";
    case "f":
      return "it is a foreign table";
    case "S":
      return "it is a sequence";
    case "i":
    case "I":
      return "it is an index";
    case "c":
      return "it is a composite type";
    default:
      return `it is no table (relkind ${relationKind})`;
  }
}

/** The description alone, as callers outside of the store keep it. */
export function descriptionOf(table: FoundTable): TableDescription {
  const { comment: _comment, isOwned: _isOwned, ...description } = table;
  return description;
}
