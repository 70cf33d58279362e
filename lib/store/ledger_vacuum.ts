/**
 * Makes the space of pruned ledger entries usable again. Autovacuum does that, too, but goes by
 * statistics that PostgreSQL throws away when it crashes: with a crash every few minutes it never
 * comes, and the ledger grows. So whoever pruned enough runs VACUUM itself, and once after its start,
 * as nobody knows what the program before it left. On a connection of its own, as it can take minutes.
 *
 * Where the role may not, or behind a pooler in transaction mode, it is left to autovacuum.
 */
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { withOwnSession } from "./own_session.ts";
import type { Session } from "./session.ts";
import { storeUnavailable } from "./statement_error.ts";

/**
 * Entries pruned since the last VACUUM that are worth one: about 1 MB of table and index, so that it
 * bounds what a small ledger may grow by. One that prunes more in a round is vacuumed once a round.
 */
const PRUNED_MIN = 10_000;

/** Longest VACUUM, in milliseconds. */
const STATEMENT_MS_MAX = 600_000;

/** Longest use of the connection, in milliseconds. */
const SESSION_MS_MAX = STATEMENT_MS_MAX + 15_000;

/** Gives way to flushes as autovacuum does by default: a pause of so many milliseconds now and then. */
const COST_DELAY_MS = 2;

/**
 * SKIP_LOCKED: another instance, or autovacuum, is at it. INDEX_CLEANUP: else few dead entries stay
 * for ever. TRUNCATE would lock out every flush, for space that is needed again soon.
 */
const VACUUM = `VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE FALSE)
  state_tables.delivered, state_tables.delivered_span`;

/** Else VACUUM only warns, each time, in the server's log. No row when the table is not there. */
const MAY_VACUUM = `SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE')
    OR pg_catalog.pg_has_role(d.datdba, 'USAGE') AS "mayVacuum"
  FROM pg_catalog.pg_class c, pg_catalog.pg_database d
  WHERE c.oid = pg_catalog.to_regclass('state_tables.delivered')
    AND d.datname = pg_catalog.current_database()`;

/** What a {@linkcode LedgerVacuum} works with. */
export interface LedgerVacuumOptions {
  /** Opens a connection outside of the pool; null behind a pooler in transaction mode. */
  readonly open: (() => Promise<Session>) | null;
  readonly clock: Clock;
  readonly log: Log;
}

/** See the top of this file. */
export class LedgerVacuum {
  readonly #options: LedgerVacuumOptions;
  /** Since the last VACUUM; nobody knows what the program before this one left. */
  #prunedEntries = PRUNED_MIN;
  #hasToldRights = false;

  constructor(options: LedgerVacuumOptions) {
    this.#options = options;
  }

  /** So many more entries were deleted, or perhaps were. */
  notePruned(entries: number): void {
    this.#prunedEntries += entries;
  }

  /**
   * Runs VACUUM where it is worth it. Ends soon when the signal is aborted.
   *
   * @throws {StoreUnavailableError} it could not be done now
   */
  async run(signal: AbortSignal): Promise<void> {
    const { open, clock } = this.#options;
    if (open === null || signal.aborted) return;
    if (this.#prunedEntries < PRUNED_MIN) return;
    const prunedEntries = this.#prunedEntries;
    const statementMs = STATEMENT_MS_MAX;
    const sessionMs = SESSION_MS_MAX;
    try {
      await withOwnSession(
        { open, clock, signal, statementMs, sessionMs },
        (session) => this.#vacuum(session),
      );
    } catch (error) {
      if (signal.aborted) return; // it is why
      throw storeUnavailable(error, "vacuum the ledger");
    }
    // What was pruned meanwhile may be left.
    this.#prunedEntries -= prunedEntries;
  }

  async #vacuum(session: Session): Promise<void> {
    const [rights] = await session.queryOnce<{ mayVacuum: boolean }>(MAY_VACUUM);
    if (rights === undefined) return;
    if (!rights.mayVacuum) {
      this.#tellRights();
      return;
    }
    await session.execute(`SET vacuum_cost_delay = ${COST_DELAY_MS}`);
    await session.execute(VACUUM);
  }

  #tellRights(): void {
    if (this.#hasToldRights) return;
    this.#hasToldRights = true;
    this.#options.log.info("The ledger is left to autovacuum", {
      reason: "the role owns neither the table state_tables.delivered nor the database",
    });
  }
}
