/**
 * A message of core NATS, which stores nothing: no identity, delivered once, nothing to settle.
 */
import type { IncomingMessage } from "../ingest/delivery.ts";

/** One message of core NATS. */
export class CoreMessage implements IncomingMessage {
  readonly identity = null;
  readonly deliveryCount = 1;
  readonly isLastDelivery = true;
  #payload: Uint8Array | null;

  constructor(payload: Uint8Array) {
    this.#payload = payload;
  }

  /** @throws {TypeError} after the call that handed the message over */
  get payload(): Uint8Array {
    if (this.#payload === null) {
      throw new TypeError("Cannot read the payload as it is there during the hand-over only");
    }
    return this.#payload;
  }

  /** Lets go of the payload, which pins the client's whole read buffer. */
  release(): void {
    this.#payload = null;
  }

  ack(): void {}

  nak(): void {}

  term(): void {}

  extend(): void {}
}
