/**
 * Keeps messages that belong to no table: bytes that are no message, routes nobody knows. They go
 * into `rejected` and the ledger in one transaction, then the monitor hears FAILED and the server is
 * told never to deliver them again.
 */
import { StoreUnavailableError } from "../errors.ts";
import { heldBytes } from "./batch.ts";
import { type Delivery, extendAll, messageName } from "./delivery.ts";
import type { Reject } from "./ports.ts";
import { StatusTally } from "./status.ts";
import { withTurn } from "./store_gate.ts";
import type { WriterContext } from "./writer_context.ts";

/** Messages kept in one transaction at most. */
const REJECTS_MAX = 500;

/** A message and why it is rejected. */
interface Rejection {
  readonly delivery: Delivery;
  readonly processorId: string | null;
  readonly reason: string;
}

/** The one writer of message rejects. */
export class RejectWriter {
  readonly #context: WriterContext;
  #waiting: Rejection[] = [];
  #writing: readonly Rejection[] = [];
  #loop: Promise<void> | null = null;

  constructor(context: WriterContext) {
    this.#context = context;
  }

  /** Takes a message over; it counts as held until it is kept. */
  add(delivery: Delivery, processorId: string | null, reason: string): void {
    this.#waiting.push({ delivery, processorId, reason });
    this.#loop ??= this.#run().catch(this.#context.onBug).finally(() => this.#loop = null);
  }

  extend(beforeMs: number): void {
    const held = [...this.#writing, ...this.#waiting].map(({ delivery }) => delivery);
    this.#context.counters.extensions += extendAll(held, beforeMs);
  }

  async idle(): Promise<void> {
    while (this.#loop !== null) await this.#loop;
  }

  abandon(): void {
    for (const { delivery } of this.#waiting) {
      this.#context.flow.release(heldBytes(delivery));
      delivery.message.nak(0);
    }
    this.#context.counters.naks += this.#waiting.length;
    this.#waiting = [];
  }

  async #run(): Promise<void> {
    const { stopped, counters } = this.#context;
    while (this.#waiting.length > 0 && !stopped.aborted) {
      this.#writing = this.#waiting.splice(0, REJECTS_MAX);
      try {
        await this.#keep(this.#writing);
      } catch (error) {
        this.#waiting.unshift(...this.#writing);
        if (stopped.aborted) return;
        if (!(error instanceof StoreUnavailableError)) throw error;
        counters.storeRetries++;
      } finally {
        this.#writing = [];
      }
    }
  }

  async #keep(rejections: readonly Rejection[]): Promise<void> {
    const { store, gate, flow, counters, log, stopped } = this.#context;
    const distinct = distinctRejections(rejections);
    const rejects = distinct.map(rejectOf);
    const known = await withTurn(gate, () => store.writeRejects(rejects), stopped);
    counters.ledgerDrops += known.length;
    counters.rejectedMessages += rejects.length - known.length;
    for (const { delivery } of rejections) flow.release(heldBytes(delivery));
    log.warn("Messages were rejected", {
      count: rejects.length - known.length,
      first_reason: rejects[0]?.reason,
      stream: rejects[0]?.identity?.origin.stream,
      sequence: rejects[0]?.identity?.sequence,
    });
    this.#context.track(this.#settle(rejections, rejects));
  }

  async #settle(rejections: readonly Rejection[], rejects: readonly Reject[]): Promise<void> {
    const tally = new StatusTally();
    for (const reject of rejects) {
      tally.countMessage(reject.routeId, 0, reject.identity);
      tally.countRejects(reject.routeId, 1, [reject.reason]);
    }
    await this.#context.reporter.reportInTime(tally.statuses([]));
    for (const { delivery } of rejections) delivery.message.term();
  }
}

function distinctRejections(rejections: readonly Rejection[]): Rejection[] {
  const seen = new Set<string>();
  return rejections.filter(({ delivery }) => {
    const identity = delivery.message.identity;
    if (identity === null) return true;
    const name = messageName(identity);
    if (seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}

function rejectOf({ delivery, processorId, reason }: Rejection): Reject {
  return {
    identity: delivery.message.identity,
    ordinal: -1,
    recordCount: delivery.recordCount,
    routeId: delivery.routeId,
    processorId,
    tableName: null,
    sqlState: null,
    columnName: null,
    constraintName: null,
    reason,
    payload: delivery.payload,
    receivedAtMs: delivery.receivedAtMs,
  };
}
