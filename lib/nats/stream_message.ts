/**
 * A JetStream message on its way in, and its settlement. One object a message, methods on the
 * prototype, no closures: tens of thousands of them wait in batches. Settlements are published
 * without waiting: one that is lost costs a redelivery, which the ledger drops.
 */
import type { IncomingMessage, MessageIdentity, StreamOrigin } from "../ingest/delivery.ts";
import type { AckReply } from "./ack_reply.ts";
import type { AckSender } from "./ack_sender.ts";

/** The part of a client that settlements other than acks need. */
export interface SettlementPublisher {
  publish(subject: string, payload: Uint8Array): void;
}

/** What a source's messages share. */
export interface MessageSource {
  readonly publisher: SettlementPublisher;
  readonly acks: AckSender;
  readonly origin: StreamOrigin;
  /** Deliveries of one message; Infinity when unlimited. */
  readonly maxDeliver: number;
}

const encoder = new TextEncoder();
const NAK = encoder.encode("-NAK");
// Plain, without a reason: servers before 2.10 do not take a term that has one.
const TERM = encoder.encode("+TERM");
const WORKING = encoder.encode("+WPI");

/** One JetStream message; it is its own identity. */
export class StreamMessage implements IncomingMessage, MessageIdentity {
  readonly sequence: number;
  readonly storedNs: string;
  readonly deliveryCount: number;
  readonly #source: MessageSource;
  readonly #reply: string;
  #payload: Uint8Array | null;

  constructor(source: MessageSource, reply: string, fields: AckReply, payload: Uint8Array) {
    this.sequence = fields.sequence;
    this.storedNs = fields.storedNs;
    this.deliveryCount = fields.deliveryCount;
    this.#source = source;
    this.#reply = reply;
    this.#payload = payload;
  }

  /** @throws {TypeError} after the call that handed the message over */
  get payload(): Uint8Array {
    if (this.#payload === null) {
      throw new TypeError("Cannot read the payload as it is there during the hand-over only");
    }
    return this.#payload;
  }

  get origin(): StreamOrigin {
    return this.#source.origin;
  }

  get isLastDelivery(): boolean {
    return this.deliveryCount >= this.#source.maxDeliver;
  }

  get identity(): MessageIdentity {
    return this;
  }

  /** Lets go of the payload, which pins the client's whole read buffer. */
  release(): void {
    this.#payload = null;
  }

  ack(): void {
    this.#source.acks.add(this.#reply);
  }

  nak(delayMs: number): void {
    if (delayMs <= 0) return this.#settle(NAK);
    const delay = Math.round(delayMs * 1e6);
    this.#settle(encoder.encode(`-NAK {"delay":${delay}}`));
  }

  term(): void {
    this.#settle(TERM);
  }

  extend(): void {
    this.#settle(WORKING);
  }

  #settle(payload: Uint8Array): void {
    try {
      this.#source.publisher.publish(this.#reply, payload);
    } catch {
      // The connection is closed for good: the server delivers the message again, and the ledger
      // knows whether its rows landed.
    }
  }
}
