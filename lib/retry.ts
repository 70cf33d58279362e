/**
 * Backoff with jitter, and the one loop that repeats work which failed for a passing reason. This
 * file imports nothing of ours but the clock's type.
 */
import type { Clock } from "./clock.ts";

/** How long to wait between tries. */
export interface Backoff {
  /** Wait before the second try, in milliseconds. */
  readonly initialMs: number;
  /** No wait is longer than this, in milliseconds. */
  readonly maxMs: number;
}

/** Waits from 50 ms doubling to 5 s: quick after a blip, quiet in an outage. */
export const DEFAULT_BACKOFF: Backoff = { initialMs: 50, maxMs: 5_000 };

/**
 * Milliseconds to wait before try `attempt + 1`; `attempt` counts from 1. Between half of the
 * exponential value and all of it, so that many writers do not come back at the same moment.
 */
export function backoffDelayMs(
  attempt: number,
  backoff: Backoff = DEFAULT_BACKOFF,
  random: () => number = Math.random,
): number {
  const exponential = backoff.initialMs * 2 ** Math.min(attempt - 1, 30);
  const ceiling = Math.min(backoff.maxMs, exponential);
  return ceiling / 2 + random() * (ceiling / 2);
}

/** Options of {@linkcode retry}. */
export interface RetryOptions {
  readonly clock: Clock;
  /** True when the error is passing and the work may be repeated. */
  readonly isRetriable: (error: unknown) => boolean;
  /** Ends the loop; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly backoff?: Backoff;
  /** Told of each failed try that will be repeated, with the wait that follows. */
  readonly onRetry?: (error: unknown, attempt: number, delayMs: number) => void;
}

/** Repeats `work` until it succeeds, fails for good, or the signal aborts. */
export async function retry<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  for (let attempt = 1;; attempt++) {
    options.signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (!options.isRetriable(error)) throw error;
      const delayMs = backoffDelayMs(attempt, options.backoff);
      options.onRetry?.(error, attempt, delayMs);
      await options.clock.delay(delayMs, options.signal);
    }
  }
}
