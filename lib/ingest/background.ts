/**
 * Work that nobody waits for but the end of the program. It is counted, not kept: a set that is emptied
 * again and again leaves tables behind, each of which keeps the next one and what is in it until the
 * whole heap is collected.
 */
export class Background {
  #count = 0;
  #idle: PromiseWithResolvers<void> | null = null;

  /** @param work must not reject */
  add(work: Promise<void>): void {
    this.#count++;
    work.finally(() => {
      if (--this.#count > 0) return;
      this.#idle?.resolve();
      this.#idle = null;
    });
  }

  /** Resolves when there is none. */
  idle(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers();
    return this.#idle.promise;
  }
}
