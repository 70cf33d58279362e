/**
 * Keeps the ledger small: remembers the consumer's ack floor as it was seen, and deletes entries that
 * lie below a floor seen long enough ago, in chunks, one instance at a time. What was deleted stays
 * known by its upper end (`source.pruned_seq`, `pruned_ns`), so that a message from below is never
 * written again.
 *
 * Entries with a sequence below the end and a later stored time belong to a stream that lost its tail
 * and numbered on (design §4): they stay, as they are few and nothing tells when they may go.
 */
import type { StreamOrigin } from "../ingest/delivery.ts";
import type { AckFloor, LedgerKeeper } from "../ingest/ports.ts";
import { BLOCK_SEQUENCES, blockStart, MESSAGES_OF_SPAN } from "./ledger_span_sql.ts";
import type { LedgerVacuum } from "./ledger_vacuum.ts";
import { ADVISORY_LOCK_CLASS } from "./migrations.ts";
import type { Session } from "./session.ts";
import type { SessionPool } from "./session_pool.ts";
import { recordShared, type SourceIds } from "./source_ids.ts";
import { storeUnavailable } from "./statement_error.ts";
import { inTransaction, type TransactionTimeouts } from "./transaction.ts";

/** A span takes the space of about so many entries. */
const SPAN_ENTRIES = 20;

/** Sequences pruned in one transaction: a fraction of a second, so that vacuum can follow. */
const CHUNK_SEQUENCES = 50_000;

/**
 * The stored time of the last entry at or below the floor bounds what was meant by it. Nothing is
 * remembered while the ledger has no entry there.
 */
const RECORD =
  `INSERT INTO state_tables.ack_floor (source, consumer_created, floor, floor_stored_ns)
  SELECT $1::int, $2::text, $3::bigint, last.ns FROM (
    (SELECT d.seq, d.stored_ns AS ns FROM state_tables.delivered d
      WHERE d.source = $1::int AND d.seq <= $3::bigint
      ORDER BY d.seq DESC, d.stored_ns DESC LIMIT 1)
    UNION ALL
    (SELECT m.seq, m.stored_ns FROM state_tables.delivered_span p
      CROSS JOIN LATERAL ${MESSAGES_OF_SPAN} m
      WHERE p.source = $1::int AND p.seq <= $3::bigint AND m.seq <= $3::bigint
        AND p.seq >= (SELECT ${blockStart("n.seq")} FROM state_tables.delivered_span n
          WHERE n.source = $1::int AND n.seq <= $3::bigint ORDER BY n.seq DESC LIMIT 1)
      ORDER BY m.seq DESC LIMIT 1)) last
  ORDER BY last.seq DESC, last.ns DESC LIMIT 1
  ON CONFLICT DO NOTHING`;

const TRY_LOCK = `SELECT pg_catalog.pg_try_advisory_xact_lock(
  ${ADVISORY_LOCK_CLASS}, pg_catalog.hashtext('prune ' || $1::int)) AS "isOurs"`;

/** The best floor of this incarnation that is old enough, and where the last chunk ended. */
const TARGET = `SELECT f.floor, f.floor_stored_ns AS "storedNs",
    coalesce(s.pruned_seq, least(
      (SELECT min(d.seq) FROM state_tables.delivered d WHERE d.source = $1::int),
      (SELECT min(p.seq) FROM state_tables.delivered_span p WHERE p.source = $1::int)) - 1, 0)
      AS "from"
  FROM state_tables.ack_floor f JOIN state_tables.source s ON s.id = f.source
  WHERE f.source = $1::int AND f.consumer_created = $2::text
    AND f.seen_at <= now() - $3::float8 * interval '1 millisecond'
  ORDER BY f.floor DESC LIMIT 1`;

const REMEMBER = `UPDATE state_tables.source SET pruned_seq = $2::bigint, pruned_ns = $3::bigint
  WHERE id = $1::int`;

/** Floors below the one used up say nothing more; those of other incarnations stay. */
const FORGET = `DELETE FROM state_tables.ack_floor
  WHERE source = $1::int AND consumer_created = $2::text AND floor < $3::bigint`;

/** bigint comes as text: sequences may exceed what a double holds. */
interface TargetRow {
  readonly floor: string;
  readonly storedNs: string;
  readonly from: string;
}

