/** A clock that tests turn by hand. */
import type { Clock } from "../../lib/clock.ts";

interface Timer {
  atMs: number;
  readonly everyMs: number | null;
  readonly callback: () => void;
}

/** Time stands still until {@linkcode FakeClock.advance} moves it. */
export class FakeClock implements Clock {
  #wallMs = Date.UTC(2026, 10, 24);
  #monotonicMs = 1_000;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#wallMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  delay(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer: Timer = { atMs: this.#monotonicMs + ms, everyMs: null, callback: resolve };
      this.#timers.add(timer);
      signal?.addEventListener("abort", () => {
        this.#timers.delete(timer);
        reject(signal.reason);
      }, { once: true });
    });
  }

  after(ms: number, callback: () => void): Disposable {
    return this.#start({ atMs: this.#monotonicMs + ms, everyMs: null, callback });
  }

  every(ms: number, callback: () => void): Disposable {
    return this.#start({ atMs: this.#monotonicMs + ms, everyMs: ms, callback });
  }

  #start(timer: Timer): Disposable {
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => this.#timers.delete(timer) };
  }

  /** Lets `ms` milliseconds pass, firing what falls due in order, and promises settle in between. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    for (;;) {
      await settled();
      const next = [...this.#timers].filter((timer) => timer.atMs <= endMs)
        .sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#move(next.atMs);
      if (next.everyMs === null) this.#timers.delete(next);
      else next.atMs += next.everyMs;
      next.callback();
    }
    this.#move(endMs);
    await settled();
  }

  /** Sets the wall clock forward or back; ages and deadlines must not care. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }

  #move(toMs: number): void {
    this.#wallMs += toMs - this.#monotonicMs;
    this.#monotonicMs = toMs;
  }
}

/** Lets promise reactions that are due run. */
async function settled(): Promise<void> {
  for (let round = 0; round < 20; round++) await Promise.resolve();
}
