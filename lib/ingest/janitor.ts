/**
 * Keeps the ledger small while the service runs: looks at the consumer's ack floor once a minute,
 * remembers it, and has entries pruned that lie below a floor seen long enough ago. Yields to
 * flushes; a failure waits for the next round.
 */
import type { Clock } from "../clock.ts";
import { StoreUnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { AckFloor, LedgerKeeper } from "./ports.ts";

/** How often the floor is looked at, in milliseconds. */
const ROUND_MS = 60_000;

/** Chunks of one round at most; the rest waits for the next. */
const CHUNKS_MAX = 1_000;

/** What the janitor works with. */
export interface JanitorOptions {
  readonly keeper: LedgerKeeper;
  /** Asks the server; null under core NATS. May reject while it is away. */
  readonly ackFloor: () => Promise<AckFloor | null>;
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
  #round: Promise<void> | null = null;
  #isStopped = false;

  constructor(options: JanitorOptions) {
    this.#options = options;
    this.#timer = options.clock.every(ROUND_MS, () => this.work());
  }

  /** One round now, unless one is under way. */
  work(): void {
    this.#round ??= this.#work().catch(this.#options.onBug).finally(() => this.#round = null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#timer[Symbol.dispose]();
    await this.#round;
  }

  async #work(): Promise<void> {
    const { keeper, floorAgeMs, log } = this.#options;
    const floor = await this.#options.ackFloor().catch(() => null); // the connection says so itself
    if (floor === null) return;
    try {
      await keeper.recordFloor(floor);
      let chunks = 1;
      while (!this.#isStopped && chunks < CHUNKS_MAX) {
        if (!await keeper.prune(floor.origin, floorAgeMs)) break;
        chunks++;
      }
      log.debug("Looked after the ledger", { ack_floor: floor.sequence, chunks });
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      log.debug("Cannot look after the ledger now", { reason: error.message });
    }
  }
}
