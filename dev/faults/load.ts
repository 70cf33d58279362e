/**
 * What a scenario publishes: messages of many processors, each row with an id of its own and values
 * that follow from the id and the seed, so that a table can be compared with what was published. A
 * message counts as published when JetStream confirmed it; one that was not confirmed is sent again
 * under the same `Nats-Msg-Id`, so that it is stored once. Bad rows are published on purpose where a
 * scenario asks for them.
 */
import type { JetStreamClient } from "@nats-io/jetstream";
import { headers } from "@nats-io/nats-core";
import { Random } from "./random.ts";

/** Stands in every text; may never stand in a log. */
export const CELL_CANARY = "cell-value-that-no-log-may-show";

/** A processor that is published to. */
export interface LoadTarget {
  readonly routeId: string;
  readonly table: string;
}

/** How much is published, and how. */
export interface LoadShape {
  /** At least so many, however soon the faults are over. */
  readonly messagesMin: number;
  /** Messages a second; as fast as it goes when Infinity. */
  readonly perSecond: number;
  /** Records of a message: from one to this many. */
  readonly recordsMax: number;
  /** Share of the messages that also carry a record that can never land. */
  readonly poisonShare: number;
  /** Keys that appear only later in the load, spread over it; each makes a column. */
  readonly lateKeys: number;
  /** Route that gets every second message. */
  readonly favoured?: string;
}

/** A record as it is published. */
export type LoadRow = Readonly<Record<string, string | number | boolean>>;

/** A message and what should become of it. */
export interface LoadMessage {
  readonly id: string;
  readonly target: LoadTarget;
  readonly rows: readonly LoadRow[];
  readonly poison: boolean;
  readonly payload: string;
}

/** Messages on their way to JetStream at once. */
const WINDOW = 200;

/** Messages of one load at most. */
const MESSAGES_MAX = 1_000_000;

/** A message that is not confirmed is sent again after this, in milliseconds. */
const CONFIRM_TIMEOUT_MS = 2_000;
const RETRY_PAUSE_MS = 200;

/** A message is given up after so many tries: the server has been away for too long. */
const TRIES_MAX = 600;

/** The record of an id: its values follow from id and seed alone. */
export function rowOf(seed: number, id: number, lateKey: string | null): LoadRow {
  const random = new Random(seed ^ Math.imul(id, 0x9e3779b1));
  // Never a whole number, and exact as a double.
  const score = (2 * random.integer(0, 1_000_000) + 1) / 2048;
  return {
    id,
    text: `${CELL_CANARY} ${id} é ${random.integer(0, 1e9)}`,
    score,
    passed: random.chance(0.5),
    ...(lateKey === null ? {} : { [lateKey]: `late ${id}` }),
  };
}

/** The messages of a load, without end, as they are published; ids begin at `firstId`. */
export function* plannedMessages(
  seed: number,
  targets: readonly LoadTarget[],
  shape: LoadShape,
  firstId = 1,
): Generator<LoadMessage> {
  const random = new Random(seed);
  const favoured = targets.find(({ routeId }) => routeId === shape.favoured);
  let id = firstId;
  for (let index = 0;; index++) {
    const target = favoured !== undefined && random.chance(0.5) ? favoured : random.pick(targets);
    const part = Math.floor(index / shape.messagesMin * (shape.lateKeys + 1));
    const reached = Math.min(part, shape.lateKeys);
    const rows = Array.from({ length: random.integer(1, shape.recordsMax) }, () => {
      const lateKey = reached > 0 && random.chance(0.3)
        ? `late_${random.integer(1, reached)}`
        : null;
      return rowOf(seed, id++, lateKey);
    });
    const poison = random.chance(shape.poisonShare);
    // A record that is no object is a reject; the others of its message land.
    const records = poison ? [...rows, 13] : rows;
    yield {
      id: `${seed}-${firstId}-${index}`,
      target,
      rows,
      poison,
      payload: JSON.stringify({
        type: "query_state",
        route_id: target.routeId,
        query_state: records,
      }),
    };
  }
}

/** How a load is published. */
export interface PublishOptions extends Pick<LoadShape, "perSecond" | "messagesMin"> {
  readonly signal: AbortSignal;
}

/** Publishes and remembers what was confirmed. */
export class Publisher {
  readonly published: LoadMessage[] = [];
  #isHeld = false;
  #sending = 0;
  readonly #stream: JetStreamClient;
  readonly #subject: string;

  constructor(stream: JetStreamClient, subject: string) {
    this.#stream = stream;
    this.#subject = subject;
  }

  /**
   * Publishes messages at the pace asked for: `messagesMin` of them, and on from there until `signal`
   * aborts.
   */
  async publish(
    messages: Iterable<LoadMessage>,
    { perSecond, messagesMin, signal }: PublishOptions,
  ): Promise<void> {
    const startedMs = performance.now();
    const underWay = new Set<Promise<void>>();
    let sent = 0;
    for (const message of messages) {
      if (sent >= messagesMin && signal.aborted || sent >= MESSAGES_MAX) break;
      const dueMs = startedMs + sent++ / perSecond * 1000;
      const waitMs = dueMs - performance.now();
      if (waitMs > 5) await new Promise((resolve) => setTimeout(resolve, waitMs));
      while (this.#isHeld) await new Promise((resolve) => setTimeout(resolve, 20));
      while (underWay.size >= WINDOW) await Promise.race(underWay);
      const one: Promise<void> = this.#publishOne(message).finally(() => {
        underWay.delete(one);
        this.#sending--;
      });
      this.#sending++;
      underWay.add(one);
    }
    await Promise.all(underWay);
  }

  /** Sends nothing new, and resolves when what was sent is confirmed. */
  async hold(): Promise<void> {
    this.#isHeld = true;
    while (this.#sending > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Goes on. */
  release(): void {
    this.#isHeld = false;
  }

  /** Publishes one message until it is confirmed. */
  async #publishOne(message: LoadMessage): Promise<void> {
    const fields = headers();
    fields.set("Nats-Msg-Id", message.id);
    for (let tries = 1;; tries++) {
      try {
        await this.#stream.publish(this.#subject, message.payload, {
          headers: fields,
          timeout: CONFIRM_TIMEOUT_MS,
        });
        this.published.push(message);
        return;
      } catch (error) {
        // The server is away: what it stored without saying so is found by its id.
        if (tries === TRIES_MAX) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
      }
    }
  }
}
