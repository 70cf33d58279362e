/**
 * Makes indexes on tables that exist, without keeping writers out: CREATE INDEX CONCURRENTLY, which
 * can take minutes and runs outside of any transaction. So it uses a connection of its own beside the
 * pool's, open only while it builds, one index at a time in this program and one instance at a time
 * per table. The instances agree by a session lock, which a pooler in transaction mode would lose:
 * with prepared statements off nothing is built. A build cut short leaves an invalid index, dropped
 * before the next try; a change of the table cancels the build rather than wait for it.
 */
import type { Clock } from "../clock.ts";
import { StoreUnavailableError } from "../errors.ts";
import type { TableIdentity } from "../ingest/ports.ts";
import type { Log } from "../log.ts";
import { backoffDelayMs } from "../retry.ts";
import { resolveColumn } from "../schema/column_keys.ts";
import { indexName } from "../schema/identifiers.ts";
import { withOwnSession } from "./own_session.ts";
import { recordChanges } from "./schema_changes.ts";
import type { Session } from "./session.ts";
import type { SessionPool } from "./session_pool.ts";
import { qualifiedName, textArray } from "./sql_text.ts";
import { StatementError } from "./statement_error.ts";
import { indexSql } from "./table_definition.ts";
import { tryIndexLock } from "./table_lock.ts";
import { type FoundTable, readTable } from "./table_reader.ts";

/** Tables that may wait for their turn. */
const WAITING_MAX = 1_000;

/** Builds of one index before it is left for the next call. */
const TRIES_MAX = 3;

/** Between two tries: whoever cancelled the build should be done. */
const RETRY_BACKOFF = { initialMs: 1_000, maxMs: 5_000 };

/** Longest build of one index, and longest wait inside it for transactions older than it. */
const STATEMENT_MS_MAX = 3_600_000;
const LOCK_MS_MAX = 60_000;

/** Longest use of the connection. */
const SESSION_MS_MAX = 4 * STATEMENT_MS_MAX;

/** Columns that lead no usable index, in the order of the table. */
const UNINDEXED = `SELECT a.attname AS name FROM pg_catalog.pg_attribute a
WHERE a.attrelid = $1::bigint::oid AND a.attname = ANY ($2::text[]) AND NOT a.attisdropped
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i
    WHERE i.indrelid = a.attrelid AND i.indkey[0] = a.attnum AND i.indisvalid
      AND i.indpred IS NULL)
ORDER BY a.attnum`;

/** An index of this name whose build ended too soon, and not one that is being built. */
const LEFTOVER = `SELECT c.relname AS name FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = $1::bigint::oid AND c.relname = $2::text AND NOT i.indisvalid
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p
    WHERE p.index_relid = i.indexrelid)`;

/** What a builder works with. */
export interface IndexBuilderOptions {
  readonly pool: SessionPool;
  /** Opens a connection outside of the pool; null behind a pooler in transaction mode. */
  readonly open: (() => Promise<Session>) | null;
  /** Where tables go. */
  readonly schema: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Builds indexes; see the top of this file. */
export class IndexBuilder {
  readonly #options: IndexBuilderOptions;
  readonly #closed = new AbortController();
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(options: IndexBuilderOptions) {
    this.#options = options;
  }

