/**
 * A lane of its own for look-ups: so many queries at once and no more, each for all keys that came
 * while the others were under way. A catalog that is locked or slow holds up look-ups, never the
 * flushes of tables that are known already.
 */
import type { ProcessorKey, ProcessorRecord } from "./processor_catalog.ts";

/** Keys of one query at most. */
const KEYS_MAX = 100;

interface Waiting {
  readonly key: ProcessorKey;
  readonly resolve: (record: ProcessorRecord | null) => void;
  readonly reject: (error: unknown) => void;
}

/** Asks the catalog for several keys; answers in their order. */
export type FindProcessors = (
  keys: readonly ProcessorKey[],
) => Promise<readonly (ProcessorRecord | null)[]>;

/** The lane. */
export class LookupLane {
  readonly #atOnceMax: number;
  readonly #find: FindProcessors;
  /** One for each key that is asked for and not under way: the directory asks once. */
  readonly #waiting: Waiting[] = [];
  #atOnce = 0;

  constructor(atOnceMax: number, find: FindProcessors) {
    this.#atOnceMax = atOnceMax;
    this.#find = find;
  }

  /** Asks when there is room. Rejects with what the query of its key rejects with. */
  find(key: ProcessorKey): Promise<ProcessorRecord | null> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, resolve, reject });
      this.#serve();
    });
  }

  #serve(): void {
    while (this.#atOnce < this.#atOnceMax && this.#waiting.length > 0) {
      this.#atOnce++;
      this.#ask(this.#waiting.splice(0, KEYS_MAX)).finally(() => {
        this.#atOnce--;
        this.#serve();
      });
    }
  }

  async #ask(asked: readonly Waiting[]): Promise<void> {
    try {
      const records = await this.#find(asked.map(({ key }) => key));
      for (const [index, { resolve }] of asked.entries()) resolve(records[index] ?? null);
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }
}
