/**
 * A JetStream message on its way in, and its settlement. Tens of thousands of them wait in batches:
 * so one object a message, without closures, which holds numbers and one view that it shares with
 * its neighbours. Settlements are published without waiting: one that is lost, or kept back from
 * another incarnation of the consumer, costs a redelivery, which the ledger drops.
 */
import type { IncomingMessage, MessageIdentity, StreamOrigin } from "../ingest/delivery.ts";
import type { AckReply } from "./ack_reply.ts";
import type { AckSender } from "./ack_sender.ts";
import { joinBytes } from "./byte_channel.ts";

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
  /**
   * This incarnation of the consumer is gone, or seems to be: nothing is settled. The one in its place
   * has the same subjects, and nats-server before 2.10.26 goes on behind an acked message that it
   * never delivered (nats-server pull request 6469): what lies before would be skipped.
   */
  isGone: boolean;
}

/** Where in some bytes a message's parts stand. */
export interface MessagePlace {
  readonly replyStart: number;
  readonly replyEnd: number;
  readonly payloadStart: number;
  readonly payloadEnd: number;
}

/** Bytes between a reply subject and its payload at most, without headers: " 1048576\r\n". */
const LENGTH_BYTES_MAX = 16;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NAK = encoder.encode("-NAK");
// Plain, without a reason: servers before 2.10 do not take a term that has one.
const TERM = encoder.encode("+TERM");
const WORKING = encoder.encode("+WPI");

/** One JetStream message; it is its own identity. */
export class StreamMessage implements IncomingMessage, MessageIdentity {
  readonly sequence: number;
  readonly deliveryCount: number;
  readonly storedSeconds: number;
  readonly storedFraction: number;
  readonly #source: MessageSource;
  /** What was read, with other messages, or this one's part of it, from reply subject to payload. */
  bytes: Uint8Array;
  #replyStart: number;
  #replyEnd: number;
  payloadStart: number;
  payloadEnd: number;

  /** @param fields what the reply subject says */
  constructor(source: MessageSource, fields: AckReply, bytes: Uint8Array, place: MessagePlace) {
    this.sequence = fields.sequence;
    this.deliveryCount = fields.deliveryCount;
    this.storedSeconds = fields.storedSeconds;
    this.storedFraction = fields.storedFraction;
    this.#source = source;
    this.bytes = bytes;
    this.#replyStart = place.replyStart;
    this.#replyEnd = place.replyEnd;
    this.payloadStart = place.payloadStart;
    this.payloadEnd = place.payloadEnd;
  }

  get payload(): Uint8Array {
    return this.bytes.subarray(this.payloadStart, this.payloadEnd);
  }

  get payloadBytes(): number {
    return this.payloadEnd - this.payloadStart;
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

  detach(): void {
    const start = this.#replyStart;
    if (this.bytes.buffer.byteLength === this.payloadEnd - start) return;
    const replyBytes = this.#replyEnd - start;
    const { payloadBytes } = this;
    // Between both there are the payload's length, and headers, if it has any.
    const hasHeaders = this.payloadStart - this.#replyEnd > LENGTH_BYTES_MAX;
    this.bytes = hasHeaders
      ? joinBytes([this.bytes.subarray(start, this.#replyEnd), this.payload])
      : this.bytes.slice(start, this.payloadEnd);
    this.#replyStart = 0;
    this.#replyEnd = replyBytes;
    this.payloadEnd = this.bytes.length;
    this.payloadStart = this.payloadEnd - payloadBytes;
  }

  ack(): void {
    if (this.#source.isGone) return;
    this.#source.acks.add(this.bytes, this.#replyStart, this.#replyEnd);
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
    if (this.#source.isGone) return;
    const reply = decoder.decode(this.bytes.subarray(this.#replyStart, this.#replyEnd));
    try {
      this.#source.publisher.publish(reply, payload);
    } catch {
      // The connection is closed for good: the server delivers the message again, and the ledger
      // knows whether its rows landed.
    }
  }
}

/**
 * The message with this reply subject and payload, which are copied: it pins nobody's buffer. Null
 * when the reply subject is none of JetStream's.
 *
 * @param fields reads the reply subject
 */
export function messageOf(
  source: MessageSource,
  fields: AckReply,
  reply: string,
  payload: Uint8Array,
): StreamMessage | null {
  const subject = encoder.encode(reply);
  if (!fields.read(subject, 0, subject.length)) return null;
  const bytes = new Uint8Array(subject.length + payload.length);
  bytes.set(subject);
  bytes.set(payload, subject.length);
  return new StreamMessage(source, fields, bytes, {
    replyStart: 0,
    replyEnd: subject.length,
    payloadStart: subject.length,
    payloadEnd: bytes.length,
  });
}
