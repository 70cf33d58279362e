/**
 * The writers by processor id, and the one timer that moves them: it flushes what is due by age, has
 * payloads that wait long copied, extends ack deadlines, presses the largest batches when memory or
 * the consumer's limit runs out, has settings looked up again, and evicts writers that were idle for
 * long.
 */
import type { Clock } from "../clock.ts";
import { BatchWriter } from "./batch_writer.ts";
import type { ProcessorRecord } from "./processor_catalog.ts";
import type { WriterContext } from "./writer_context.ts";

/** How often the timer runs, in milliseconds: the precision of a batch window. */
const SWEEP_MS = 100;

/** Rounds of the timer between two looks for writers that were idle for long. */
const EVICTION_SWEEPS = 10;

/** How often the server is asked what is unsettled while anything is held, in milliseconds. */
const PENDING_POLL_MS = 1_000;

/** The same after an answer near the limit: nothing is delivered until something is settled. */
const PENDING_POLL_PRESSED_MS = 100;

/** Part of what waits that is flushed early when all instances together near the limit. */
const PENDING_PART = 0.5;

/** Timings of the cache. */
export interface WriterCacheOptions {
  readonly context: WriterContext;
  /** A writer that was idle this long is evicted, in milliseconds. */
  readonly idleMs: number;
  /** Settings of a writer that holds rows are looked up again after this long, in milliseconds. */
  readonly settingsMs: number;
  /** The consumer's `ack_wait` in milliseconds; null under core NATS. */
  readonly ackWaitMs: number | null;
  /** Messages unsettled over all instances; null under core NATS. */
  readonly ackPending: () => Promise<number | null>;
  readonly refreshSettings: (processorId: string) => void;
  /** Extends what is held elsewhere: messages whose processor is being looked up, rejects. */
  readonly extendOthers: (beforeMs: number) => void;
}

/** The cache; dispose it to stop its timer. */
export class WriterCache implements Disposable {
  readonly #options: WriterCacheOptions;
  readonly #writers = new Map<string, BatchWriter>();
  /** Those that may have something to do: thousands of idle ones cost the timer nothing. */
  readonly #active = new Set<BatchWriter>();
  readonly #clock: Clock;
  readonly #timer: Disposable;
  #sweeps = 0;
  #extendedAtMs: number;
  #polledAtMs: number;
  #pollMs = PENDING_POLL_MS;
  #polling = false;

  constructor(options: WriterCacheOptions) {
    this.#options = options;
    this.#clock = options.context.clock;
    this.#extendedAtMs = this.#clock.monotonic();
    this.#polledAtMs = this.#extendedAtMs;
    this.#timer = this.#clock.every(SWEEP_MS, () => this.sweep());
  }

  get size(): number {
    return this.#writers.size;
  }

  /** The writer of a processor, made when it is missing. */
  writer(record: ProcessorRecord): BatchWriter {
    let writer = this.#writers.get(record.processorId);
    if (writer === undefined) {
      writer = new BatchWriter(record.processorId, record.properties, this.#options.context);
      this.#writers.set(record.processorId, writer);
    }
    this.#active.add(writer);
    return writer;
  }

  /** Passes fresh settings on to the writer, if there is one. */
  configure(record: ProcessorRecord): void {
    this.#writers.get(record.processorId)?.configure(record.properties);
  }

  /** One round of the timer. */
  sweep(): void {
    const nowMs = this.#clock.monotonic();
    const copyBeforeMs = this.#options.context.flow.copyBefore(nowMs);
    for (const writer of this.#active) {
      if (!writer.isBusy) {
        this.#active.delete(writer);
        continue;
      }
      writer.poke(nowMs);
      writer.copyPayloads(copyBeforeMs);
      if (nowMs - writer.settingsAtMs >= this.#options.settingsMs) {
        this.#options.refreshSettings(writer.processorId);
      }
    }
    if (++this.#sweeps % EVICTION_SWEEPS === 0) this.#evict(nowMs);
    this.#extend(nowMs);
    const { flow } = this.#options.context;
    if (flow.isPressed) this.press(flow.excess);
    this.#pollPending(nowMs);
  }

  /**
   * Flushes the largest batches early, until `part` of the messages that wait are on their way: as
   * few flushes as possible, each with as many rows as possible. Small batches have their window.
   *
   * @param part from 0 to 1
   */
  press(part: number): void {
    const waiting = [...this.#active]
      .map((writer) => ({ writer, messages: writer.waitingMessages }))
      .filter(({ messages }) => messages > 0)
      .sort((a, b) => b.messages - a.messages);
    let left = waiting.reduce((sum, { messages }) => sum + messages, 0) * part;
    for (const { writer, messages } of waiting) {
      if (left <= 0) return;
      left -= messages;
      writer.force("pressure");
    }
  }

  /** Flushes everything and resolves when all of it is written. */
  async drain(): Promise<void> {
    for (const writer of this.#writers.values()) writer.force("stop");
    await this.idle();
  }

  /** Resolves when no flush is under way. */
  async idle(): Promise<void> {
    await Promise.all([...this.#writers.values()].map((writer) => writer.idle()));
  }

  /** Gives back what could not be written. */
  abandon(): void {
    for (const writer of this.#writers.values()) writer.abandon();
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  #evict(nowMs: number): void {
    const { idleMs, context } = this.#options;
    for (const writer of this.#writers.values()) {
      if (nowMs - writer.usedAtMs < idleMs || writer.isBusy) continue;
      this.#writers.delete(writer.processorId);
      this.#active.delete(writer);
      context.log.debug("Forgot an idle writer", { processor_id: writer.processorId });
    }
  }

  /** Every third of `ack_wait`: what is older than half a third would otherwise come again. */
  #extend(nowMs: number): void {
    const { ackWaitMs } = this.#options;
    if (ackWaitMs === null || nowMs - this.#extendedAtMs < ackWaitMs / 3) return;
    this.#extendedAtMs = nowMs;
    const beforeMs = nowMs - ackWaitMs / 6;
    for (const writer of this.#active) writer.extend(beforeMs);
    this.#options.extendOthers(beforeMs);
  }

  /** Another instance may hold what keeps the consumer from delivering: only the server knows. */
  #pollPending(nowMs: number): void {
    const { flow } = this.#options.context;
    if (this.#polling || flow.heldMessages === 0) return;
    if (nowMs - this.#polledAtMs < this.#pollMs) return;
    this.#polledAtMs = nowMs;
    this.#polling = true;
    this.#options.ackPending()
      .then((pending) => {
        const isPressed = pending !== null && flow.isPending(pending);
        this.#pollMs = isPressed ? PENDING_POLL_PRESSED_MS : PENDING_POLL_MS;
        if (isPressed) this.press(PENDING_PART);
      })
      // The connection is away: nothing is delivered either, and the next round asks again.
      .catch(() => undefined)
      .finally(() => this.#polling = false);
  }
}
