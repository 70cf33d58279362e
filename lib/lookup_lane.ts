/**
 * A lane of its own for look-ups: so many queries at once and no more, each for all keys that came
 * while the others were under way. What is looked up may be locked or slow: that holds up look-ups
 * and nothing else.
 */

/** Keys of one query at most. */
const KEYS_MAX = 100;

interface Waiting<Key, Answer> {
  readonly key: Key;
  readonly resolve: (answer: Answer | null) => void;
  readonly reject: (error: unknown) => void;
}

/** Looks several keys up; answers in their order, with null for what is not there. */
export type FindAll<Key, Answer> = (keys: readonly Key[]) => Promise<readonly (Answer | null)[]>;

/** The lane. */
export class LookupLane<Key, Answer> {
  readonly #atOnceMax: number;
  readonly #find: FindAll<Key, Answer>;
  readonly #waiting: Waiting<Key, Answer>[] = [];
  #atOnce = 0;

  constructor(atOnceMax: number, find: FindAll<Key, Answer>) {
    this.#atOnceMax = atOnceMax;
    this.#find = find;
  }

  /** Asks when there is room. Rejects with what the query of its key rejects with. */
  find(key: Key): Promise<Answer | null> {
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

  async #ask(asked: readonly Waiting<Key, Answer>[]): Promise<void> {
    try {
      const answers = await this.#find(asked.map(({ key }) => key));
      for (const [index, { resolve }] of asked.entries()) resolve(answers[index] ?? null);
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }
}
