/**
 * Places in the program's work at which a test ends it, as a crash there would: between what is
 * durable and what is said or acked. They are put around the core's ports; the program itself knows
 * nothing of them.
 */
import {
  ALONE,
  type ChangedTable,
  type ConsumerLimits,
  type FlushOutcome,
  type FlushPace,
  type KnownMessage,
  type Source,
  type StatusPublisher,
  type TableStore,
} from "../../lib/ingest/ports.ts";
import type { DecoratePorts } from "../../lib/service.ts";

/** All failpoints, in the order in which a flush comes by them. */
export const FAILPOINTS = [
  /** A table or column was made; the rows that need it are not written. */
  "after-change",
  /** A flush is handed to the store; nothing of it was sent. */
  "before-write",
  /** Its transaction is open and has the ledger's entries; its rows are not sent. */
  "before-commit",
  /** Its rows and COMMIT are sent; nobody will read what becomes of it. */
  "commit-sent",
  /** It is committed; nothing is said or acked. */
  "after-commit",
  /** Messages without a table, or parked ones, are kept; nothing is said or acked. */
  "after-rejects",
  /** A status is stored by the monitor; nothing is acked. */
  "after-status",
  /** Some messages of a flush are acked, the others are not. */
  "half-acked",
] as const;

/** One of {@linkcode FAILPOINTS}. */
export type Failpoint = typeof FAILPOINTS[number];

/** The exit code at a failpoint: that of a process that SIGKILL ended. */
export const EXIT_AT_FAILPOINT = 137;

/** When to end the program. */
export interface FailpointChoice {
  readonly failpoint: Failpoint;
  /** Which time it comes by, from 1. */
  readonly occurrence: number;
}

/** Acks of one flush that are sent before the program ends half-way. */
const HALF = 3;

/** Reads `after-commit:3`. @throws {TypeError} it is none */
export function readFailpoint(text: string): FailpointChoice {
  const [name, count] = text.split(":");
  const failpoint = FAILPOINTS.find((one) => one === name);
  const occurrence = Number(count);
  if (failpoint === undefined || !Number.isInteger(occurrence) || occurrence < 1) {
    throw new TypeError(`Cannot use '${text}' as a failpoint`);
  }
  return { failpoint, occurrence };
}

/** Ends the program at a failpoint; `end` does not return, or nothing goes on after it. */
export function decorateWithFailpoint(choice: FailpointChoice, end: () => void): DecoratePorts {
  const counted = new Countdown(choice, end);
  return ({ store, source, publisher, ...others }) => ({
    ...others,
    store: failingStore(store, counted),
    source: failingSource(source, counted),
    publisher: publisher === null ? null : failingPublisher(publisher, counted),
  });
}

/** Counts how often the chosen failpoint comes by, and ends the program when it is time. */
class Countdown {
  readonly #choice: FailpointChoice;
  readonly end: () => void;
  #passed = 0;

  constructor(choice: FailpointChoice, end: () => void) {
    this.#choice = choice;
    this.end = end;
  }

  pass(failpoint: Failpoint, end = this.end): void {
    if (failpoint !== this.#choice.failpoint) return;
    if (++this.#passed === this.#choice.occurrence) end();
  }
}

function failingStore(store: TableStore, counted: Countdown): TableStore {
  return {
    get supportsDefaultMarker(): boolean {
      return store.supportsDefaultMarker;
    },
    describe: (table) => store.describe(table),
    ensureIndexes: (table, keys) => store.ensureIndexes(table, keys),
    async change(change): Promise<ChangedTable> {
      const changed = await store.change(change);
      counted.pass("after-change");
      return changed;
    },
    async write(flush, pace = ALONE): Promise<FlushOutcome> {
      counted.pass("before-write");
      const outcome = await store.write(flush, failingPace(pace, counted));
      if (outcome.kind === "committed") counted.pass("after-commit");
      return outcome;
    },
    async writeRejects(rejects): Promise<readonly KnownMessage[]> {
      const known = await store.writeRejects(rejects);
      counted.pass("after-rejects");
      return known;
    },
  };
}

/** The store asks whether rows may be written when everything before them is in the transaction. */
function failingPace(pace: FlushPace, counted: Countdown): FlushPace {
  return {
    follows: pace.follows,
    get mayWrite(): Promise<boolean> {
      counted.pass("before-commit");
      return pace.mayWrite;
    },
    onSent: () => {
      counted.pass("commit-sent");
      pace.onSent();
    },
    onSetback: () => pace.onSetback(),
  };
}

function failingPublisher(publisher: StatusPublisher, counted: Countdown): StatusPublisher {
  return {
    async publish(status): Promise<void> {
      await publisher.publish(status);
      counted.pass("after-status");
    },
  };
}

/**
 * The acks of a flush are called in one synchronous stretch, so a stretch stands for a flush. The
 * program ends when the server has read the first acks of it; it sends no others.
 */
function failingSource(source: Source, counted: Countdown): Source {
  let acked = 0;
  let isOver = false;
  const endBehindAcks = (): void => {
    isOver = true;
    // Acks leave at the end of the stretch, and the question behind them by the same connection.
    setTimeout(() => source.ackPending().finally(() => counted.end()));
  };
  const mayAck = (): boolean => {
    if (acked === 0) queueMicrotask(() => acked = 0);
    if (++acked === HALF + 1 && !isOver) counted.pass("half-acked", endBehindAcks);
    return !isOver;
  };
  return {
    kind: source.kind,
    get limits(): ConsumerLimits | null {
      return source.limits;
    },
    canPause: source.canPause,
    start: (onMessage, room) =>
      source.start((message) => {
        const ack = message.ack.bind(message);
        message.ack = () => mayAck() && ack();
        onMessage(message);
      }, room),
    pause: () => source.pause(),
    resume: () => source.resume(),
    ackPending: () => source.ackPending(),
    ackFloor: () => source.ackFloor(),
    stop: () => source.stop(),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}