  /** See {@linkcode TableStore.ensureIndexes}. */
  async ensure(table: TableIdentity, keys: readonly string[]): Promise<void> {
    if (keys.length === 0 || this.#closed.signal.aborted) return;
    if (this.#waiting >= WAITING_MAX) {
      this.#leave(table.fullName, `${WAITING_MAX} tables wait for theirs`);
      return;
    }
    this.#waiting++;
    const turn = this.#turn.then(() => this.#ensureNow(table, keys));
    this.#turn = turn.catch(() => {}).finally(() => this.#waiting--); // the caller has the error
    await turn;
  }

  /** Ends the build under way; the next start makes the index. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#turn;
  }

  async #ensureNow(identity: TableIdentity, keys: readonly string[]): Promise<void> {
    try {
      const table = await this.#findTable(identity, keys);
      if (table !== null) await this.#build(table, keys);
    } catch (error) {
      const isPassing = error instanceof StatementError || error instanceof StoreUnavailableError;
      if (!isPassing && error !== this.#closed.signal.reason) throw error;
      if (!this.#closed.signal.aborted) this.#leave(identity.fullName, String(error));
    }
  }

  /** The table, when indexes are missing and can be made. */
  async #findTable(identity: TableIdentity, keys: readonly string[]): Promise<FoundTable | null> {
    const { pool, schema, open } = this.#options;
    if (this.#closed.signal.aborted) return null;
    using lease = await pool.acquire("lookup");
    const table = await readTable(lease.session, schema, identity);
    if (table === null) return null;
    const missing = await unindexedColumns(lease.session, table, keys);
    if (missing.length === 0) return null;
    const why = open === null
      ? "that needs a session of its own, and prepared statements are off"
      : refusalOf(table);
    if (why === null) return table;
    this.#leave(table.name, why);
    return null;
  }

  async #build(table: FoundTable, keys: readonly string[]): Promise<void> {
    const { open, clock } = this.#options;
    if (open === null) return;
    const { signal } = this.#closed;
    const statementMs = STATEMENT_MS_MAX;
    const sessionMs = SESSION_MS_MAX;
    await withOwnSession({ open, clock, signal, statementMs, sessionMs }, async (session) => {
      await session.execute(`SET lock_timeout = ${LOCK_MS_MAX}`);
      if (!await tryIndexLock(session, table.oid)) return; // another instance is at it
      for (const column of await unindexedColumns(session, table, keys)) {
        await this.#buildPatiently(session, table, column);
      }
    });
  }

  async #buildPatiently(session: Session, table: FoundTable, column: string): Promise<void> {
    const { clock, log } = this.#options;
    let refusal = "";
    for (let tries = 1; tries <= TRIES_MAX; tries++) {
      await dropLeftover(session, table, column);
      try {
        await ensureIndex(session, table, column);
        log.info("Index created", { table: table.name, column });
        return;
      } catch (error) {
        if (!(error instanceof StatementError)) throw error;
        refusal = error.message;
        if (error.kind !== "transient") break;
        await clock.delay(backoffDelayMs(tries, RETRY_BACKOFF), this.#closed.signal);
      }
    }
    await dropLeftover(session, table, column);
    this.#leave(table.name, `PostgreSQL says: ${refusal}`);
  }

  #leave(table: string, reason: string): void {
    this.#options.log.warn("Cannot create an index of indexColumns at the moment", {
      table,
      reason,
    });
  }
}

function refusalOf(table: FoundTable): string | null {
  if (!table.isOwned) return "the role does not own the table";
  return table.relationKind === "r" ? null : "it is no ordinary table";
}

/** Names of the keys' columns that lead no usable index. */
async function unindexedColumns(
  session: Session,
  table: FoundTable,
  keys: readonly string[],
): Promise<readonly string[]> {
  const columns = keys.flatMap((key) => {
    const resolution = resolveColumn(table.columns, key);
    const column = resolution.kind === "column" ? table.columns[resolution.index] : undefined;
    return column === undefined ? [] : [column.name];
  });
  return await withoutIndex(session, table, columns);
}

async function withoutIndex(
  session: Session,
  table: FoundTable,
  columns: readonly string[],
): Promise<readonly string[]> {
  const rows = await session.query<{ name: string }>(UNINDEXED, [table.oid, textArray(columns)]);
  return rows.map(({ name }) => name);
}

/** A widening that cancelled an earlier try has rebuilt what that left, and made it valid. */
async function ensureIndex(session: Session, table: FoundTable, column: string): Promise<void> {
  const missing = await withoutIndex(session, table, [column]);
  if (missing.length > 0) {
    const index = indexSql(table.name, qualifiedName(table), column);
    await session.execute(`CREATE INDEX CONCURRENTLY ${index}`);
  }
  await recordIndex(session, table, column);
}

async function dropLeftover(session: Session, table: FoundTable, column: string): Promise<void> {
  const name = indexName(table.name, column);
  const [leftover] = await session.query<{ name: string }>(LEFTOVER, [table.oid, name]);
  if (leftover === undefined) return;
  await session.execute(
    `DROP INDEX CONCURRENTLY ${qualifiedName({ schema: table.schema, name: leftover.name })}`,
  );
}

async function recordIndex(session: Session, table: FoundTable, columnName: string): Promise<void> {
  await recordChanges(
    session,
    table,
    [{ columnName, change: "create index", fromType: null, toType: null }],
    { reason: "indexColumns", cause: null, source: null },
  );
}
