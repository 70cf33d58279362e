/**
 * Keeps what comes and goes many times from flooding the log: a warning is written once a minute at
 * most, with how often it came since; what is left out is still there at level debug.
 */
import type { Clock } from "../clock.ts";
import type { Log, LogFields } from "../log.ts";

/** Between two warnings of one name, in milliseconds. */
const PAUSE_MS = 60_000;

interface Written {
  readonly atMs: number;
  /** Times that it came since. */
  leftOut: number;
}

/** Writes warnings; one for each thing that may go wrong with one processor. */
export class SeldomLog {
  readonly #log: Log;
  readonly #clock: Clock;
  /** By name: there are as many as the program has sentences. */
  readonly #written = new Map<string, Written>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** @param name what counts as the same warning; one of a few constants */
  warn(name: string, message: string, fields: LogFields): void {
    const nowMs = this.#clock.monotonic();
    const before = this.#written.get(name);
    if (before !== undefined && nowMs - before.atMs < PAUSE_MS) {
      before.leftOut++;
      this.#log.debug(message, fields);
      return;
    }
    this.#written.set(name, { atMs: nowMs, leftOut: 0 });
    const leftOut = before?.leftOut ?? 0;
    this.#log.warn(message, leftOut === 0 ? fields : { ...fields, times_before: leftOut });
  }
}
