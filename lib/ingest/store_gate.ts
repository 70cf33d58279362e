/**
 * Who may use the store, and when. Flushes take turns here, as many at once as the pool has
 * connections, and some more that are small, which share transactions; while the database is away a
 * single one tries at growing intervals instead of all of them, and the outage is logged at its
 * beginning, when PostgreSQL gives another reason, once a minute, and at its end.
 */
import type { Clock } from "../clock.ts";
import { StoreUnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import { backoffDelayMs } from "../retry.ts";

/** Longest wait between two tries during an outage: full speed is back soon after its end. */
const OUTAGE_BACKOFF = { initialMs: 100, maxMs: 2_000 };

/** An outage is mentioned again after this long, in milliseconds. */
const REMINDER_MS = 60_000;

/** SQLSTATEs that concern one transaction and say nothing about the database as a whole. */
const SINGLE_TRANSACTION = new Set([
  "40001", // serialization_failure
  "40P01", // deadlock_detected
  "55P03", // lock_not_available
  "57014", // query_canceled: statement_timeout
]);

/** A turn at the store; dispose it to let the next one in. */
export interface StoreTurn extends Disposable {
  /** The work of this turn reached the database. */
  succeeded(): void;
  /** The work failed. */
  failed(error: StoreUnavailableError): void;
}

/** Turns of small flushes at once: two transactions' worth of tables. */
const SMALL_TURNS_MAX = 128;

interface Waiter {
  readonly isSmall: boolean;
  readonly resolve: (turn: StoreTurn) => void;
  readonly reject: (reason: unknown) => void;
}

/** Hands out turns. */
export class StoreGate {
  readonly #turnsMax: number;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #waiters: Waiter[] = [];
  #turns = 0;
  #smallTurns = 0;
  #failures = 0;
  #outageSinceMs: number | null = null;
  #remindAtMs = 0;
  /** Of the present outage: a lost connection says less than the refusal of the next one. */
  readonly #saidStates = new Set<string | undefined>();
  #backingOff: Promise<void> | null = null;

  /** `turnsMax`: turns at once, the size of the connection pool. */
  constructor(options: { turnsMax: number; clock: Clock; log: Log }) {
    this.#turnsMax = options.turnsMax;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** True while the last try failed for a reason that concerns the whole database. */
  get isOutage(): boolean {
    return this.#outageSinceMs !== null;
  }

  /**
   * Waits for a turn, first come first served; rejects when `signal` aborts.
   *
   * @param isSmall the turn is for a flush of few rows
   */
  take(signal?: AbortSignal, isSmall = false): Promise<StoreTurn> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const mayGo = this.#waiters.length === 0 && this.#backingOff === null;
    if (mayGo && this.#hasRoom(isSmall)) return Promise.resolve(this.#turn(isSmall));
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        isSmall,
        resolve: (turn) => {
          signal?.removeEventListener("abort", onAbort);
          resolve(turn);
        },
        reject,
      };
      const onAbort = (): void => {
        const index = this.#waiters.indexOf(waiter);
        if (index >= 0) this.#waiters.splice(index, 1);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
      this.#admit();
    });
  }

  #admit(): void {
    while (this.#backingOff === null) {
      const index = this.#waiters.findIndex(({ isSmall }) => this.#hasRoom(isSmall));
      const [waiter] = index < 0 ? [] : this.#waiters.splice(index, 1);
      if (waiter === undefined) return;
      waiter.resolve(this.#turn(waiter.isSmall));
    }
  }

  /** A turn for work that may as well wait: null unless another stays free for whoever comes. */
  takeSpare(): StoreTurn | null {
    const isSpare = !this.isOutage && this.#waiters.length === 0 &&
      this.#turns + 1 < this.#turnsMax;
    if (!isSpare) return null;
    return this.#turn(false);
  }

  #hasRoom(isSmall: boolean): boolean {
    if (this.isOutage) return this.#turns + this.#smallTurns < 1;
    return isSmall ? this.#smallTurns < SMALL_TURNS_MAX : this.#turns < this.#turnsMax;
  }

  #turn(isSmall: boolean): StoreTurn {
    let over = false;
    this.#count(isSmall, 1);
    return {
      succeeded: () => this.#succeeded(),
      failed: (error) => this.#failed(error),
      [Symbol.dispose]: () => {
        if (over) return;
        over = true;
        this.#count(isSmall, -1);
        this.#admit();
      },
    };
  }

  #count(isSmall: boolean, change: 1 | -1): void {
    if (isSmall) this.#smallTurns += change;
    else this.#turns += change;
  }

  #succeeded(): void {
    this.#failures = 0;
    if (this.#outageSinceMs === null) return;
    const durationMs = Math.round(this.#clock.monotonic() - this.#outageSinceMs);
    this.#outageSinceMs = null;
    this.#saidStates.clear();
    this.#log.info("PostgreSQL is back", { outage_ms: durationMs });
    this.#admit();
  }

  #failed(error: StoreUnavailableError): void {
    if (error.sqlState !== undefined && SINGLE_TRANSACTION.has(error.sqlState)) return;
    const now = this.#clock.monotonic();
    this.#failures++;
    if (this.#outageSinceMs === null) {
      this.#outageSinceMs = now;
      this.#remindAtMs = now + REMINDER_MS;
      this.#log.warn("PostgreSQL is not available; holding and trying again", {
        reason: error.message,
        sql_state: error.sqlState,
      });
    } else if (now >= this.#remindAtMs || !this.#saidStates.has(error.sqlState)) {
      this.#remindAtMs = now + REMINDER_MS;
      this.#log.warn("PostgreSQL is still not available", {
        reason: error.message,
        sql_state: error.sqlState,
        tries: this.#failures,
        outage_ms: Math.round(now - this.#outageSinceMs),
      });
    }
    this.#saidStates.add(error.sqlState);
    this.#backingOff ??= this.#clock.delay(backoffDelayMs(this.#failures, OUTAGE_BACKOFF))
      .then(() => {
        this.#backingOff = null;
        this.#admit();
      });
  }
}

/** Runs `work` in a turn of its own and reports its outcome to the gate. */
export async function withTurn<T>(
  gate: StoreGate,
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  using turn = await gate.take(signal);
  try {
    const result = await work();
    turn.succeeded();
    return result;
  } catch (error) {
    if (error instanceof StoreUnavailableError) turn.failed(error);
    else turn.succeeded();
    throw error;
  }
}
