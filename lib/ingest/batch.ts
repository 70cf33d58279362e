/**
 * Deliveries waiting for one table, and when they are due (design §6). Pure policy: no timer, no
 * I/O, no sender; the batch writer asks it and acts.
 */
import type { Delivery } from "./delivery.ts";
import { isInstant, type ProcessorSettings } from "./processor_settings.ts";

/** Why a flush happens. Every flush counts its reason. */
export type FlushReason =
  | "instant"
  | "rows"
  | "window"
  | "bytes"
  | "empty"
  | "pressure"
  | "settings"
  | "parked"
  | "stop";

/** What a flush takes at most. A single larger message is taken all the same: it is never split. */
export interface FlushCap {
  readonly rowsMax: number;
  readonly bytesMax: number;
}

/**
 * Memory that one held message costs beside its payload, in bytes. Measured on 200,000 deliveries made
 * as the intake makes them, after a full collection: 101 of heap (message and its place in lists), 56
 * for its numbers, and some 110 for the protocol's lines in the read buffer that it pins. Resident
 * memory grows by more, as V8 lets garbage pile up before it collects.
 */
export const MESSAGE_OVERHEAD_BYTES = 270;

/** Bytes that a delivery counts for while it is held. */
export function heldBytes(delivery: Delivery): number {
  return delivery.message.payloadBytes + MESSAGE_OVERHEAD_BYTES;
}

/** Bytes up to which a flush is small, as {@linkcode heldBytes} counts them. */
const SMALL_BYTES_MAX = 256 * 1024;

/** The waiting deliveries, oldest first. */
export class Batch {
  #deliveries: Delivery[] = [];
  #rows = 0;
  #bytes = 0;
  #empties = 0;

  get isEmpty(): boolean {
    return this.#deliveries.length === 0;
  }

  /** Flushed now, it may share a transaction with the batches of other tables. */
  get isSmall(): boolean {
    return this.#bytes <= SMALL_BYTES_MAX;
  }

  /** Records waiting. */
  get rows(): number {
    return this.#rows;
  }

  /** Messages waiting. */
  get messages(): number {
    return this.#deliveries.length;
  }

  /** Bytes held, as {@linkcode heldBytes} counts them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Monotonic time at which the oldest delivery was received; Infinity when empty. */
  get oldestMs(): number {
    return this.#deliveries[0]?.heldSinceMs ?? Infinity;
  }

  [Symbol.iterator](): ArrayIterator<Delivery> {
    return this.#deliveries[Symbol.iterator]();
  }

  add(delivery: Delivery): void {
    this.#deliveries.push(delivery);
    this.#count(delivery, 1);
  }

  /** Puts back what a failed flush had taken, in front. */
  restore(deliveries: readonly Delivery[]): void {
    this.#deliveries = [...deliveries, ...this.#deliveries];
    for (const delivery of deliveries) this.#count(delivery, 1);
  }

  /** Why the batch is due at `nowMs` (monotonic), or null while it may wait. */
  dueReason(nowMs: number, settings: ProcessorSettings, cap: FlushCap): FlushReason | null {
    if (this.isEmpty) return null;
    if (isInstant(settings)) return "instant";
    if (this.#rows >= settings.batchRows) return "rows";
    if (this.#bytes >= cap.bytesMax) return "bytes";
    if (this.#empties > 0) return "empty";
    if (nowMs - this.oldestMs >= settings.batchWindowMs) return "window";
    return null;
  }

  /** A flush could take no more. */
  fills(cap: FlushCap): boolean {
    return this.#rows >= cap.rowsMax || this.#bytes >= cap.bytesMax;
  }

  /** Gives payloads received before `beforeMs` (monotonic) buffers of their own. */
  copyPayloads(beforeMs: number): void {
    for (const delivery of this.#deliveries) {
      if (delivery.heldSinceMs >= beforeMs) return;
      delivery.message.detach();
    }
  }

  /** Takes the oldest deliveries up to the cap; at least one. */
  take(cap: FlushCap): Delivery[] {
    let rows = 0;
    let bytes = 0;
    let end = 0;
    for (const delivery of this.#deliveries) {
      rows += delivery.recordCount;
      bytes += heldBytes(delivery);
      if (end > 0 && (rows > cap.rowsMax || bytes > cap.bytesMax)) break;
      end++;
    }
    const taken = end === this.#deliveries.length
      ? this.#deliveries
      : this.#deliveries.slice(0, end);
    this.#deliveries = taken === this.#deliveries ? [] : this.#deliveries.slice(end);
    taken.forEach((delivery) => this.#count(delivery, -1));
    return taken;
  }

  #count(delivery: Delivery, sign: 1 | -1): void {
    this.#rows += sign * delivery.recordCount;
    this.#bytes += sign * heldBytes(delivery);
    if (delivery.recordCount === 0) this.#empties += sign;
  }
}
