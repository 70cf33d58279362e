/**
 * A message of core NATS, which stores nothing: no identity, delivered once, nothing to settle.
 */
import type { Delivery, IncomingMessage, Receipt, RecordPlace } from "../ingest/delivery.ts";
import { HeldDelivery } from "../ingest/held_delivery.ts";

/** One message of core NATS. */
export class CoreMessage implements IncomingMessage {
  readonly identity = null;
  readonly deliveryCount = 1;
  readonly isLastDelivery = true;
  #payload: Uint8Array;

  constructor(payload: Uint8Array) {
    this.#payload = payload;
  }

  get payload(): Uint8Array {
    return this.#payload;
  }

  get bytes(): Uint8Array {
    return this.#payload;
  }

  get payloadStart(): number {
    return 0;
  }

  get payloadEnd(): number {
    return this.#payload.length;
  }

  get payloadBytes(): number {
    return this.#payload.length;
  }

  detach(): void {
    const payload = this.#payload;
    if (payload.buffer.byteLength > payload.length) this.#payload = new Uint8Array(payload);
  }

  hold(records: RecordPlace, routeId: string | null, receipt: Receipt): Delivery {
    return new HeldDelivery(this, records, routeId, receipt);
  }

  ack(): void {}

  nak(): void {}

  term(): void {}

  extend(): void {}
}
