/**
 * Reads the catalog of the surrounding system: which processor a route belongs to, and that
 * processor's properties. Its tables belong to others and are found through `search_path`; nothing
 * is ever written to them.
 */
import { ConfigurationError } from "../errors.ts";
import type {
  ProcessorCatalog,
  ProcessorKey,
  ProcessorRecord,
} from "../ingest/processor_catalog.ts";
import type { SessionPool } from "./session_pool.ts";
import { textArray } from "./sql_text.ts";
import { StatementError, storeUnavailable } from "./statement_error.ts";
import { inTransaction, type TransactionTimeouts } from "./transaction.ts";

/** A known route decides, whatever its direction; `$2` stands in for an unknown one. */
const FIND_PROCESSOR = `SELECT p.id, p.properties FROM processor p WHERE p.id = coalesce(
  (SELECT s.processor_id FROM processor_state s WHERE s.id = $1::text LIMIT 1), $2::text)`;

/** The same for several: a row for each key whose processor is there, `number` counted from 1. */
const FIND_PROCESSORS = `SELECT k.number::int AS number, p.id, p.properties
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY k(route, processor, number)
  JOIN processor p ON p.id = coalesce(
    (SELECT s.processor_id FROM processor_state s WHERE s.id = k.route LIMIT 1), k.processor)`;

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

  async findProcessors(
    keys: readonly ProcessorKey[],
  ): Promise<readonly (ProcessorRecord | null)[]> {
    try {
      const [key] = keys;
      if (key === undefined) return [];
      if (keys.length === 1) return [await this.findProcessor(key.routeId, key.processorId)];
      return await this.#findAll(keys);
    } catch (error) {
      throw storeUnavailable(error, "look processors up");
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
    return row === undefined ? null : recordOf(row);
  }

  async #findAll(
    keys: readonly ProcessorKey[],
  ): Promise<readonly (ProcessorRecord | null)[]> {
    using lease = await this.#pool.acquire("lookup");
    const { session } = lease;
    const rows = await inTransaction(
      session,
      this.#timeouts,
      () =>
        session.query<ProcessorRow & { readonly number: number }>(FIND_PROCESSORS, [
          textArray(keys.map(({ routeId }) => searchable(routeId))),
          textArray(keys.map(({ processorId }) => searchable(processorId))),
        ]),
    );
    const found = new Map(rows.map((row) => [row.number, recordOf(row)]));
    return keys.map((_, index) => found.get(index + 1) ?? null);
  }
}

function recordOf({ id, properties }: ProcessorRow): ProcessorRecord {
  return { processorId: id, properties };
}

/** PostgreSQL refuses NUL in a text; no id in the catalog can hold one. */
function searchable(id: string | null): string | null {
  return id === null || id.includes("\0") ? null : id;
}
