/**
 * Time, as everything in `lib/` takes it: the only place that reads the clock or sets a timer, so
 * that tests can turn time by hand. This file imports nothing of ours.
 */

/** A source of time and timers. */
export interface Clock {
  /** Wall-clock time in milliseconds since the Unix epoch; may jump. */
  now(): number;
  /** Milliseconds that only ever grow; for ages, deadlines and durations. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds; rejects with `signal.reason` when aborted. */
  delay(ms: number, signal?: AbortSignal): Promise<void>;
  /**
   * Calls `callback` after `ms` milliseconds, unless the returned handle is disposed: for waits that
   * mostly end early, as an aborted delay costs several times as much.
   */
  after(ms: number, callback: () => void): Disposable;
  /** Calls `callback` every `ms` milliseconds until the returned handle is disposed. */
  every(ms: number, callback: () => void): Disposable;
}

/** The real clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  delay(ms, signal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  },
  after(ms, callback): Disposable {
    const timer = setTimeout(callback, ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
  every(ms, callback): Disposable {
    const timer = setInterval(callback, ms);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  },
};
