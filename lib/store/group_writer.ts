/**
 * Writes small flushes of several tables in one transaction: the ledger is written once, the commit
 * is waited for once, and all of it goes as one query, whose rows are sent once the ledger and the
 * tables were looked at. It is the careless try only: it waits for no
 * lock and isolates nothing. Whatever is not as expected rolls everything back, and each flush is to
 * be written by itself, with all care.
 */
import { StoreUnavailableError } from "../errors.ts";
import type { Flush } from "../ingest/ports.ts";
import type { TableDescription } from "../schema/table_description.ts";
import { copyBytes, copyText } from "./copy_rows.ts";
import type { FlushWriterOptions } from "./flush_writer.ts";
import { groupBySource } from "./ledger_groups.ts";
import { lookKnownText } from "./ledger_looks.ts";
import { isLedgerRefusal, ledgerWriting } from "./ledger_writing.ts";
import type { Session } from "./session.ts";
import type { SessionPool } from "./session_pool.ts";
import type { SourceIds } from "./source_ids.ts";
import type { SpanEnds } from "./span_ends.ts";
import { qualifiedName } from "./sql_text.ts";
import { StatementError } from "./statement_error.ts";
import { checkPlansText, refusalOfKind } from "./table_reader.ts";
import {
  assertCommitted,
  beginText,
  commitUnknown,
  rollBack,
  type TransactionTimeouts,
} from "./transaction.ts";

/** Rows of a flush that shares a transaction, at most. */
const ROWS_MAX = 1_000;

/** Their bytes: they are copied once more than those of other flushes. */
const BYTES_MAX = 64 * 1024;

/** Longest statement of a group, in milliseconds: a slow trigger must not hold up other tables. */
const STATEMENT_MS_MAX = 2_000;

/** A flush that may share a transaction. */
export interface SmallFlush extends Flush {
  readonly table: TableDescription;
}

/** Something was not as expected: nothing was written, and each flush is to be written by itself. */
export class GroupRefused extends Error {
  override readonly name = "GroupRefused";
}

/** True when the flush is small, has nothing but rows, and sends one COPY. */
export function isSmall(flush: Flush): flush is SmallFlush {
  const { table, rows, runs, rejects, messages } = flush;
  return table !== null && refusalOfKind(table.relationKind) === null && rejects.length === 0 &&
    rows.count > 0 && rows.count <= ROWS_MAX && (rows.ends[rows.count - 1] ?? 0) <= BYTES_MAX &&
    runs.length === 1 && runs[0] !== undefined && runs[0].columns.length > 0 &&
    messages.replays.size === 0;
}

/** Writes groups; see the top of this file. */
export class GroupWriter {
  readonly #pool: SessionPool;
  readonly #timeouts: TransactionTimeouts;
  readonly #sourceIds: SourceIds;
  readonly #spanEnds: SpanEnds;
  /** See `FlushWriter`. */
  readonly #withOtherLedger = new WeakSet<Session>();

  constructor({ pool, timeouts, sourceIds, spanEnds }: FlushWriterOptions) {
    this.#pool = pool;
    this.#timeouts = timeouts;
    this.#sourceIds = sourceIds;
    this.#spanEnds = spanEnds;
  }

  /**
   * Writes all flushes, of tables that differ; resolves to the rows written of each.
   *
   * @throws {GroupRefused} nothing was written
   * @throws {StoreUnavailableError} as `TableStore.write` does
   */
  async write(flushes: readonly SmallFlush[]): Promise<readonly number[]> {
    using lease = await this.#pool.acquire("flush");
    const { session } = lease;
    const progress = { isChecked: false, isSent: false };
    let entries: readonly Uint8Array[] = [];
    try {
      const identities = flushes.filter(({ usesLedger }) => usesLedger)
        .flatMap(({ messages }) => messages.identities);
      const ledger = await groupBySource(session, this.#sourceIds, identities);
      const writing = await ledgerWriting(session, ledger, {
        isLedgerPlain: !this.#withOtherLedger.has(session),
        mayBeFew: false,
        spanEnds: this.#spanEnds,
      });
      entries = writing.copies;
      const { confirmation } = writing;
      const look = await lookKnownText(session, ledger, confirmation !== null);
      const writeEntries = [...writing.texts, look];
      const confirm = confirmation?.texts ?? [];
      const answers: Answer[] = [];
      const { rows, tag } = await session.copyLittle(
        {
          text: queryText(flushes, { writeEntries, confirm, timeouts: this.#timeouts }),
          ahead: entries.map((data) => [data]),
          behind: flushes.map((flush) => copyBytes(flush, [{ from: 0, to: flush.rows.count }])),
        },
        {
          onRow: (answer) => answers.push(answer),
          onReady: () => {
            progress.isChecked = true;
            check(answers, flushes.map(({ table }) => table));
          },
          onEnd: () => {
            progress.isSent = true;
          },
        },
      );
      assertCommitted(tag);
      return rows.slice(entries.length);
    } catch (error) {
      await rollBack(session);
      if (error instanceof StoreUnavailableError && progress.isSent) throw commitUnknown(error);
      if (!(error instanceof StatementError)) throw error;
      const isNoCopy = entries.length > 0 && !progress.isChecked && isLedgerRefusal(error);
      if (isNoCopy) this.#withOtherLedger.add(session);
      throw new GroupRefused(error.message, { cause: error });
    }
  }
}

/**
 * What the statements before the first COPY of rows answer: a row for each table with its number, its
 * fingerprint, and whether row-level security applies; some from the ledger; and a look at it, which
 * says whether some of the messages may be known.
 */
type Answer = readonly (string | null)[];

/** How a boolean is spelled as text. */
const FALSE = "f";

/** Everything from BEGIN to COMMIT; the server waits for the check behind the ledger's statements. */
function queryText(
  flushes: readonly SmallFlush[],
  { writeEntries, confirm, timeouts }: {
    readonly writeEntries: readonly string[];
    readonly confirm: readonly string[];
    readonly timeouts: TransactionTimeouts;
  },
): string {
  const tables = flushes.map(({ table }) => table);
  const statementMs = Math.min(STATEMENT_MS_MAX, timeouts.statementMs);
  return [
    beginText({ ...timeouts, statementMs }),
    `LOCK TABLE ${tables.map(qualifiedName).join(", ")} IN ROW EXCLUSIVE MODE NOWAIT`,
    checkPlansText(tables),
    ...writeEntries,
    ...flushes.map((flush) => copyText(flush.table, flush, flush.runs[0]?.columns ?? [])),
    ...confirm,
    "COMMIT",
  ].join(";\n");
}

/** Everything is as it was encoded for, and no message is known. */
function check(
  answers: readonly Answer[],
  tables: readonly TableDescription[],
): void {
  for (const [index, table] of tables.entries()) {
    const [number, fingerprint, hasRowSecurity] = answers[index] ?? [];
    const isAsExpected = number === String(index + 1) && fingerprint === table.fingerprint &&
      hasRowSecurity === FALSE;
    if (!isAsExpected) throw new GroupRefused(`the table ${table.name} changed`);
  }
  const [mayBeKnown] = answers.at(-1) ?? [];
  if (mayBeKnown !== FALSE) throw new GroupRefused("some messages were written before");
}
