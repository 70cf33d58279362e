/**
 * Writes the ledger's entries inside a flush's transaction: the fast way, which fails when any
 * message is known, and the slow way, which tells the known ones. Entries go in sorted by key, as
 * overlapping flushes of two instances would deadlock otherwise. The ledger's own integers are
 * spliced into the statements; they are checked to be integers.
 */
import { StoreUnavailableError } from "../errors.ts";
import { type MessageIdentity, storedNs } from "../ingest/delivery.ts";
import {
  indexOf,
  inOrder,
  type LedgerEntries,
  narrowed,
  type SourceEntries,
} from "./ledger_groups.ts";
import { mayBePruned } from "./ledger_looks.ts";
import { isMessageInSpan } from "./ledger_span_sql.ts";
import type { Session } from "./session.ts";
import { FAILED_CONDITION, failUnless, integerArray } from "./sql_text.ts";
import { StatementError } from "./statement_error.ts";

/**
 * Rows of source, sequence and stored time in the order of the primary key, but those that were pruned
 * or stand in a span. (Only the bare name `unnest` takes several arrays.)
 */
function insertText(group: SourceEntries): string {
  return insertOf(
    argumentsOf(group),
    `AND (u.seq <= s.span_end AND ${isMessageInSpan("s.id", "u.seq", "u.ns")}) IS NOT TRUE`,
  );
}

/** @param condition SQL for more to leave out */
function insertOf([source, sequences, times]: readonly string[], condition = ""): string {
  return `INSERT INTO state_tables.delivered (source, seq, stored_ns)
    SELECT s.id, u.seq, u.ns FROM state_tables.source s
    CROSS JOIN unnest(${sequences}::bigint[], ${times}::bigint[]) u(seq, ns)
    WHERE s.id = ${source}
      AND (u.seq <= s.pruned_seq AND u.ns <= s.pruned_ns) IS NOT TRUE
      ${condition}
    ORDER BY u.seq, u.ns`;
}

/** Source, sequences and times as SQL. */
export function argumentsOf({ source, identities }: SourceEntries): string[] {
  const [sequences, times] = keyArrays(identities);
  return [String(source), `'${sequences}'`, `'${times}'`];
}

/** Sequences and stored times, as PostgreSQL's array text. */
export function keyArrays(identities: readonly MessageIdentity[]): [string, string] {
  return [
    integerArray(identities.map(({ sequence }) => sequence)),
    integerArray(identities.map(storedNs)),
  ];
}

/** Inserts as {@linkcode insertOf}, and fails unless their number is the last argument. */
const INSERT_ALL = {
  name: "state_tables_enter",
  types: ["int", "bigint[]", "bigint[]", "int"],
  text: ([source = "", sequences = "", times = "", wanted = ""]: readonly string[]): string =>
    `WITH entered AS (${insertOf([source, sequences, times])} RETURNING 1)
     SELECT ${
      failUnless(
        `pg_catalog.count(*) = ${wanted}`,
        "'entries inserted: ', pg_catalog.count(*)",
      )
    } AS "areAll" FROM entered`,
};

/**
 * The statement of {@linkcode insertEntries} for one group, for a query that holds others as well: it
 * answers with one row when it inserted all of the group's, and fails when not.
 */
export async function insertAllText(session: Session, group: SourceEntries): Promise<string> {
  return await session.callText(INSERT_ALL, [
    ...argumentsOf(group),
    String(group.identities.length),
  ]);
}

/** Entries at most that {@linkcode insertFewText} is for: it answers with a row for each. */
const FEW_MAX = 16;

/** Few enough for {@linkcode insertFewText}. */
export function areFew({ bySource }: LedgerEntries): boolean {
  return bySource.reduce((sum, { identities }) => sum + identities.length, 0) <= FEW_MAX;
}

/** Inserts without a look: a third less work for PostgreSQL than {@linkcode INSERT_ALL}. */
const INSERT_FEW = {
  name: "state_tables_enter_few",
  types: ["int", "bigint[]", "bigint[]"],
  text: ([source = "", sequences = "", times = ""]: readonly string[]): string =>
    `INSERT INTO state_tables.delivered (source, seq, stored_ns)
     SELECT ${source}::int, u.seq, u.ns FROM unnest(${sequences}::bigint[], ${times}::bigint[]) u(seq, ns)
     RETURNING 1`,
};

/**
 * The statement that inserts few entries, for a query that holds others as well: it answers with a row
 * for each. A statement behind it has to make sure that none was pruned, that the source's number is
 * still the ledger's, and that the ledger {@linkcode LEDGER_IS_PLAIN}.
 */
export async function insertFewText(session: Session, group: SourceEntries): Promise<string> {
  const ordered = { ...group, identities: inOrder(group.identities) };
  return await session.callText(INSERT_FEW, argumentsOf(ordered));
}

/**
 * SQL: whatever is inserted into the ledger is there afterwards, as no trigger or rule can turn it away.
 * Whoever makes one waits for the transaction that inserted. PostgreSQL plans a prepared statement anew
 * when a table that it names in this way is gone.
 */
export const LEDGER_IS_PLAIN = `(SELECT NOT (l.relhastriggers OR l.relhasrules)
    FROM pg_catalog.pg_class l WHERE l.oid = 'state_tables.delivered'::regclass)`;

/** {@linkcode insertAllText} left some out; PostgreSQL says 23505 where they are in the ledger. */
export function isLedgerConflict(error: unknown): boolean {
  return error instanceof StatementError &&
    (isDuplicateEntry(error) || error.sqlState === FAILED_CONDITION);
}

