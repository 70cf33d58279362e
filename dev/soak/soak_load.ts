/**
 * The steady load of the soak: the fault suite's messages at an even pace, in slices, so that nothing
 * is remembered of them but how many were confirmed. What was published follows from seed and count.
 */
import type { BedTarget } from "../faults/bed.ts";
import { type LoadMessage, type LoadShape, plannedMessages, Publisher } from "../faults/load.ts";

/** Length of one slice; its end waits for the confirmation of all of its messages. */
const SLICE_SECONDS = 2;

/** What is published, the pace apart: values follow from the id alone, so no late keys. */
export const SOAK_SHAPE: Pick<
  LoadShape,
  "messagesMin" | "recordsMax" | "poisonShare" | "lateKeys"
> = { messagesMin: 1, recordsMax: 2, poisonShare: 0, lateKeys: 0 };

/** The load. */
export class SoakLoad {
  /** Messages confirmed: the first so many of the plan. */
  confirmed = 0;
  readonly #publisher: Publisher;
  readonly #messages: Iterator<LoadMessage>;
  readonly #perSecond: number;

  constructor(
    publisher: Publisher,
    { seed, targets, perSecond }: {
      readonly seed: number;
      readonly targets: readonly BedTarget[];
      readonly perSecond: number;
    },
  ) {
    this.#publisher = publisher;
    this.#messages = plannedMessages(seed, targets, { ...SOAK_SHAPE, perSecond });
    this.#perSecond = perSecond;
  }

  /** Publishes slice after slice until `signal` aborts; resolves when all are confirmed. */
  async run(signal: AbortSignal): Promise<void> {
    const startedMs = performance.now();
    const sliceMessages = Math.ceil(this.#perSecond * SLICE_SECONDS);
    while (!signal.aborted) {
      const endMs = startedMs + (this.confirmed + sliceMessages) / this.#perSecond * 1_000;
      const leftMs = Math.max(0, endMs - performance.now());
      const slice = Array.from({ length: sliceMessages }, () => this.#next());
      // A slice is not cut short: what was published is the beginning of the plan. It ends when it
      // should; behind time, after a server was away, it goes as fast as it can.
      await this.#publisher.publish(slice, {
        messagesMin: sliceMessages,
        perSecond: sliceMessages / leftMs * 1_000,
        signal,
      });
      this.confirmed += this.#publisher.published.splice(0).length;
    }
  }

  #next(): LoadMessage {
    const { value, done } = this.#messages.next();
    if (done === true) throw new TypeError("Cannot publish as the plan has an end");
    return value;
  }
}
