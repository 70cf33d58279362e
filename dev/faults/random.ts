/** Random numbers from a seed: the same seed gives the same choices on every machine. */

/** A source of random numbers; every call moves it on. */
export class Random {
  #state: number;

  /** `seed`: any integer. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** At least 0, below 1 (the mulberry32 generator). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** True in a share of all calls. */
  chance(share: number): boolean {
    return this.next() < share;
  }

  /** One of the choices. @throws {RangeError} there is none */
  pick<T>(choices: readonly T[]): T {
    const chosen = choices[this.integer(0, choices.length - 1)];
    if (chosen === undefined) throw new RangeError("Cannot pick from nothing");
    return chosen;
  }
}
