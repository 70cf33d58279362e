/**
 * Makes sure, at the end of a transaction, that no message it wrote is known by a range that it could
 * not see, nor any range of its own by an entry or range of others.
 *
 * Whoever writes ranges takes a lock of the source alone, whoever writes entries shares it; then each
 * looks, by a snapshot newer than the lock, and commits. Of two that have a message in common the later
 * one sees what the earlier committed, fails, and asks the ledger. The lock comes last and is held for
 * the look and the COMMIT only: nothing that may take long is behind it. Entries that share it do not
 * wait for each other: of those the unique index tells.
 *
 * Transactions below `source.range_end` only have to: behind it there are no ranges (see
 * range_ends.ts).
 */
import { argumentsOf } from "./ledger_entries.ts";
import { type LedgerEntries, narrowed, type SourceEntries } from "./ledger_groups.ts";
import { lowestBySource, notKnownSql } from "./ledger_looks.ts";
import { isInRange, RANGE_MAX, storedInRange } from "./ledger_range_sql.ts";
import type { RangedEntries } from "./ledger_ranges.ts";
import type { Session } from "./session.ts";
import { FAILED_CONDITION, failUnless, integerArray } from "./sql_text.ts";
import { StatementError } from "./statement_error.ts";

/** First key of the locks; the second is the source. */
const LOCK_CLASS = 0x53544143; // "STAC"

/** What PostgreSQL quotes when a look fails. */
const UNCONFIRMED = "messages in ranges, of source ";

/** Statements for a query that holds others as well, right before its COMMIT. */
export interface Confirmation {
  readonly texts: readonly string[];
  /** Rows that they answer with: one before the lock, one with it, and one of each look. */
  readonly answers: number;
}

/** The statements in front of the looks answer with so many rows. */
export const ANSWERS_BEFORE_LOOKS = 2;

function lockText(sources: readonly number[], mode: "alone" | "shared"): string {
  const name = `pg_catalog.pg_advisory_xact_lock${mode === "alone" ? "" : "_shared"}`;
  return `SELECT ${sources.map((source) => `${name}(${LOCK_CLASS}, ${source})`).join(", ")}`;
}

/**
 * Of entries written each by itself that no range has one of the sequences; and that none was pruned:
 * a range that was is not there any more.
 */
const CONFIRM_ENTRIES = {
  name: "state_tables_confirm_entries",
  types: ["int", "bigint[]", "bigint"],
  text: ([source = "", sequences = "", lowest = ""]: readonly string[]): string =>
    `SELECT ${
      failUnless(
        `NOT EXISTS (SELECT FROM unnest(${sequences}::bigint[]) u(seq)
          WHERE ${isInRange(`${source}::int`, "u.seq")})
        AND ${notKnownSql([source, lowest, "true"])}`,
        `'${UNCONFIRMED}', ${source}`,
      )
    } AS "isConfirmed"`,
};

/**
 * Of stretches of ranges that nothing else in the ledger has one of their sequences. A table that is
 * looked at for nothing must not be read from its beginning: see ledger_range_sql.ts; and counting takes
 * as long as it takes, so that no plan counts on finding something soon.
 */
const CONFIRM_RANGES = {
  name: "state_tables_confirm_ranges",
  types: ["int", "bigint[]", "bigint[]", "bigint[]"],
  text: ([source = "", firsts = "", lasts = "", own = ""]: readonly string[]): string => {
    const others = `(SELECT pg_catalog.count(*) FROM state_tables.delivered_range r
          WHERE r.source = ${source}::int AND r.seq > u.first - ${RANGE_MAX} AND r.seq <= u.last
            AND r.seq + pg_catalog.cardinality(r.stored_ns) > u.first
            AND r.seq <> ALL (${own}::bigint[])) > 0`;
    const entry = `(SELECT d.seq FROM state_tables.delivered d
          WHERE d.source = ${source}::int AND d.seq >= u.first ORDER BY d.seq LIMIT 1) <= u.last`;
    return `SELECT ${
      failUnless(
        `NOT EXISTS (SELECT FROM unnest(${firsts}::bigint[], ${lasts}::bigint[]) u(first, last)
          WHERE ${entry} OR ${others})
        AND (SELECT s.range_end >= (${lasts}::bigint[])[pg_catalog.cardinality(${lasts}::bigint[])]
            AND ((${firsts}::bigint[])[1] <= s.pruned_seq) IS NOT TRUE
          FROM state_tables.source s WHERE s.id = ${source}::int)`,
        `'ranges known, of source ', ${source}`,
      )
    } AS "isConfirmed"`;
  },
};

