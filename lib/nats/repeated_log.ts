/**
 * Keeps a repeated event from flooding the log: the first is written, then the tenth, the
 * hundredth and so on, each with its count.
 */
import type { Log, LogFields } from "../log.ts";

/** Different messages that are counted; beyond it all counts start again. */
const MESSAGES_MAX = 50;

/** Writes warnings that may come many times. */
export class RepeatedLog {
  readonly #log: Log;
  readonly #counts = new Map<string, number>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Writes the message if it is the first, tenth, hundredth … since the last `clear`. */
  warn(message: string, fields: LogFields = {}): void {
    const count = (this.#counts.get(message) ?? 0) + 1;
    if (this.#counts.size >= MESSAGES_MAX) this.#counts.clear();
    this.#counts.set(message, count);
    if (!isPowerOfTen(count)) return;
    this.#log.warn(message, count === 1 ? fields : { ...fields, count });
  }

  /** Starts counting anew: what was wrong is over. */
  clear(): void {
    this.#counts.clear();
  }
}

function isPowerOfTen(count: number): boolean {
  return /^10*$/.test(String(count));
}
