/**
 * Reads the catalog of the surrounding system: which processor a route belongs to, and that
 * processor's properties. Its tables belong to others and are found through `search_path`; nothing
 * is ever written to them.
 */
import { ConfigurationError } from "../errors.ts";
import type { ProcessorCatalog, ProcessorRecord } from "../ingest/ports.ts";
import type { SessionPool } from "./session_pool.ts";
import { StatementError, storeUnavailable } from "./statement_error.ts";
import { inTransaction, type TransactionTimeouts } from "./transaction.ts";

/** A known route decides, whatever its direction; `$2` stands in for an unknown one. */
const FIND_PROCESSOR = `SELECT p.id, p.properties FROM processor p WHERE p.id = coalesce(
  (SELECT s.processor_id FROM processor_state s WHERE s.id = $1::text LIMIT 1), $2::text)`;

/** Bounded: this is for advice at the start, not for work. */
const LIST_PROPERTIES = `SELECT p.id, p.properties FROM processor p
  WHERE p.provider_id = $1::text LIMIT 10000`;

interface ProcessorRow {
  readonly id: string;
  readonly properties: unknown;
}

/** The catalog in PostgreSQL. */
export class PostgresCatalog implements ProcessorCatalog {
  readonly #pool: SessionPool;
  readonly #timeouts: TransactionTimeouts;

  constructor(pool: SessionPool, timeouts: TransactionTimeouts) {
    this.#pool = pool;
    this.#timeouts = timeouts;
  }

  async findProcessor(
    routeId: string | null,
    processorId: string | null,
  ): Promise<ProcessorRecord | null> {
    try {
      return await this.#find(searchable(routeId), searchable(processorId));
    } catch (error) {
      throw storeUnavailable(error, "look a processor up");
    }
  }

  /**
   * Asks once, for the start.
   *
   * @throws {ConfigurationError} says in one sentence what is missing
   */
  async check(): Promise<void> {
    try {
      await this.#find("", "");
    } catch (error) {
      const isMissing = error instanceof StatementError &&
        (error.kind === "schema" || error.kind === "configuration");
      if (!isMissing) throw storeUnavailable(error, "look at the catalog");
      throw new ConfigurationError([{
        key: "DSN",
        rule: "the database must hold the catalog tables processor and processor_state in the " +
          `role's search_path, readable for it; PostgreSQL says: ${error.message}`,
      }], { cause: error });
    }
  }

  /**
   * Processors of one provider with their properties, 10,000 at most.
   *
   * @throws {StoreUnavailableError} the database cannot be asked at the moment
   */
  async listProcessors(providerId: string): Promise<readonly ProcessorRecord[]> {
    using lease = await this.#pool.acquire("lookup");
    const { session } = lease;
    try {
      const rows = await inTransaction(
        session,
        this.#timeouts,
        () => session.query<ProcessorRow>(LIST_PROPERTIES, [providerId]),
      );
      return rows.map(({ id, properties }) => ({ processorId: id, properties }));
    } catch (error) {
      throw storeUnavailable(error, "list the processors");
    }
  }

  async #find(routeId: string | null, processorId: string | null): Promise<ProcessorRecord | null> {
    using lease = await this.#pool.acquire("lookup");
    const { session } = lease;
    // In a transaction for its timeouts: a table that somebody locks must not keep the connection.
    const [row] = await inTransaction(
      session,
      this.#timeouts,
      () => session.query<ProcessorRow>(FIND_PROCESSOR, [routeId, processorId]),
    );
    return row === undefined ? null : { processorId: row.id, properties: row.properties };
  }
}

/** PostgreSQL refuses NUL in a text; no id in the catalog can hold one. */
function searchable(id: string | null): string | null {
  return id === null || id.includes("\0") ? null : id;
}
