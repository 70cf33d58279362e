/**
 * Keeps the ledger small while the service runs: looks at the consumer's ack floor once a minute,
 * remembers it, has entries pruned that lie below a floor seen long enough ago, and their space made
 * usable again; no round waits for that. The floor of a consumer that another program made, and may
 * take along, is remembered every few seconds and at the end. Yields to flushes; a failure waits for
 * the next round.
 */
import type { Clock } from "../clock.ts";
import { StoreUnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { AckFloor, LedgerKeeper } from "./ports.ts";

/** How often the floor is looked at, in milliseconds. */
const ROUND_MS = 60_000;

/** The same while the consumer is shared. */
const SHARED_ROUND_MS = 5_000;

/** The last look may take this long, in milliseconds. */
const LAST_LOOK_MS = 2_000;

/** Chunks of one round at most; the rest waits for the next. */
const CHUNKS_MAX = 1_000;

/** What the janitor works with. */
export interface JanitorOptions {
  readonly keeper: LedgerKeeper;
  /** Asks the server; null under core NATS. May reject while it is away. */
  readonly ackFloor: () => Promise<AckFloor | null>;
  /** Another program made the consumer. */
  readonly isShared: () => boolean;
  /** Age that a floor must have before it counts, in milliseconds. */
  readonly floorAgeMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly onBug: (error: unknown) => void;
}

/** Runs until disposed. */
export class Janitor implements AsyncDisposable {
  readonly #options: JanitorOptions;
  readonly #timer: Disposable;
  readonly #stop = new AbortController();
  #round: Promise<void> | null = null;
  #reclaim: Promise<void> | null = null;
  #roundMs: number;

  constructor(options: JanitorOptions) {
    this.#options = options;
    this.#roundMs = options.clock.monotonic();
    this.#timer = options.clock.every(SHARED_ROUND_MS, () => this.#tick());
    if (options.isShared()) this.work();
  }

  /** One round now, unless one is under way. */
  work(): void {
    this.#round ??= this.#work().catch(this.#options.onBug).finally(() => this.#round = null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#timer[Symbol.dispose]();
    await this.#round;
    await this.#reclaim;
    if (this.#options.isShared()) await this.#lookOnceMore();
  }

  #tick(): void {
    const { clock, isShared } = this.#options;
    const nowMs = clock.monotonic();
    if (!isShared() && nowMs - this.#roundMs < ROUND_MS) return;
    this.#roundMs = nowMs;
    this.work();
  }

  async #lookOnceMore(): Promise<void> {
    const { clock, log } = this.#options;
    const timer = new AbortController();
    const look = this.#recordFloor().catch((error) => {
      log.debug("Cannot remember the ack floor at the end", { reason: String(error) });
    });
    const limit = clock.delay(LAST_LOOK_MS, timer.signal).catch(() => undefined); // it was in time
    await Promise.race([look, limit]);
    timer.abort();
  }

  /** Null when the server cannot say. */
  async #recordFloor(): Promise<AckFloor | null> {
    const floor = await this.#options.ackFloor().catch(() => null); // the connection says so itself
    if (floor !== null) await this.#options.keeper.recordFloor(floor);
    return floor;
  }

  async #work(): Promise<void> {
    const { keeper, floorAgeMs, log } = this.#options;
    try {
      const floor = await this.#recordFloor();
      if (floor === null) return;
      let chunks = 1;
      while (!this.#stop.signal.aborted && chunks < CHUNKS_MAX) {
        if (!await keeper.prune(floor.origin, floorAgeMs)) break;
        chunks++;
      }
      log.debug("Looked after the ledger", { ack_floor: floor.sequence, chunks });
      this.#reclaim ??= this.#reclaimOnce().catch(this.#options.onBug)
        .finally(() => this.#reclaim = null);
    } catch (error) {
      this.#leave(error);
    }
  }

  async #reclaimOnce(): Promise<void> {
    try {
      await this.#options.keeper.reclaim(this.#stop.signal);
    } catch (error) {
      this.#leave(error);
    }
  }

  /** What waits for the next round is told; a bug is thrown on. */
  #leave(error: unknown): void {
    if (!(error instanceof StoreUnavailableError)) throw error;
    this.#options.log.debug("Cannot look after the ledger now", { reason: error.message });
  }
}
