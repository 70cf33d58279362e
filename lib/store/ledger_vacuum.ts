/**
 * Gives back the room of pruned ledger entries. PostgreSQL's autovacuum does that too, but it counts
 * what was deleted in statistics that a crash discards: where it crashes now and then, the threshold
 * is never reached and the ledger grows. This counts for itself, over what this process pruned.
 */
import { StoreUnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Session } from "./session.ts";
import { StatementError } from "./statement_error.ts";

/** Entries deleted before their room is given back; autovacuum's threshold for this table. */
const VACUUM_ENTRIES = 50_000;

/** As gentle as autovacuum, and for as long as it takes. */
const GENTLY = "SET vacuum_cost_delay = '2ms'; SET statement_timeout = 0";

/**
 * Takes no lock that stands in a flush's way: without TRUNCATE it excludes other maintenance only,
 * and where that is under way it goes without. Somebody who may not gets a warning, not an error.
 */
const VACUUM = "VACUUM (SKIP_LOCKED, TRUNCATE FALSE) state_tables.delivered";

/** Counts and vacuums; see the top of this file. */
export class LedgerVacuum {
  readonly #open: (() => Promise<Session>) | null;
  readonly #log: Log;
  /** An earlier process may have left that much. */
  #deleted = VACUUM_ENTRIES;
  #hasDeleted = false;

  /**
   * @param open opens a connection of its own, as no flush should wait for a vacuum; null behind a
   *   transaction pooler, where nobody has one: autovacuum is alone then
   */
  constructor(open: (() => Promise<Session>) | null, log: Log) {
    this.#open = open;
    this.#log = log;
  }

  /** So many entries were deleted and committed. */
  countDeleted(entries: number): void {
    this.#deleted += entries;
    this.#hasDeleted ||= entries > 0;
  }

  /** Vacuums when enough was deleted. A failure waits for the next time that enough is. */
  async run(signal: AbortSignal): Promise<void> {
    const open = this.#open;
    const isEnough = this.#hasDeleted && this.#deleted >= VACUUM_ENTRIES;
    if (open === null || !isEnough || signal.aborted) return;
    this.#deleted = 0;
    this.#hasDeleted = false;
    try {
      await vacuum(open, signal);
    } catch (error) {
      if (!(error instanceof StatementError || error instanceof StoreUnavailableError)) throw error;
      this.#log.debug("Cannot vacuum the ledger now", { reason: error.message });
    }
  }
}

async function vacuum(open: () => Promise<Session>, signal: AbortSignal): Promise<void> {
  const session = await open();
  // The server notices a lost connection at the end of its work, which does no harm.
  const end = (): void => void session.destroy();
  signal.addEventListener("abort", end, { once: true });
  try {
    if (signal.aborted) return;
    await session.execute(GENTLY);
    await session.execute(VACUUM);
  } finally {
    signal.removeEventListener("abort", end);
    await session.destroy();
  }
}
