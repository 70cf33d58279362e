/** Random choices that a seed repeats. */
export class Random {
  #state: number;
  /** How much of the odd comes now: 0 for nothing of it, 1 for all. */
  oddness = 1;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** From 0 to below 1 (splitmix32). */
  fraction(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad);
    bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
    return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to below `end`. */
  below(end: number): number {
    return Math.floor(this.fraction() * end);
  }

  /** True so many times out of 1. */
  chance(share: number): boolean {
    return this.fraction() < share;
  }

  /** True so many times out of 1 where all of the odd comes. */
  odd(share: number): boolean {
    return this.chance(share * this.oddness);
  }

  pick<T>(from: readonly T[]): T {
    const found = from[this.below(from.length)];
    if (found === undefined) throw new RangeError("Cannot pick from nothing");
    return found;
  }

  /** Any of all finite doubles. */
  anyDouble(): number {
    const view = new DataView(new ArrayBuffer(8));
    view.setUint32(0, this.below(2 ** 32));
    view.setUint32(4, this.below(2 ** 32));
    const double = view.getFloat64(0);
    return Number.isFinite(double) ? double : 0;
  }
}
