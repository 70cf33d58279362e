/**
 * A lane of its own for look-ups: so many at once and no more, first come first served. A catalog
 * that is locked or slow holds up look-ups, never the flushes of tables that are known already.
 */

/** The lane. */
export class LookupLane {
  readonly #atOnceMax: number;
  readonly #waiting: (() => void)[] = [];
  #atOnce = 0;

  constructor(atOnceMax: number) {
    this.#atOnceMax = atOnceMax;
  }

  /** Runs `work` when there is room. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#atOnce >= this.#atOnceMax) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#atOnce++;
    }
    try {
      return await work();
    } finally {
      // The place is handed on, so that nobody else takes it in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#atOnce--;
      else next();
    }
  }
}
