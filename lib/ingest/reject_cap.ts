/**
 * Keeps `state_tables.rejected` within its bounds of age and size: from time to time, in the
 * background, the oldest go, and the log says so loudly. Parked rows never go. A database that is away
 * is left to the next time; whoever flushes speaks of it.
 */
import type { Clock } from "../clock.ts";
import { StoreUnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { RejectBounds, RejectShelf } from "./kept_reject.ts";

/** How often the bounds are looked at, in milliseconds. */
const TRIM_MS = 5 * 60_000;

/** What the cap needs. */
export interface RejectCapOptions {
  readonly rejects: RejectShelf;
  readonly bounds: RejectBounds;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of an error that only a mistake in the program explains. */
  readonly onBug: (error: unknown) => void;
}

/** Trims every few minutes until disposed; disposing waits for the chunk under way. */
export class RejectCap implements AsyncDisposable {
  readonly #options: RejectCapOptions;
  readonly #timer: Disposable;
  readonly #stop = new AbortController();
  #trimming: Promise<void> | null = null;

  constructor(options: RejectCapOptions) {
    this.#options = options;
    this.#timer = options.clock.every(TRIM_MS, () => this.#begin());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer[Symbol.dispose]();
    this.#stop.abort();
    await this.#trimming;
  }

  #begin(): void {
    this.#trimming ??= this.#trim().finally(() => this.#trimming = null);
  }

  async #trim(): Promise<void> {
    const { rejects, bounds, log, onBug } = this.#options;
    try {
      const { forAge, forSize } = await rejects.trim(bounds, this.#stop.signal);
      if (forAge + forSize === 0) return;
      log.warn("Rejects were dropped for good, the oldest first, to stay within the bounds", {
        dropped_for_age: forAge,
        dropped_for_size: forSize,
        age_max_days: bounds.ageMaxMs / 86_400_000,
        bytes_max: bounds.bytesMax,
      });
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) onBug(error);
    }
  }
}
