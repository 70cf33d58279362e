/**
 * Makes sure, at the end of a transaction, that no message it wrote is known by a span that it could
 * not see, nor any of its own spans by an entry or span of others.
 *
 * Whoever writes spans takes a lock of the source alone, whoever writes entries shares it; then each
 * looks, by a snapshot newer than the lock, and commits. Of two that have a message in common the later
 * one sees what the earlier committed, fails, and asks the ledger. The lock comes last and is held for
 * the look and the COMMIT only: nothing that may take long is behind it. Entries that share it do not
 * wait for each other: of those the unique index tells.
 *
 * Transactions below `source.span_end` only have to: behind it there are no spans (see
 * span_ends.ts).
 */
import { argumentsOf } from "./ledger_entries.ts";
import { type LedgerEntries, narrowed, type SourceEntries } from "./ledger_groups.ts";
import { lowestBySource, notKnownSql } from "./ledger_looks.ts";
import {
  BLOCK_SEQUENCES,
  hasSequence,
  isInSpan,
  isMessageInSpan,
  isOfBlock,
} from "./ledger_span_sql.ts";
import { maskText, type SpannedEntries } from "./ledger_spans.ts";
import type { Session } from "./session.ts";
import { FAILED_CONDITION, failUnless, integerArray } from "./sql_text.ts";
import { StatementError } from "./statement_error.ts";

/** First key of the locks; the second is the source. */
const LOCK_CLASS = 0x53544143; // "STAC"

/** What PostgreSQL quotes when a look fails. */
const UNCONFIRMED = "messages in spans, of source ";

/**
 * SQL: what is looked at is found by the index from here on. PostgreSQL keeps the plan of a prepared
 * statement: one made while a table is small would read all of it once it has grown.
 */
const BY_INDEX = "pg_catalog.set_config('enable_seqscan', 'off', true)";

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
  const locks = sources.map((source) => `${name}(${LOCK_CLASS}, ${source})`);
  return `SELECT ${[...locks, BY_INDEX].join(", ")}`;
}

/**
 * Of entries written each by itself that no span has one of the sequences; and that none was pruned: a
 * span that was is not there any more.
 */
const CONFIRM_ENTRIES = {
  name: "state_tables_confirm_entries",
  types: ["int", "bigint[]", "bigint"],
  text: ([source = "", sequences = "", lowest = ""]: readonly string[]): string =>
    `SELECT ${
      failUnless(
        `NOT EXISTS (SELECT FROM unnest(${sequences}::bigint[]) u(seq)
          WHERE ${isInSpan(`${source}::int`, "u.seq")})
        AND ${notKnownSql([source, lowest, "true"])}`,
        `'${UNCONFIRMED}', ${source}`,
      )
    } AS "isConfirmed"`,
};

/**
 * Of the blocks of spans that nothing else in the ledger has one of their sequences: as many spans as
 * were written have some, and no entry has one.
 */
function confirmSpansSql({ source, blocks, spans }: SpannedEntries): string {
  const starts = integerArray(blocks.map(({ start }) => start));
  const masks = `{${blocks.map(maskText).join(",")}}`;
  const first = blocks[0]?.identities[0]?.sequence ?? 0;
  const last = blocks.at(-1)?.identities.at(-1)?.sequence ?? 0;
  const spansThere = `(SELECT pg_catalog.count(*) FROM state_tables.delivered_span p
          WHERE ${isOfBlock(String(source), "u.start")}
            AND pg_catalog.bit_count(p.mask & u.mask) > 0)`;
  const entriesThere = `(SELECT pg_catalog.count(*) FROM state_tables.delivered d
          WHERE d.source = ${source} AND d.seq >= u.start AND d.seq < u.start + ${BLOCK_SEQUENCES}
            AND ${hasSequence("u.mask", "d.seq")})`;
  return `SELECT ${
    failUnless(
      `(SELECT pg_catalog.sum(${spansThere}) = ${spans} AND pg_catalog.sum(${entriesThere}) = 0
          FROM unnest('${starts}'::bigint[], '${masks}'::varbit[]) u(start, mask))
        AND (SELECT s.span_end >= ${last} AND (${first} <= s.pruned_seq) IS NOT TRUE
          FROM state_tables.source s WHERE s.id = ${source})`,
      `'messages known, of source ', ${source}`,
    )
  } AS "isConfirmed"`;
}

/** Of entries alone. */
export async function confirmEntriesText(
  session: Session,
  ledger: LedgerEntries,
): Promise<Confirmation> {
  const sources = ledger.bySource.map(({ source }) => source);
  return confirmation(sources, "shared", await entriesTexts(session, ledger));
}

/** Of spans. */
export function confirmSpansText(spanned: SpannedEntries): Confirmation {
  return confirmation([spanned.source], "alone", [confirmSpansSql(spanned)]);
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

/** A span has one of the messages, or had before it was pruned. */
function foundText(group: SourceEntries): string {
  const [source = "", sequences, times] = argumentsOf(group);
  return `SELECT FROM unnest(${sequences}::bigint[], ${times}::bigint[]) u(seq, ns)
    JOIN state_tables.source s ON s.id = ${source}
    WHERE (u.seq <= s.pruned_seq AND u.ns <= s.pruned_ns)
      OR ${isMessageInSpan("s.id", "u.seq", "u.ns")}`;
}

/** {@linkcode confirmStepsTexts} found a message in a span; nothing is committed. */
export function isUnconfirmed(error: unknown): boolean {
  return error instanceof StatementError && error.sqlState === FAILED_CONDITION &&
    error.message.includes(UNCONFIRMED);
}

/**
 * The lock of a source was not had in time: at the end of a transaction nothing else is waited for, but
 * what a deferred trigger locks.
 */
export function isTurnMissed(error: StatementError): boolean {
  return error.sqlState === "55P03" && !error.isNested;
}