/**
 * Inserts all entries; false when some were left out because they were pruned, or may have been pruned
 * meanwhile, or all because the source's number is gone: the transaction is to be rolled back, and
 * the slow way tells.
 *
 * @throws {StatementError} for which {@linkcode isDuplicateEntry} holds, when any is known
 */
export async function insertEntries(session: Session, ledger: LedgerEntries): Promise<boolean> {
  let isComplete = true;
  for (const group of ledger.bySource) {
    isComplete &&= await session.modify(insertText(group)) === group.identities.length;
  }
  return isComplete && !await mayBePruned(session, ledger);
}

/** True when the ledger, and no unique index of anybody else, knows a message already. */
export function isDuplicateEntry(error: unknown): boolean {
  return error instanceof StatementError && error.sqlState === "23505" &&
    error.schema === "state_tables" &&
    (error.table === "delivered" || error.table === "delivered_span");
}

/**
 * Inserts what is missing and answers with the indexes of those that were known.
 *
 * @throws {StoreUnavailableError} a number is not the ledger's any more: it was dropped and made anew;
 *   or entries were not inserted and are not there either, so that nobody can tell what is known
 */
export async function insertMissingEntries(
  session: Session,
  ledger: LedgerEntries,
): Promise<ReadonlySet<number>> {
  const known = new Set<number>();
  for (const group of ledger.bySource) {
    await assertSource(session, group.source);
    const inserted = await session.queryOnce<{ seq: string; stored_ns: string }>(
      `${insertText(group)} ON CONFLICT DO NOTHING RETURNING seq, stored_ns`,
    );
    const fresh = new Set(inserted.map(({ seq, stored_ns }) => `${seq}:${stored_ns}`));
    group.identities.forEach((identity, at) => {
      // Deleted when met, so that a message that stands in the list twice is written once.
      const isFresh = fresh.delete(`${identity.sequence}:${storedNs(identity)}`);
      if (!isFresh) known.add(indexOf(group, at));
    });
  }
  if (await mayBePruned(session, ledger)) await addPruned(session, ledger, known);
  if (known.size > 0) await assertKept(session, ledger, known);
  return known;
}

/**
 * Adds the messages whose entries were inserted anew behind the pruner; see ledger_looks.ts.
 * Such an entry stays in the ledger: it is one for a rare race, and says what is true.
 */
async function addPruned(
  session: Session,
  ledger: LedgerEntries,
  known: Set<number>,
): Promise<void> {
  for (const group of ledger.bySource) {
    const fresh = narrowed(group, (index) => !known.has(index));
    if (fresh.identities.length === 0) continue;
    const [source, sequences, times] = argumentsOf(fresh);
    const pruned = await session.queryOnce<{ number: number }>(
      `SELECT u.number::int AS number
       FROM unnest(${sequences}::bigint[], ${times}::bigint[]) WITH ORDINALITY u(seq, ns, number)
       JOIN state_tables.source s ON s.id = ${source}
         AND u.seq <= s.pruned_seq AND u.ns <= s.pruned_ns`,
    );
    const numbers = new Set(pruned.map(({ number }) => number));
    fresh.identities.forEach((_, at) => {
      if (numbers.has(at + 1)) known.add(indexOf(fresh, at));
    });
  }
}

/**
 * An entry that was not inserted proves nothing: a trigger of somebody's may have turned it away, and
 * taking the message for written would lose it. Looks behind all inserts, by a newer snapshot: an
 * entry that another transaction had, or that was pruned meanwhile, is seen as it is now.
 */
async function assertKept(
  session: Session,
  ledger: LedgerEntries,
  known: ReadonlySet<number>,
): Promise<void> {
  for (const group of ledger.bySource) {
    const asked = narrowed(group, (index) => known.has(index));
    if (asked.identities.length === 0) continue;
    const absent = await session.queryOnce(absentText(asked));
    if (absent.length === 0) continue;
    throw new StoreUnavailableError(
      `Cannot write the ledger as state_tables.delivered did not keep ${absent.length} of ` +
        `${group.identities.length} entries: drop the trigger or policy on that table which keeps them out`,
    );
  }
}

/** Selects those that neither have an entry, nor stand in a span, nor were pruned. */
function absentText(group: SourceEntries): string {
  const [source, sequences, times] = argumentsOf(group);
  return `SELECT FROM unnest(${sequences}::bigint[], ${times}::bigint[]) u(seq, ns)
    WHERE NOT EXISTS (SELECT FROM state_tables.delivered d
        WHERE d.source = ${source} AND d.seq = u.seq AND d.stored_ns = u.ns)
      AND NOT ${isMessageInSpan(String(source), "u.seq", "u.ns")}
      AND NOT EXISTS (SELECT FROM state_tables.source s
        WHERE s.id = ${source} AND u.seq <= s.pruned_seq AND u.ns <= s.pruned_ns)`;
}

/**
 * A number that the ledger does not have would make every message a known one. Reading it keeps the
 * table locked against being dropped until the transaction ends.
 */
async function assertSource(session: Session, source: number): Promise<void> {
  const found = await session.query("SELECT FROM state_tables.source WHERE id = $1::int", [source]);
  if (found.length === 1) return;
  throw new StoreUnavailableError(
    `Cannot write the ledger as it does not have the source ${source} any more`,
    { sqlState: "42P01" }, // undefined_table: it was dropped, whoever made it anew
  );
}