/** Of entries alone. */
export async function confirmEntriesText(
  session: Session,
  ledger: LedgerEntries,
): Promise<Confirmation> {
  const sources = ledger.bySource.map(({ source }) => source);
  return confirmation(sources, "shared", await entriesTexts(session, ledger));
}

/** Of ranges, and entries beside them. */
export async function confirmRangesText(
  session: Session,
  { source, ranges, rest }: RangedEntries,
): Promise<Confirmation> {
  const stretches = joined(ranges.map((range) => [
    range[0]?.sequence ?? 0,
    range.at(-1)?.sequence ?? 0,
  ]));
  const arrays = [
    stretches.map(([first]) => first),
    stretches.map(([, last]) => last),
    ranges.map((range) => range[0]?.sequence ?? 0),
  ];
  const look = await session.callText(CONFIRM_RANGES, [
    String(source),
    ...arrays.map((array) => `'${integerArray(array)}'`),
  ]);
  return confirmation([source], "alone", [look, ...await entriesTexts(session, rest)]);
}

/** The first row says that all before the lock is done. */
function confirmation(
  sources: readonly number[],
  mode: "alone" | "shared",
  looks: readonly string[],
): Confirmation {
  const texts = ["SELECT true", lockText(sources, mode), ...looks];
  return { texts, answers: texts.length };
}

async function entriesTexts(session: Session, ledger: LedgerEntries): Promise<string[]> {
  const lowest = new Map(lowestBySource(ledger));
  const texts: string[] = [];
  for (const { source, identities } of ledger.bySource) {
    const sequences = integerArray(identities.map(({ sequence }) => sequence));
    const args = [String(source), `'${sequences}'`, String(lowest.get(source))];
    texts.push(await session.callText(CONFIRM_ENTRIES, args));
  }
  return texts;
}

/** Stretches without those that only go on with the one before. */
function joined(ranges: readonly (readonly [number, number])[]): readonly [number, number][] {
  const stretches: [number, number][] = [];
  for (const [first, last] of ranges) {
    const before = stretches.at(-1);
    if (before !== undefined && before[1] + 1 === first) before[1] = last;
    else stretches.push([first, last]);
  }
  return stretches;
}

/**
 * The statements for entries that were written step by step, to go with their COMMIT. Other than those
 * above they tell messages by their stored times, too. They fail as {@linkcode isUnconfirmed} tells.
 *
 * @param known indexes of messages that were not written
 */
export function confirmStepsTexts(
  { bySource }: LedgerEntries,
  known: ReadonlySet<number>,
): readonly string[] {
  const written = bySource.map((group) => narrowed(group, (index) => !known.has(index)))
    .filter(({ identities }) => identities.length > 0);
  if (written.length === 0) return [];
  return [
    lockText(written.map(({ source }) => source), "shared"),
    ...written.map((group) =>
      `SELECT ${
        failUnless(`NOT EXISTS (${foundText(group)})`, `'${UNCONFIRMED}', ${group.source}`)
      }`
    ),
  ];
}

/** A range has one of the messages, or had before it was pruned. */
function foundText(group: SourceEntries): string {
  const [source = "", sequences, times] = argumentsOf(group);
  return `SELECT FROM unnest(${sequences}::bigint[], ${times}::bigint[]) u(seq, ns)
    JOIN state_tables.source s ON s.id = ${source}
    WHERE (u.seq <= s.pruned_seq AND u.ns <= s.pruned_ns)
      OR u.ns = ${storedInRange("s.id", "u.seq")}`;
}

/** {@linkcode confirmStepsTexts} found a message in a range; nothing is committed. */
export function isUnconfirmed(error: unknown): boolean {
  return error instanceof StatementError && error.sqlState === FAILED_CONDITION &&
    error.message.includes(UNCONFIRMED);
}
