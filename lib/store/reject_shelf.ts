/**
 * Lists, counts, purges and trims `state_tables.rejected`. Every statement waits behind flushes and
 * touches a bounded number of rows; a reject that a replay holds locked is never deleted here.
 * Replaying itself is part of a flush: see `replayed_rejects.ts`.
 */
import type {
  KeptReject,
  RejectBounds,
  RejectCount,
  RejectFilter,
  RejectOrigin,
  RejectPage,
  RejectShelf,
  RejectState,
  RejectSummary,
  TrimmedRejects,
} from "../ingest/kept_reject.ts";
import type { LedgerGuard } from "./ledger_guard.ts";
import { ADVISORY_LOCK_CLASS } from "./migrations.ts";
import type { Parameter, Session } from "./session.ts";
import type { SessionPool } from "./session_pool.ts";
import { integerArray } from "./sql_text.ts";
import { storeUnavailable } from "./statement_error.ts";
import { inTransaction, type TransactionTimeouts } from "./transaction.ts";

/** First key of the lock under which one instance trims; 1 above it stands for index builds. */
const TRIM_LOCK_CLASS = ADVISORY_LOCK_CLASS + 2;

/** Rows that one transaction of a trim drops. */
const TRIM_ROWS = 1_000;

/** Transactions of one trim at most: what is left goes with the next one. */
const TRIM_CHUNKS_MAX = 1_000;

/** What a row takes beside its texts, in bytes. */
const ROW_BYTES = 200;

const FROM = `FROM state_tables.rejected r LEFT JOIN state_tables.source s ON s.id = r.source`;

const SUMMARY = `r.id::text AS "id", r.at AS "keptAt", r.received_at AS "receivedAt", r.state,
  s.stream, s.consumer, s.created, r.seq::text AS "seq", r.stored_ns::text AS "storedNs", r.ordinal,
  r.route_id AS "routeId", r.processor_id AS "processorId", r.table_name AS "tableName",
  r.sqlstate AS "sqlState", r.column_name AS "columnName", r.constraint_name AS "constraintName",
  r.reason, coalesce(pg_catalog.octet_length(r.record), pg_catalog.octet_length(r.payload), 0)
    AS "payloadBytes"`;

/** Parameters 1 to 8, as {@linkcode filterParameters} gives them. */
const CHOICE = `($1::bigint[] IS NULL OR r.id = ANY ($1::bigint[]))
  AND ($2::text IS NULL OR r.processor_id = $2::text)
  AND ($3::text IS NULL OR r.table_name = $3::text)
  AND ($4::text IS NULL OR r.route_id = $4::text)
  AND ($5::text IS NULL OR pg_catalog.strpos(pg_catalog.lower(r.reason), pg_catalog.lower($5)) > 0)
  AND ($6::text IS NULL OR r.state = $6::text)
  AND ($7::float8 IS NULL OR r.at <= pg_catalog.now() - $7::float8 * interval '1 millisecond')
  AND ($8::float8 IS NULL OR r.at >= pg_catalog.now() - $8::float8 * interval '1 millisecond')`;

const LIST = `SELECT ${SUMMARY} ${FROM} WHERE ${CHOICE} ORDER BY r.id DESC LIMIT $9::int`;

/** Sizes are added up first, so that no payload is fetched only to be left out. */
const READ = `SELECT * FROM (
    SELECT ${SUMMARY}, r.record, r.payload, pg_catalog.sum(
      coalesce(pg_catalog.octet_length(r.record), pg_catalog.octet_length(r.payload), 0)
    ) OVER (ORDER BY r.id) AS "bytes", pg_catalog.row_number() OVER (ORDER BY r.id) AS "number"
    ${FROM} WHERE ${CHOICE} AND r.id > $9::bigint AND r.id <= $10::bigint
    ORDER BY r.id LIMIT $11::int
  ) page WHERE "number" = 1 OR "bytes" <= $12::bigint ORDER BY "number"`;

const COUNT = `SELECT pg_catalog.count(*)::int AS "rejects",
  coalesce(pg_catalog.max(r.id), 0)::text AS "lastId"
  FROM state_tables.rejected r WHERE ${CHOICE}`;

