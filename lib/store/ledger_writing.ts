/**
 * How a flush's entries get into the ledger where everything from BEGIN to COMMIT is one query: which
 * statements write them, with which data, and which stand before COMMIT. Many go by COPY, as spans
 * where they are near each other; few by an INSERT that nothing proves complete; others by one that is
 * counted.
 */
import { type Confirmation, confirmEntriesText, confirmSpansText } from "./ledger_confirm.ts";
import { LEDGER_COPY, ledgerCopy } from "./ledger_copy.ts";
import { areFew, insertAllText, insertFewText, isDuplicateEntry } from "./ledger_entries.ts";
import type { LedgerEntries } from "./ledger_groups.ts";
import { isGone } from "./ledger_guard.ts";
import { SPAN_COPY, spanCopy, type SpannedEntries, spannedEntries } from "./ledger_spans.ts";
import type { Session } from "./session.ts";
import type { SpanEnds } from "./span_ends.ts";
import { failUnless, integerArray } from "./sql_text.ts";
import type { StatementError } from "./statement_error.ts";

/**
 * Joined by name: the table may have been dropped and made anew since this was prepared. Whoever makes
 * a trigger waits for the transaction that copied.
 */
const ASSERT_COPIED = {
  name: "state_tables_assert_copied",
  types: ["int[]"],
  text: ([sources = ""]: readonly string[]): string => {
    const found =
      `(SELECT pg_catalog.count(*) FROM state_tables.source s WHERE s.id = ANY (${sources}::int[]))`;
    const triggers = `(SELECT pg_catalog.count(*) FROM pg_catalog.pg_trigger t
      JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
        AND c.relname IN ('delivered', 'delivered_span')
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'state_tables')`;
    return `SELECT ${
      failUnless(
        `${found} = pg_catalog.cardinality(${sources}::int[]) AND ${triggers} = 0`,
        `'sources: ', ${found}, ', triggers on the ledger: ', ${triggers}`,
      )
    } AS "areCopied"`;
  },
};

/** Statements that write the ledger, for a query that holds others as well. */
export interface LedgerWriting {
  /** They fail when a message is known; counted ones when it was pruned, too. */
  readonly texts: readonly string[];
  /** Rows that they answer with. */
  readonly answers: number;
  /** Data of the COPYs among them, in their order. */
  readonly copies: readonly Uint8Array[];
  /** The entries are there when the statements succeed; else the ledger has to be plain. */
  readonly areCounted: boolean;
  /** What has to stand right before COMMIT; null where no spans can be. */
  readonly confirmation: Confirmation | null;
}

/** In which ways entries may be written. */
export interface LedgerWays {
  /** As far as is known the ledger keeps whatever is put into it, so that COPY is worth a try. */
  readonly isLedgerPlain: boolean;
  /** A statement behind them asserts that it is. */
  readonly mayBeFew: boolean;
  readonly spanEnds: SpanEnds;
}

/** The statements for these entries. Outside of a transaction. */
export async function ledgerWriting(
  session: Session,
  ledger: LedgerEntries,
  { isLedgerPlain, mayBeFew, spanEnds }: LedgerWays,
): Promise<LedgerWriting> {
  const { bySource } = ledger;
  const sources = integerArray(bySource.map(({ source }) => source));
  // With a statement prepared the connection is open: from then on data may be sent ahead.
  const assertCopied = await session.callText(ASSERT_COPIED, [`'${sources}'`]);
  const mayCopy = isLedgerPlain && session.maySendAhead;
  const spanned = mayCopy ? spannedEntries(ledger) : null;
  if (spanned !== null && await spanEnds.allow(session, spanned.source, reachOf(spanned))) {
    return {
      texts: [SPAN_COPY, assertCopied],
      answers: 1,
      copies: [spanCopy(spanned)],
      areCounted: true,
      confirmation: confirmSpansText(spanned),
    };
  }
  const ways = { assertCopied: mayCopy ? assertCopied : null, mayBeFew };
  const writing = await entriesWriting(session, ledger, ways);
  const confirmation = spanEnds.reach(ledger) ? await confirmEntriesText(session, ledger) : null;
  return { ...writing, confirmation };
}

/** The highest sequence of the spans, and their messages. */
function reachOf({ blocks }: SpannedEntries): { sequence: number; messages: number } {
  return {
    sequence: blocks.at(-1)?.identities.at(-1)?.sequence ?? 0,
    messages: blocks.reduce((sum, { identities }) => sum + identities.length, 0),
  };
}

/**
 * With COPY they fail when a source's number is not the ledger's any more, or triggers may be there.
 *
 * @param ways.assertCopied what says so; null where there is to be no COPY
 */
async function entriesWriting(
  session: Session,
  ledger: LedgerEntries,
  { assertCopied, mayBeFew }: { readonly assertCopied: string | null; readonly mayBeFew: boolean },
): Promise<Omit<LedgerWriting, "confirmation">> {
  const data = assertCopied === null ? null : ledgerCopy(ledger);
  if (assertCopied !== null && data !== null) {
    return { texts: [LEDGER_COPY, assertCopied], answers: 1, copies: [data], areCounted: true };
  }
  const isFew = mayBeFew && areFew(ledger);
  const insertText = isFew ? insertFewText : insertAllText;
  const texts: string[] = [];
  let answers = 0;
  for (const group of ledger.bySource) {
    texts.push(await insertText(session, group));
    answers += isFew ? group.identities.length : 1;
  }
  return { texts, answers, copies: [], areCounted: !isFew };
}

/**
 * The COPY into the ledger was refused, or the look behind it, for a reason that concerns COPY only: by
 * a counted INSERT the same entries may be had.
 */
export function isLedgerRefusal(error: StatementError): boolean {
  return !isDuplicateEntry(error) && !isGone(error.sqlState) && error.kind !== "transient";
}
