/**
 * The flushes of one batch writer that are under way: two at most, in the order of their rows. The
 * second prepares itself while the first waits for its COMMIT, and writes only when that is durable;
 * where the first has a setback the second is called off, so rows, statuses and acks keep their order.
 * A second one takes a turn only while another stays free: a slow table stalls nobody. Behind a large
 * one it is no smaller: else it would take few rows where many are about to come.
 */
import type { FlushReason } from "./batch.ts";
import { extendAll } from "./delivery.ts";
import { type FlushResult, RunningFlush } from "./running_flush.ts";
import type { Segment, Segments } from "./segments.ts";
import type { StoreTurn } from "./store_gate.ts";
import type { WriterContext } from "./writer_context.ts";

/**
 * A flush that is under way for longer is no quick one, in milliseconds: its table is locked or slow,
 * and what comes for other tables must not wait for it.
 */
const QUICK_MS = 500;

/**
 * A flush of so many messages is large. That the next is no smaller saves a twentieth of all CPU under
 * load: PostgreSQL 18 takes some 1.5 ms beside the rows for each COPY of 1,000 rows or more, and a flush
 * has two with the ledger's (each of 1,000 buffered rows pins the same descriptor, and a hash table of
 * the pins, in which they all collide, is searched one by one: ResourceOwnerForget).
 */
const LARGE_MESSAGES = 256;

/** How a flush begins. */
export interface FlushBeginning {
  readonly reason: FlushReason;
  readonly turn: StoreTurn;
  /** For the monitor. */
  readonly notes: readonly string[];
}

/** See the head of this file. */
export class FlushSequence {
  readonly #context: WriterContext;
  readonly #segments: Segments;
  readonly #running: RunningFlush[] = [];
  /** Wakes whoever waits for the end of the first. */
  #nudge: (() => void) | null = null;

  constructor(context: WriterContext, segments: Segments) {
    this.#context = context;
    this.#segments = segments;
  }

  /** The first one under way, whose data is sent or which is over; null when there is none. */
  get first(): RunningFlush | null {
    return this.#running[0] ?? null;
  }

  /** Takes what waits in a segment and begins to write it. */
  begin(segment: Segment, how: FlushBeginning): RunningFlush {
    return this.#begin(segment, how, null);
  }

  /** Why the next one may begin behind the first, or null while it has to wait. */
  dueBehind(nowMs: number): FlushReason | null {
    const { first } = this;
    if (first?.mayBeFollowed !== true || this.#running.length > 1) return null;
    // Settings that were left behind have a table of their own.
    const { batch } = this.#segments.first;
    if (batch !== first.start.segment.batch || this.#context.stopped.aborted) return null;
    const { flushCap } = this.#context;
    const before = first.start.deliveries.length;
    if (before >= LARGE_MESSAGES && batch.messages < before && !batch.fills(flushCap)) return null;
    return this.#segments.dueReason(nowMs, flushCap);
  }

  /** Bytes that are due and wait for the first, a quick one; few do not count. */
  queuedBytes(nowMs: number): number {
    const { first } = this;
    const { batch } = this.#segments.first;
    const waits = first !== null && !batch.isSmall && nowMs - first.start.startedMs < QUICK_MS &&
      this.#segments.dueReason(nowMs, this.#context.flushCap) !== null;
    return waits ? batch.bytes : 0;
  }

  /** Begins the next one behind the first if it is due and a turn is to spare. */
  beginBehind(notes: readonly string[]): RunningFlush | null {
    const reason = this.dueBehind(this.#context.clock.monotonic());
    if (reason === null) return null;
    const turn = this.#context.gate.takeSpare();
    if (turn === null) return null;
    return this.#begin(this.#segments.first, { reason, turn, notes }, this.first);
  }

  /** Waits for the end of the first, or until somebody nudges; null then. */
  async endOrNudge(first: RunningFlush): Promise<FlushResult | null> {
    const nudged = new Promise<void>((resolve) => this.#nudge = resolve);
    await Promise.race([first.over(), nudged]);
    this.#nudge = null;
    return first.result;
  }

  /** Something may be due behind the first. */
  nudge(nowMs: number): void {
    if (this.#nudge !== null && this.dueBehind(nowMs) !== null) this.#nudge();
  }

  /** The first one is committed: the second one is the first now. */
  leaveFirst(): void {
    this.#running.shift();
  }

  /**
   * The first one failed: waits for the second, which was told and has written nothing, and puts the
   * deliveries of both back in their order. The first one's turn is left to the caller.
   */
  async giveBack(): Promise<void> {
    const [, second] = this.#running;
    if (second !== undefined) {
      await second.over(); // what else it met it will meet again
      second.start.turn[Symbol.dispose]();
    }
    for (const { start } of this.#running.splice(0).reverse()) {
      this.#segments.restore(start.segment, start.deliveries);
    }
  }

  /** See {@linkcode extendAll}. */
  extend(beforeMs: number): number {
    return this.#running.reduce(
      (sum, { start }) => sum + extendAll(start.deliveries, beforeMs),
      0,
    );
  }

  #begin(segment: Segment, how: FlushBeginning, before: RunningFlush | null): RunningFlush {
    const { clock, flushCap, withBuffer } = this.#context;
    const { reason, turn, notes } = how;
    const deliveries = segment.batch.take(flushCap);
    const running = new RunningFlush(
      { segment, deliveries, reason, turn, startedMs: clock.monotonic() },
      before,
      (pace) =>
        withBuffer((buffer) => segment.table.flushInPace(deliveries, buffer, { notes, pace })),
    );
    this.#running.push(running);
    return running;
  }
}
