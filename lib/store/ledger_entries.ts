/**
 * Writes the ledger's entries inside a flush's transaction: the fast way, which fails when any
 * message is known, and the slow way, which tells the known ones. Entries go in sorted by key, as
 * overlapping flushes of two instances would deadlock otherwise. The ledger's own integers are
 * spliced into the statements; they are checked to be integers.
 */
import { StoreUnavailableError } from "../errors.ts";
import { type MessageIdentity, storedNs, type StreamOrigin } from "../ingest/delivery.ts";
import type { Session } from "./session.ts";
import type { SourceIds } from "./source_ids.ts";
import { FAILED_CONDITION, failUnless, integerArray } from "./sql_text.ts";
import { StatementError } from "./statement_error.ts";

/** Messages of one source. */
export interface SourceEntries {
  readonly source: number;
  readonly identities: readonly MessageIdentity[];
  /** Of each its index in the list that was grouped; null when that is this list. */
  readonly indexes: readonly number[] | null;
}

/** Messages with identities, by source. */
export interface LedgerEntries {
  /** By ascending source, so that all flushes lock in one order. */
  readonly bySource: readonly SourceEntries[];
  readonly sourceOf: ReadonlyMap<StreamOrigin, number>;
}

/** Groups identities by source; null ones (core NATS) have no entry. Outside of a transaction. */
export async function groupBySource(
  session: Session,
  sourceIds: SourceIds,
  identities: readonly (MessageIdentity | null)[],
): Promise<LedgerEntries> {
  const sourceOf = new Map<StreamOrigin, number>();
  for (const origin of originsOf(identities)) {
    sourceOf.set(origin, await sourceIds.resolve(session, origin));
  }
  const sources = [...new Set(sourceOf.values())].sort((a, b) => a - b);
  const isOfSource = (source: number) => (identity: MessageIdentity): boolean =>
    sourceOf.get(identity.origin) === source;
  const [only] = sources;
  if (only !== undefined && sources.length === 1 && identities.every((one) => one !== null)) {
    return { bySource: [{ source: only, identities, indexes: null }], sourceOf };
  }
  const bySource = sources.map((source) => ({ source, ...select(identities, isOfSource(source)) }));
  return { bySource, sourceOf };
}

/** Index of an entry of the group in the list that was grouped. */
export function indexOf({ indexes }: SourceEntries, at: number): number {
  return indexes === null ? at : indexes[at] ?? -1;
}

/** Almost always one. */
function originsOf(identities: readonly (MessageIdentity | null)[]): ReadonlySet<StreamOrigin> {
  const origins = new Set<StreamOrigin>();
  let last: StreamOrigin | null = null;
  for (const identity of identities) {
    if (identity === null || identity.origin === last) continue;
    last = identity.origin;
    origins.add(last);
  }
  return origins;
}

/** Those that are asked for, with their indexes. */
function select(
  list: readonly (MessageIdentity | null)[],
  isWanted: (identity: MessageIdentity, at: number) => boolean,
): { readonly identities: MessageIdentity[]; readonly indexes: number[] } {
  const identities: MessageIdentity[] = [];
  const indexes: number[] = [];
  list.forEach((identity, at) => {
    if (identity === null || !isWanted(identity, at)) return;
    identities.push(identity);
    indexes.push(at);
  });
  return { identities, indexes };
}

/** Entries of the group whose indexes are asked for. */
export function narrowed(
  group: SourceEntries,
  isWanted: (index: number) => boolean,
): SourceEntries {
  const found = select(group.identities, (_, at) => isWanted(indexOf(group, at)));
  return {
    source: group.source,
    identities: found.identities,
    indexes: found.indexes.map((at) => indexOf(group, at)),
  };
}

/**
 * Rows of source, sequence and stored time in the order of the primary key. (Only the bare name
 * `unnest` takes several arrays.)
 */
function insertText(group: SourceEntries): string {
  return insertOf(argumentsOf(group));
}