const PURGE = `DELETE FROM state_tables.rejected WHERE id IN (
    SELECT r.id FROM state_tables.rejected r WHERE ${CHOICE} AND r.id <= $9::bigint
    ORDER BY r.id LIMIT $10::int FOR UPDATE SKIP LOCKED
  ) RETURNING id`;

const RESTATE = `UPDATE state_tables.rejected SET reason = $2::text, sqlstate = NULL,
  column_name = NULL, constraint_name = NULL WHERE id = $1::bigint AND reason <> $2::text`;

const TRIM_FOR_AGE = `DELETE FROM state_tables.rejected WHERE id IN (
    SELECT id FROM state_tables.rejected
    WHERE state = 'rejected' AND at < pg_catalog.now() - $1::float8 * interval '1 millisecond'
    ORDER BY id LIMIT ${TRIM_ROWS} FOR UPDATE SKIP LOCKED
  ) RETURNING id`;

/** The newest reject that no longer fits, counted from the newest one: it and older ones go. */
const SIZE_CUT = `SELECT pg_catalog.max(id)::text AS "lastId" FROM (
    SELECT id, pg_catalog.sum(${ROW_BYTES} + coalesce(pg_catalog.pg_column_size(record), 0)
      + coalesce(pg_catalog.pg_column_size(payload), 0) + pg_catalog.pg_column_size(reason))
      OVER (ORDER BY id DESC) AS bytes
    FROM state_tables.rejected WHERE state = 'rejected'
  ) sizes WHERE bytes > $1::bigint`;

/** What the table takes on disk: an upper bound that costs nothing to ask. */
const DISK_BYTES =
  `SELECT pg_catalog.pg_total_relation_size('state_tables.rejected') > $1::bigint AS "isOver"`;

const TRIM_FOR_SIZE = `DELETE FROM state_tables.rejected WHERE id IN (
    SELECT id FROM state_tables.rejected WHERE state = 'rejected' AND id <= $1::bigint
    ORDER BY id LIMIT ${TRIM_ROWS} FOR UPDATE SKIP LOCKED
  ) RETURNING id`;

const PARKED_PROCESSORS = `SELECT DISTINCT processor_id AS "id" FROM state_tables.rejected
  WHERE state = 'parked' AND processor_id IS NOT NULL`;

interface SummaryRow extends Omit<RejectSummary, "origin"> {
  readonly state: RejectState;
  readonly stream: string | null;
  readonly consumer: string | null;
  readonly created: string | null;
  readonly seq: string | null;
  readonly storedNs: string | null;
}

interface KeptRow extends SummaryRow {
  readonly record: string | null;
  readonly payload: Uint8Array | null;
}

/** The rejects of one database. */
export class PostgresRejectShelf implements RejectShelf {
  readonly #pool: SessionPool;
  readonly #timeouts: TransactionTimeouts;
  readonly #guard: LedgerGuard;

  constructor(pool: SessionPool, timeouts: TransactionTimeouts, guard: LedgerGuard) {
    this.#pool = pool;
    this.#timeouts = timeouts;
    this.#guard = guard;
  }

