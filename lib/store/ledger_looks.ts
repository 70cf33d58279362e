/**
 * What a transaction looks at behind the entries that it wrote, by a newer snapshot than theirs:
 * whether the messages may have been pruned, and whether they may stand in a span (see
 * ledger_spans.ts). Both are bounds in the source's row, so that one look at it is enough.
 */
import type { LedgerEntries } from "./ledger_groups.ts";
import type { Session } from "./session.ts";
import { integerArray } from "./sql_text.ts";

/**
 * SQL: the highest sequence of the source `s` that may be known without an entry of its own.
 *
 * @param isConfirmed a boolean: that no span has the messages is made sure of at the end of the
 *   transaction, so that only what was pruned counts
 */
function knownEnd(isConfirmed: string): string {
  return `CASE WHEN ${isConfirmed}::boolean THEN s.pruned_seq
    ELSE greatest(s.pruned_seq, s.span_end) END`;
}

/**
 * Whether an entry may have been pruned, or may stand in a span, for {@linkcode lowestOf} as SQL. An
 * insert that waited for the pruner, which has the same entry, succeeds once the pruner commits, and
 * knows the old end of what was pruned only. A later statement has a newer snapshot, and sees the new
 * one.
 */
function mayBeKnownSql([sources, sequences, isConfirmed = ""]: readonly string[]): string {
  return `EXISTS (SELECT FROM unnest(${sources}::int[], ${sequences}::bigint[]) l(id, seq)
    JOIN state_tables.source s ON s.id = l.id AND l.seq <= ${knownEnd(isConfirmed)})`;
}

/** SQL: no message of the sources can be known so, and the sources are there. */
export function noneKnownSql([sources, sequences, isConfirmed = ""]: readonly string[]): string {
  return `(SELECT pg_catalog.count(*)
    FROM unnest(${sources}::int[], ${sequences}::bigint[]) l(id, seq)
    JOIN state_tables.source s ON s.id = l.id AND (l.seq <= ${knownEnd(isConfirmed)}) IS NOT TRUE
    ) = pg_catalog.cardinality(${sources}::int[])`;
}

/** The same of one source; NULL when it is not there. */
export function notKnownSql([source, sequence, isConfirmed = ""]: readonly string[]): string {
  return `(SELECT (${sequence}::bigint <= ${knownEnd(isConfirmed)}) IS NOT TRUE
    FROM state_tables.source s WHERE s.id = ${source}::int)`;
}

/** Sources, and the lowest sequence of each. */
export function lowestBySource(
  { bySource }: LedgerEntries,
): readonly (readonly [number, number])[] {
  return bySource.map(({ source, identities }) => [
    source,
    identities.reduce((least, { sequence }) => Math.min(least, sequence), Infinity),
  ]);
}

/** The same as PostgreSQL's array text. */
export function lowestOf(ledger: LedgerEntries): readonly [string, string] {
  const lowest = lowestBySource(ledger);
  return [
    integerArray(lowest.map(([source]) => source)),
    integerArray(lowest.map(([, sequence]) => sequence)),
  ];
}

const LOOK_KNOWN = {
  name: "state_tables_look_known",
  types: ["int[]", "bigint[]", "boolean"],
  text: (args: readonly string[]): string => `SELECT ${mayBeKnownSql(args)} AS "mayBeKnown"`,
};

/** Of messages that are confirmed at the end, with parameters. */
const LOOK_PRUNED_TEXT = LOOK_KNOWN.text(["$1", "$2", "true"]);

/**
 * The statement to follow the inserts in a query that holds others as well: it answers with one row of
 * a boolean, which says that some may be known.
 *
 * @param isConfirmed see {@linkcode knownEnd}
 */
export async function lookKnownText(
  session: Session,
  ledger: LedgerEntries,
  isConfirmed: boolean,
): Promise<string> {
  const [sources, sequences] = lowestOf(ledger);
  return await session.callText(LOOK_KNOWN, [
    `'${sources}'`,
    `'${sequences}'`,
    String(isConfirmed),
  ]);
}

/** Entries just inserted may be of messages that were pruned: the slow way tells. */
export async function mayBePruned(session: Session, ledger: LedgerEntries): Promise<boolean> {
  if (ledger.bySource.length === 0) return false;
  const [look] = await session.query<{ mayBeKnown: boolean }>(LOOK_PRUNED_TEXT, lowestOf(ledger));
  return look?.mayBeKnown !== false;
}