function insertOf([source, sequences, times]: readonly string[]): string {
  return `INSERT INTO state_tables.delivered (source, seq, stored_ns)
    SELECT s.id, u.seq, u.ns FROM state_tables.source s
    CROSS JOIN unnest(${sequences}::bigint[], ${times}::bigint[]) u(seq, ns)
    WHERE s.id = ${source}
      AND (u.seq <= s.pruned_seq AND u.ns <= s.pruned_ns) IS NOT TRUE
    ORDER BY u.seq, u.ns`;
}

/** Source, sequences and times as SQL. */
function argumentsOf({ source, identities }: SourceEntries): string[] {
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

/** In the order of the primary key, as they mostly are. */
export function inOrder(identities: readonly MessageIdentity[]): readonly MessageIdentity[] {
  const isOrdered = identities.every(({ sequence }, at) =>
    at === 0 || sequence > (identities[at - 1]?.sequence ?? Infinity)
  );
  return isOrdered
    ? identities
    : identities.toSorted((a, b) =>
      a.sequence - b.sequence || a.storedSeconds - b.storedSeconds ||
      a.storedFraction - b.storedFraction
    );
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
 * Whether an entry may have been pruned, for {@linkcode lowestOf} as SQL. An insert that waited for
 * the pruner, which has the same entry, succeeds once the pruner commits, and knows the old end of
 * what was pruned only. A later statement has a newer snapshot, and sees the new one.
 */
export function mayBePrunedSql([sources, sequences]: readonly string[]): string {
  return `EXISTS (SELECT FROM unnest(${sources}::int[], ${sequences}::bigint[]) l(id, seq)
    JOIN state_tables.source s ON s.id = l.id AND l.seq <= s.pruned_seq)`;
}

/** SQL: no entry of the sources can have been pruned, and the sources are there. */
export function nonePrunedSql([sources, sequences]: readonly string[]): string {
  return `(SELECT pg_catalog.count(*)
    FROM unnest(${sources}::int[], ${sequences}::bigint[]) l(id, seq)
    JOIN state_tables.source s ON s.id = l.id AND (l.seq <= s.pruned_seq) IS NOT TRUE
    ) = pg_catalog.cardinality(${sources}::int[])`;
}

/** The same of one source; NULL when it is not there. */
export function notPrunedSql([source, sequence]: readonly string[]): string {
  return `(SELECT (${sequence}::bigint <= s.pruned_seq) IS NOT TRUE
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

const LOOK_PRUNED = {
  name: "state_tables_look_pruned",
  types: ["int[]", "bigint[]"],
  text: (args: readonly string[]): string => `SELECT ${mayBePrunedSql(args)} AS "mayBePruned"`,
};

/** {@linkcode LOOK_PRUNED} with parameters. */
const LOOK_PRUNED_TEXT = LOOK_PRUNED.text(["$1", "$2"]);

/** What {@linkcode lookPrunedText} answers with. */
interface PrunedLook {
  /** Entries just inserted may be of messages that were pruned: the slow way tells. */
  readonly mayBePruned: boolean;
}

/**
 * The statement to follow the inserts in a query that holds others as well: it answers with one row
 * of {@linkcode PrunedLook}.
 */
export async function lookPrunedText(session: Session, ledger: LedgerEntries): Promise<string> {
  return await session.callText(LOOK_PRUNED, lowestOf(ledger).map((array) => `'${array}'`));
}

async function mayBePruned(session: Session, ledger: LedgerEntries): Promise<boolean> {
  if (ledger.bySource.length === 0) return false;
  const [look] = await session.query<PrunedLook>(LOOK_PRUNED_TEXT, lowestOf(ledger));
  return look?.mayBePruned !== false;
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
    error.schema === "state_tables" && error.table === "delivered";
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
 * Adds the messages whose entries were inserted anew behind the pruner; see {@linkcode mayBePrunedSql}.
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

/** Selects those that are neither in the ledger nor below the end of what was pruned. */
function absentText(group: SourceEntries): string {
  const [source, sequences, times] = argumentsOf(group);
  return `SELECT FROM unnest(${sequences}::bigint[], ${times}::bigint[]) u(seq, ns)
    WHERE NOT EXISTS (SELECT FROM state_tables.delivered d
        WHERE d.source = ${source} AND d.seq = u.seq AND d.stored_ns = u.ns)
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