  async list(filter: RejectFilter, rowsMax: number): Promise<readonly RejectSummary[]> {
    const rows = await this.#run(
      "list rejects",
      (session) => session.query<SummaryRow>(LIST, [...filterParameters(filter), rowsMax]),
    );
    return rows.map(summaryOf);
  }

  async read(filter: RejectFilter, page: RejectPage): Promise<readonly KeptReject[]> {
    const { afterId, lastId, rowsMax, bytesMax } = page;
    const parameters = [...filterParameters(filter), afterId, lastId, rowsMax, bytesMax];
    const rows = await this.#run(
      "read rejects",
      (session) => session.query<KeptRow>(READ, parameters),
    );
    return rows.map((row) => ({ ...summaryOf(row), payload: payloadOf(row) }));
  }

  async count(filter: RejectFilter): Promise<RejectCount> {
    const [row] = await this.#run(
      "count rejects",
      (session) => session.query<RejectCount>(COUNT, filterParameters(filter)),
    );
    return row ?? { rejects: 0, lastId: "0" };
  }

  async parkedProcessors(): Promise<readonly string[]> {
    const rows = await this.#run(
      "look for parked rows",
      (session) => session.query<{ id: string }>(PARKED_PROCESSORS, []),
    );
    return rows.map(({ id }) => id);
  }

  async purge(
    filter: RejectFilter,
    { lastId, rowsMax }: { lastId: string; rowsMax: number },
  ): Promise<number> {
    const deleted = await this.#run(
      "purge rejects",
      (session) => session.query(PURGE, [...filterParameters(filter), lastId, rowsMax]),
    );
    return deleted.length;
  }

  async restate(id: string, reason: string): Promise<void> {
    await this.#run(
      "keep the new reason of a reject",
      (session) => session.query(RESTATE, [id, reason.replaceAll("\0", "\ufffd")]),
    );
  }

  async trim(
    { ageMaxMs, bytesMax }: RejectBounds,
    stop: AbortSignal,
  ): Promise<TrimmedRejects> {
    const forAge = await this.#trimAll(
      (session) => session.query(TRIM_FOR_AGE, [ageMaxMs]),
      stop,
    );
    const lastId = await this.#sizeCut(bytesMax);
    if (lastId === null) return { forAge, forSize: 0 };
    const forSize = await this.#trimAll(
      (session) => session.query(TRIM_FOR_SIZE, [lastId]),
      stop,
    );
    return { forAge, forSize };
  }

  async #sizeCut(bytesMax: number): Promise<string | null> {
    return await this.#run("measure the rejects", async (session) => {
      const [disk] = await session.query<{ isOver: boolean }>(DISK_BYTES, [bytesMax]);
      if (disk?.isOver !== true) return null;
      const [cut] = await session.query<{ lastId: string | null }>(SIZE_CUT, [bytesMax]);
      return cut?.lastId ?? null;
    });
  }

  /** Repeats one chunk until nothing is left to drop, each in a turn of its own. */
  async #trimAll(
    drop: (session: Session) => Promise<readonly object[]>,
    stop: AbortSignal,
  ): Promise<number> {
    let dropped = 0;
    for (let chunks = 0; chunks < TRIM_CHUNKS_MAX && !stop.aborted; chunks++) {
      const rows = await this.#run("drop old rejects", async (session) => {
        const [lock] = await session.queryOnce<{ locked: boolean }>(
          `SELECT pg_catalog.pg_try_advisory_xact_lock(${TRIM_LOCK_CLASS}, 0) AS locked`,
        );
        return lock?.locked === true ? await drop(session) : [];
      });
      dropped += rows.length;
      if (rows.length < TRIM_ROWS) break;
    }
    return dropped;
  }

  #run<T>(action: string, work: (session: Session) => Promise<T>): Promise<T> {
    return this.#guard.run(() => this.#runOnce(action, work));
  }

  async #runOnce<T>(action: string, work: (session: Session) => Promise<T>): Promise<T> {
    using lease = await this.#pool.acquire("lookup");
    const { session } = lease;
    try {
      return await inTransaction(session, this.#timeouts, () => work(session));
    } catch (error) {
      throw storeUnavailable(error, action);
    }
  }
}

function filterParameters(filter: RejectFilter): Parameter[] {
  return [
    filter.ids === null ? null : integerArray(filter.ids),
    filter.processorId,
    filter.tableName,
    filter.routeId,
    filter.reasonPart,
    filter.state,
    filter.ageMinMs,
    filter.ageMaxMs,
  ];
}

function summaryOf(row: SummaryRow): RejectSummary {
  return {
    id: row.id,
    keptAt: row.keptAt,
    receivedAt: row.receivedAt,
    state: row.state,
    origin: originOf(row),
    ordinal: row.ordinal,
    routeId: row.routeId,
    processorId: row.processorId,
    tableName: row.tableName,
    sqlState: row.sqlState,
    columnName: row.columnName,
    constraintName: row.constraintName,
    reason: row.reason,
    payloadBytes: row.payloadBytes,
  };
}

function originOf({ stream, consumer, created, seq, storedNs }: SummaryRow): RejectOrigin | null {
  if (stream === null || consumer === null || created === null) return null;
  if (seq === null || storedNs === null) return null;
  return { stream, consumer, streamCreated: created, sequence: seq, storedNs };
}

function payloadOf({ record, payload }: KeptRow): Uint8Array {
  if (record !== null) return new TextEncoder().encode(record);
  // The library's Buffer, as the plain view that it is.
  return payload === null
    ? new Uint8Array()
    : new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
}
