/**
 * Makes the ledger's tables anew when somebody dropped them while the program runs: what failed is
 * repeated by its caller and lands. Says loudly what was lost with them. It cannot bring anything
 * back: a message that was written and not yet acked when the ledger went may be written once more.
 */
import { ConfigurationError, StoreUnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import { ensureSchema } from "./migrations.ts";
import type { SessionPool } from "./session_pool.ts";
import type { SourceIds } from "./source_ids.ts";
import type { TransactionTimeouts } from "./transaction.ts";

/** What a statement says when one of our tables is gone: 42P01 undefined_table, 3F000 schema. */
export function isGone(sqlState: string | undefined): boolean {
  return sqlState === "42P01" || sqlState === "3F000";
}

/** What the loss of a table means, for who reads the log. */
const MEANING: Readonly<Record<string, string>> = {
  source: "pruned ledger entries are forgotten",
  delivered: "messages that were written and not yet acked may be written once more",
  delivered_span: "messages that were written and not yet acked may be written once more",
  ack_floor: "pruning of the ledger begins anew",
  rejected: "kept rejects and parked rows are gone",
  schema_change: "columns made until now count as made by others and are not widened any more",
  version: "nothing else is lost",
};

/** What a {@linkcode LedgerGuard} works with. */
export interface LedgerGuardOptions {
  readonly pool: SessionPool;
  readonly timeouts: TransactionTimeouts;
  readonly sourceIds: SourceIds;
  readonly log: Log;
}

/** Watches over work that uses `state_tables`. */
export class LedgerGuard {
  readonly #options: LedgerGuardOptions;

  constructor(options: LedgerGuardOptions) {
    this.#options = options;
  }

  /**
   * Does the work; when it fails because a table of `state_tables` is gone, makes the tables anew and
   * throws the same error: the caller repeats what can be repeated.
   *
   * @param work must not hold a session when it rejects
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof StoreUnavailableError && isGone(error.sqlState)) {
        await this.#makeAnew();
      }
      throw error;
    }
  }

  async #makeAnew(): Promise<void> {
    const { pool, timeouts, sourceIds, log } = this.#options;
    using lease = await pool.acquire("flush");
    try {
      const made = await ensureSchema(lease.session, timeouts);
      // Another instance may have been quicker: its numbers are not ours.
      sourceIds.forget();
      if (made.length === 0) return;
      log.error("Tables of the schema state_tables were dropped and are made anew", {
        tables: made,
        lost: made.map((name) => MEANING[name] ?? name),
      });
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      // While the program runs it waits for whoever may make them, as for a database that is away.
      throw new StoreUnavailableError(`Cannot make the ledger's tables anew: ${error.message}`, {
        cause: error,
      });
    }
  }
}
