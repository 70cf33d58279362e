/** What a writer that is in trouble says in the log: each kind once a minute at most. */
import type { Clock } from "../clock.ts";
import type { StoreUnavailableError, TableUnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import { SeldomLog } from "./seldom_log.ts";

/** Tries at one flush before the log hears of it: a deadlock or a failed serialization mostly passes. */
const ATTEMPTS_UNSAID = 4;

/** Says it for one processor. */
export class TroubleLog {
  readonly #processorId: string;
  readonly #seldom: SeldomLog;

  constructor(processorId: string, { log, clock }: { readonly log: Log; readonly clock: Clock }) {
    this.#processorId = processorId;
    this.#seldom = new SeldomLog(log, clock);
  }

  /** The table is locked, or refuses; it may be had for one flush and not for the next. */
  tableUnavailable({ kind, table, message, sqlState }: TableUnavailableError): void {
    this.#seldom.warn(kind, "A table cannot be written; holding its rows and trying again", {
      processor_id: this.#processorId,
      table,
      kind,
      reason: message,
      sql_state: sqlState,
    });
  }

  /** A flush failed for a reason that concerns its transaction only, so many times in a row. */
  failedAgain(
    { message, sqlState }: StoreUnavailableError,
    { table, attempts }: { readonly table: string; readonly attempts: number },
  ): void {
    if (attempts <= ATTEMPTS_UNSAID) return;
    this.#seldom.warn("retries", "A flush fails again and again; holding its rows and trying on", {
      processor_id: this.#processorId,
      table,
      reason: message,
      sql_state: sqlState,
      attempts,
    });
  }
}
