/**
 * Remembers which changes of one table were refused, so that not every flush asks for them again:
 * for some minutes, or until somebody else changes the table. Bounded.
 */
import type { Clock } from "../clock.ts";
import type { RefusedChange } from "./ports.ts";

/** How long a refused change is not asked for again, in milliseconds. */
export const REFUSED_MS = 300_000;

/** Refusals remembered; a table has no more columns that are made. */
const REFUSALS_MAX = 1_000;

/** What cannot be had. */
interface Refusal {
  readonly reason: string;
  /** Monotonic time. */
  readonly untilMs: number;
}

/** See the head of this file. */
export class RefusedChanges {
  readonly #clock: Clock;
  readonly #refusals = new Map<string, Refusal>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(kind: RefusedChange["kind"], name: string, reason: string): void {
    const key = `${kind}:${name}`;
    this.#refusals.delete(key);
    const oldest = this.#refusals.size < REFUSALS_MAX ? undefined : this.#refusals.keys().next();
    if (oldest?.value !== undefined) this.#refusals.delete(oldest.value);
    this.#refusals.set(key, { reason, untilMs: this.#clock.monotonic() + REFUSED_MS });
  }

  /** Why the change was refused; null when it may be asked for. */
  reason(kind: RefusedChange["kind"], name: string): string | null {
    const key = `${kind}:${name}`;
    const refusal = this.#refusals.get(key);
    if (refusal === undefined) return null;
    if (refusal.untilMs > this.#clock.monotonic()) return refusal.reason;
    this.#refusals.delete(key);
    return null;
  }

  /** The table is another one by now. */
  forget(): void {
    this.#refusals.clear();
  }
}
