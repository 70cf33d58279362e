/**
 * What the start asks of the ledger, and the messages that belong to no table. The entries of
 * flushes are written in the flush's own transaction.
 */
import type { StreamOrigin } from "../ingest/delivery.ts";
import type {
  KnownMessage,
  Ledger,
  LedgerPosition,
  Reject,
  SharedFloor,
  StartPosition,
} from "../ingest/ports.ts";
import { confirmStepsTexts } from "./ledger_confirm.ts";
import { insertMissingEntries } from "./ledger_entries.ts";
import { groupBySource } from "./ledger_groups.ts";
import { insertRejects, summarizeKnown } from "./rejects.ts";
import type { SessionPool } from "./session_pool.ts";
import { findSource, recordStart, type SourceIds } from "./source_ids.ts";
import { storeUnavailable } from "./statement_error.ts";
import { inTransaction, type TransactionTimeouts } from "./transaction.ts";

/** A source row alone proves nothing: it is made before the first flush commits. */
const POSITION = `SELECT
  (SELECT s.begins_at FROM state_tables.source s WHERE s.id = $1::int) AS "begins",
  EXISTS (SELECT FROM state_tables.delivered d WHERE d.source = $1::int) OR
  EXISTS (SELECT FROM state_tables.delivered_span p WHERE p.source = $1::int) AS "hasEntries",
  (SELECT pg_catalog.json_build_object('sequence', s.pruned_seq, 'storedNs', s.pruned_ns::text)
   FROM state_tables.source s WHERE s.id = $1::int AND s.pruned_seq IS NOT NULL
   ) AS "prunedFloor"`;

const HAS_PROCESSOR_TABLES = `SELECT EXISTS (
  SELECT FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $1::text
  JOIN processor p ON c.relname = p.id OR pg_catalog.starts_with(c.relname, p.id || '_')
  WHERE c.relkind IN ('r', 'p') AND p.id <> ''
    AND c.relname NOT IN ('processor', 'processor_state')) AS "exists"`;

/** A start position as JSON keeps it, or what stands in its place while a consumer is shared. */
type StoredStart =
  | Exclude<StartPosition, { kind: "time" }>
  | { kind: "time"; time: string }
  | { kind: "shared" } & SharedFloor;

interface PositionRow {
  readonly begins: StoredStart | null;
  readonly hasEntries: boolean;
  readonly prunedFloor: { readonly sequence: number; readonly storedNs: string } | null;
}

/** The ledger in PostgreSQL. */
export class PostgresLedger implements Ledger {
  readonly #pool: SessionPool;
  readonly #timeouts: TransactionTimeouts;
  readonly #sourceIds: SourceIds;
  readonly #schema: string;

  /** @param schema where tables go, resolved at connect */
  constructor(
    pool: SessionPool,
    timeouts: TransactionTimeouts,
    sourceIds: SourceIds,
    schema: string,
  ) {
    this.#pool = pool;
    this.#timeouts = timeouts;
    this.#sourceIds = sourceIds;
    this.#schema = schema;
  }

  async position(origin: Omit<StreamOrigin, "consumerCreated">): Promise<LedgerPosition> {
    using lease = await this.#pool.acquire("lookup");
    try {
      const source = await findSource(lease.session, origin);
      if (source === null) return { isKnown: false, begins: null, shared: null, prunedFloor: null };
      const [row] = await lease.session.query<PositionRow>(POSITION, [source]);
      const prunedFloor = row?.prunedFloor ?? null;
      const isKnown = prunedFloor !== null || row?.hasEntries === true;
      return { isKnown, ...startOf(row?.begins ?? null), prunedFloor };
    } catch (error) {
      throw storeUnavailable(error, "read the ledger");
    }
  }

  async recordStart(
    origin: Omit<StreamOrigin, "consumerCreated">,
    start: StartPosition,
  ): Promise<void> {
    using lease = await this.#pool.acquire("lookup");
    try {
      await recordStart(lease.session, origin, start);
    } catch (error) {
      throw storeUnavailable(error, "remember where the consumer begins");
    }
  }

  async hasProcessorTables(): Promise<boolean> {
    using lease = await this.#pool.acquire("lookup");
    try {
      const [row] = await lease.session.query<{ exists: boolean }>(HAS_PROCESSOR_TABLES, [
        this.#schema,
      ]);
      return row?.exists === true;
    } catch (error) {
      throw storeUnavailable(error, "look for the processors' tables");
    }
  }

  /** See {@linkcode TableStore.writeRejects}. */
  async writeRejects(rejects: readonly Reject[]): Promise<readonly KnownMessage[]> {
    using lease = await this.#pool.acquire("flush");
    const { session } = lease;
    try {
      const identities = rejects.map(({ identity }) => identity);
      const ledger = await groupBySource(session, this.#sourceIds, identities);
      let known: ReadonlySet<number> = new Set();
      const write = async (): Promise<readonly KnownMessage[]> => {
        known = await insertMissingEntries(session, ledger);
        const fresh = rejects.filter((_, index) => !known.has(index));
        await insertRejects(session, fresh, ledger.sourceOf);
        return await summarizeKnown(session, ledger, known);
      };
      return await inTransaction(
        session,
        this.#timeouts,
        write,
        () => confirmStepsTexts(ledger, known),
      );
    } catch (error) {
      throw storeUnavailable(error, "keep rejects");
    }
  }
}

function startOf(stored: StoredStart | null): Pick<LedgerPosition, "begins" | "shared"> {
  if (stored?.kind === "shared") {
    const { sequence, storedAt } = stored;
    return { begins: null, shared: { sequence, storedAt } };
  }
  const begins = stored?.kind === "time"
    ? { kind: stored.kind, time: new Date(stored.time) }
    : stored;
  return { begins, shared: null };
}