/** What a pruner works with. */
export interface LedgerPrunerOptions {
  readonly pool: SessionPool;
  readonly timeouts: TransactionTimeouts;
  readonly sourceIds: SourceIds;
  readonly vacuum: LedgerVacuum;
}

/** The keeper in PostgreSQL. */
export class LedgerPruner implements LedgerKeeper {
  readonly #pool: SessionPool;
  readonly #timeouts: TransactionTimeouts;
  readonly #sourceIds: SourceIds;
  readonly #vacuum: LedgerVacuum;

  constructor(options: LedgerPrunerOptions) {
    this.#pool = options.pool;
    this.#timeouts = options.timeouts;
    this.#sourceIds = options.sourceIds;
    this.#vacuum = options.vacuum;
  }

  async recordFloor({ origin, sequence, shared }: AckFloor): Promise<void> {
    using lease = await this.#pool.acquire("lookup");
    const { session } = lease;
    try {
      const source = await this.#sourceIds.resolve(session, origin);
      await inTransaction(session, this.#timeouts, async () => {
        await session.query(RECORD, [source, origin.consumerCreated, sequence]);
        if (shared !== undefined) await recordShared(session, source, shared);
      });
    } catch (error) {
      throw storeUnavailable(error, "remember the consumer's ack floor");
    }
  }

  async prune(origin: StreamOrigin, ageMs: number): Promise<boolean> {
    using lease = await this.#pool.acquire("lookup");
    const { session } = lease;
    try {
      const source = await this.#sourceIds.resolve(session, origin);
      return await inTransaction(
        session,
        this.#timeouts,
        () => this.#pruneChunk(session, source, origin.consumerCreated, ageMs),
      );
    } catch (error) {
      throw storeUnavailable(error, "prune the ledger");
    }
  }

  reclaim(signal: AbortSignal): Promise<void> {
    return this.#vacuum.run(signal);
  }

  async #pruneChunk(
    session: Session,
    source: number,
    consumerCreated: string,
    ageMs: number,
  ): Promise<boolean> {
    const [lock] = await session.query<{ isOurs: boolean }>(TRY_LOCK, [source]);
    if (lock?.isOurs !== true) return false;
    const [target] = await session.query<TargetRow>(TARGET, [source, consumerCreated, ageMs]);
    if (target === undefined) return false;
    const from = BigInt(target.from);
    const floor = BigInt(target.floor);
    if (floor <= from) return false;
    const chunkEnd = from + BigInt(CHUNK_SEQUENCES);
    const to = chunkEnd < floor ? chunkEnd : floor;
    const bounds = { source, from, to, storedNs: BigInt(target.storedNs) };
    this.#vacuum.notePruned(await session.modify(pruneEntriesText(bounds)));
    this.#vacuum.notePruned(await session.modify(pruneSpansText(bounds)) * SPAN_ENTRIES);
    await session.query(REMEMBER, [source, String(to), target.storedNs]);
    await session.query(FORGET, [source, consumerCreated, target.floor]);
    return to < floor;
  }
}

/** What is pruned: sequences above `from`, up to `to`, stored no later than `storedNs`. */
interface PruneBounds {
  readonly source: number;
  readonly from: bigint;
  readonly to: bigint;
  readonly storedNs: bigint;
}

/** With the values in the text, as only such a statement tells how many entries it deleted. */
function pruneEntriesText({ source, from, to, storedNs }: PruneBounds): string {
  return `DELETE FROM state_tables.delivered
  WHERE source = ${source} AND seq > ${from} AND seq <= ${to} AND stored_ns <= ${storedNs}`;
}

/** Spans of blocks that end there; of the others all messages are known, but they stay a while longer. */
function pruneSpansText({ source, from, to, storedNs }: PruneBounds): string {
  return `DELETE FROM state_tables.delivered_span p
  WHERE p.source = ${source} AND p.seq > ${from} - ${BLOCK_SEQUENCES} AND p.seq <= ${to}
    AND ${blockStart("p.seq")} + ${BLOCK_SEQUENCES - 1} <= ${to}
    AND (SELECT max(u.ns) FROM unnest(p.stored_ns) u(ns)) <= ${storedNs}`;
}
