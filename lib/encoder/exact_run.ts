/**
 * The records of a batch on their way through the exact encoder: all of them, or those that a faster
 * one passes, in the order of the batch. It keeps the rejects, and the bound on them.
 */
import type { EncodableDelivery } from "./encodable_delivery.ts";
import type { RecordEncoder, RecordPosition } from "./record_encoder.ts";
import type { Refusal } from "./refusal.ts";
import type { RowBuffer } from "./row_buffer.ts";
import { skipSpace } from "./value_skipper.ts";

/** A record that makes no row, or a message none of whose records does. */
export interface EncodedReject extends Refusal {
  /** Index of its delivery. */
  readonly delivery: number;
  /** Position in its message, from 0; -1 for the whole message. */
  readonly ordinal: number;
}

/**
 * Records of one message that may be rejects. Beyond it the message is one reject as a whole and none
 * of its rows land, or a megabyte of `[1,1,…]` would be half a million of them.
 */
export const REJECTS_PER_MESSAGE_MAX = 1_000;

/** See the head of this file. */
export class ExactRun {
  readonly rejects: EncodedReject[] = [];
  /** Index of the first row of each delivery, and behind the last one the number of rows. */
  readonly firstRows: Uint32Array;
  readonly #open: () => RecordEncoder;
  readonly #deliveries: readonly EncodableDelivery[];
  readonly #buffer: RowBuffer;
  #encoder: RecordEncoder | null = null;
  /** The delivery at hand, and the number of rejects before it. */
  #index = -1;
  #firstReject = 0;

  /** @param open gives an encoder that has begun a batch, when the first record needs one */
  constructor(
    open: () => RecordEncoder,
    deliveries: readonly EncodableDelivery[],
    buffer: RowBuffer,
  ) {
    this.#open = open;
    this.#deliveries = deliveries;
    this.#buffer = buffer;
    this.firstRows = new Uint32Array(deliveries.length + 1);
  }

  /** What encoded records of the batch; null when none came here. */
  get encoder(): RecordEncoder | null {
    return this.#encoder;
  }

  /** Starts from nothing. */
  begin(): void {
    this.#encoder = null;
    this.#buffer.reset();
    this.rejects.length = 0;
    this.#index = -1;
  }

  /** Encodes the whole batch. */
  encodeAll(): void {
    for (const index of this.#deliveries.keys()) {
      this.firstRows[index] = this.#buffer.rowCount;
      this.encodeDelivery(index);
    }
    this.firstRows[this.#deliveries.length] = this.#buffer.rowCount;
  }

  /** Encodes all records of a delivery; its entry of `firstRows` is set. */
  encodeDelivery(index: number): void {
    const { payload, isList, recordsStart } = this.#at(index);
    const at = isList ? skipSpace(payload, recordsStart + 1) : recordsStart;
    if (isList && payload[at] === 0x5d) return;
    const position: RecordPosition = { payload, delivery: index, ordinal: 0 };
    for (let next = at; next !== -1; position.ordinal++) {
      next = this.#encodeRecord(position, next);
    }
  }

  /**
   * Encodes the record at `at`. Returns the offset of the next one, or -1 when no record of the
   * delivery is to follow.
   */
  encodeRecord(index: number, ordinal: number, at: number): number {
    const { payload } = this.#at(index);
    return this.#encodeRecord({ payload, delivery: index, ordinal }, at);
  }

  #encodeRecord(position: RecordPosition, at: number): number {
    const { payload, delivery: index, ordinal } = position;
    const encoder = this.#encoder ??= this.#open();
    const delivery = this.#delivery(encoder, index);
    const end = encoder.encode(position, at, this.#buffer);
    const { refusal } = encoder;
    if (refusal !== null) {
      if (this.rejects.length - this.#firstReject === REJECTS_PER_MESSAGE_MAX) {
        encoder.truncate(this.#buffer, this.firstRows[index] ?? 0);
        this.rejects.push(wholeReject(delivery, index, this.rejects.splice(this.#firstReject)));
        return -1;
      }
      this.rejects.push({ ...refusal, delivery: index, ordinal });
    }
    if (!delivery.isList) return -1;
    const comma = payload[end] === 0x2c ? end : skipSpace(payload, end);
    return payload[comma] === 0x2c ? skipSpace(payload, comma + 1) : -1;
  }

  /** A delivery whose records follow. */
  #delivery(encoder: RecordEncoder, index: number): EncodableDelivery {
    const delivery = this.#at(index);
    if (index !== this.#index) {
      this.#index = index;
      this.#firstReject = this.rejects.length;
      encoder.setReceivedAt(delivery.receivedAtMs);
    }
    return delivery;
  }

  #at(index: number): EncodableDelivery {
    const delivery = this.#deliveries[index];
    if (delivery !== undefined) return delivery;
    throw new RangeError(`Cannot find delivery ${index} of the batch`);
  }
}

function wholeReject(
  { recordCount }: EncodableDelivery,
  delivery: number,
  [first]: readonly EncodedReject[],
): EncodedReject {
  const reason = `Cannot write the message as more than ${REJECTS_PER_MESSAGE_MAX} of its ` +
    `${recordCount} records make no row; the first: ${first?.reason}`;
  return { columnName: first?.columnName ?? null, reason, delivery, ordinal: -1 };
}
