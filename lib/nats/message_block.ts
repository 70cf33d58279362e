/**
 * The numbers of messages that wait, some of one source together, outside of the heap: so a message
 * is one small object, of which garbage is collected sooner. A block is used again when all of its
 * messages are settled.
 */
import type { MessageSource } from "./message_source.ts";

/** Messages of a block. */
const MESSAGES = 128;

/** Offsets of a message's numbers; those that may be large are two, the upper and lower 32 bits. */
export const FIELD = {
  sequence: 0,
  storedSeconds: 2,
  storedFraction: 4,
  deliveryCount: 5,
  replyStart: 6,
  replyEnd: 7,
  payloadStart: 8,
  payloadEnd: 9,
  recordsStart: 10,
  recordsEnd: 11,
  isList: 12,
  recordCount: 13,
} as const;

/** Numbers of a message. */
const NUMBERS = 14;

/** Where the messages of one source stand, between two uses. */
export class MessageBlock {
  readonly source: MessageSource;
  /** Of all its messages: each has its own from where {@linkcode take} says. */
  readonly numbers: Int32Array;
  readonly #giveBack: (numbers: Int32Array) => void;
  #taken = 0;
  #settled = 0;
  #isClosed = false;

  constructor(
    source: MessageSource,
    numbers: Int32Array,
    giveBack: (numbers: Int32Array) => void,
  ) {
    this.source = source;
    this.numbers = numbers;
    this.#giveBack = giveBack;
  }

  get hasRoom(): boolean {
    return this.#taken < MESSAGES;
  }

  /** Where the numbers of one message more stand. */
  take(): number {
    return this.#taken++ * NUMBERS;
  }

  /** One of its messages does not look at its numbers again. */
  settle(): void {
    this.#settled++;
    this.#giveBackWhenOver();
  }

  /** It gets no more messages. */
  close(): void {
    this.#isClosed = true;
    this.#giveBackWhenOver();
  }

  #giveBackWhenOver(): void {
    if (this.#isClosed && this.#settled === this.#taken) this.#giveBack(this.numbers);
  }
}

/** Numbers kept for the next use at most: of some 60,000 messages. */
const FREE_MAX = 512;

/** Gives each message of a source a place. */
export class MessageBlocks {
  readonly #free: Int32Array[] = [];
  #current: MessageBlock | null = null;

  /** The block that has room for the next message. */
  of(source: MessageSource): MessageBlock {
    const current = this.#current;
    if (current !== null) {
      if (current.source === source && current.hasRoom) return current;
      current.close();
    }
    const numbers = this.#free.pop() ?? new Int32Array(MESSAGES * NUMBERS);
    return this.#current = new MessageBlock(source, numbers, this.#giveBack);
  }

  readonly #giveBack = (numbers: Int32Array): void => {
    if (this.#free.length < FREE_MAX) this.#free.push(numbers);
  };
}
