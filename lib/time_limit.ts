/**
 * Bounds waits that all may last equally long, with one timer for all of them: setting and clearing
 * one for each costs more than most of what is waited for. The timer goes on when nothing waits any
 * more, until it has run out.
 */
import type { Clock } from "./clock.ts";

/** What a {@linkcode TimeLimit} is made of. */
export interface TimeLimitOptions<T> {
  readonly clock: Clock;
  /** How long each may last, in milliseconds. */
  readonly limitMs: number;
  /** Told of each that lasted longer; it waits no more. */
  readonly onLate: (item: T) => void;
}

/** One wait. */
export interface Wait<T> {
  /** What is waited for; null when the wait is over. */
  item: T | null;
  /** Monotonic time from which on it is late. */
  readonly lateMs: number;
}

/** Waits, the oldest first; see the top of this file. */
export class TimeLimit<T> implements Disposable {
  readonly #options: TimeLimitOptions<T>;
  readonly #waits: Wait<T>[] = [];
  #timer: Disposable | null = null;

  constructor(options: TimeLimitOptions<T>) {
    this.#options = options;
  }

  /** It waits from now on. */
  begin(item: T): Wait<T> {
    const { clock, limitMs } = this.#options;
    const wait = { item, lateMs: clock.monotonic() + limitMs };
    this.#waits.push(wait);
    this.#timer ??= clock.after(limitMs, () => this.#look());
    return wait;
  }

  /** It waits no more. */
  end(wait: Wait<T>): void {
    wait.item = null;
    while (this.#waits[0]?.item === null) this.#waits.shift();
  }

  /** Nothing will be late any more. */
  [Symbol.dispose](): void {
    this.#waits.length = 0;
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
  }

  #look(): void {
    const { clock, onLate } = this.#options;
    this.#timer = null;
    const nowMs = clock.monotonic();
    for (let first = this.#waits[0]; first !== undefined; first = this.#waits[0]) {
      if (first.item !== null && first.lateMs > nowMs) {
        this.#timer ??= clock.after(first.lateMs - nowMs, () => this.#look());
        return;
      }
      this.#waits.shift();
      const { item } = first;
      first.item = null;
      if (item !== null) onLate(item);
    }
  }
}
