/**
 * A message on its way to a table: what the source hands over, and what a batch holds until the
 * flush. A delivery keeps the payload and its one settlement together from pull to ack.
 */
import type { EncodableDelivery, PayloadPlace } from "../encoder/encodable_delivery.ts";

/**
 * One incarnation of a stream as one consumer reads it. Together with sequence and stored time it
 * names a message for ever: a stream deleted and made anew has another `created`, and a server that
 * lost its tail hands out sequences again with other stored times (design §4).
 */
export interface StreamOrigin {
  /** Durable consumer's name. */
  readonly consumer: string;
  /** The consumer's filter subject; empty when it reads the whole stream. */
  readonly filter: string;
  readonly stream: string;
  /** The stream's creation time, the server's text verbatim. */
  readonly created: string;
  /** The consumer's creation time, the server's text verbatim. */
  readonly consumerCreated: string;
}

/** Names one stored message. */
export interface MessageIdentity {
  readonly origin: StreamOrigin;
  /** Stream sequence, from 1. */
  readonly sequence: number;
  /** Time the server stored it: whole seconds since the Unix epoch. */
  readonly storedSeconds: number;
  /** Nanoseconds beyond {@linkcode storedSeconds}: both in one number would exceed 2^53. */
  readonly storedFraction: number;
}

const FRACTION_DIGITS = 9;

/** The stored time as nanoseconds since the Unix epoch, decimal digits. */
export function storedNs(
  { storedSeconds, storedFraction }: Pick<MessageIdentity, "storedSeconds" | "storedFraction">,
): string {
  return storedSeconds === 0
    ? String(storedFraction)
    : `${storedSeconds}${String(storedFraction).padStart(FRACTION_DIGITS, "0")}`;
}

/** One text per stored message, for sets and maps. */
export function messageName(identity: MessageIdentity): string {
  return `${identity.sequence}:${storedNs(identity)}:${identity.origin.created}`;
}

/**
 * How one message is settled with the server. `ack`, `nak` and `term` end it: call one of them, once;
 * then nothing of the message may be looked at any more, payload and identity included. None of them
 * waits or throws; under core NATS all do nothing.
 */
export interface Settlement {
  /** Everything this message asked for is durable. */
  ack(): void;
  /** Deliver it again, to anybody, after `delayMs` milliseconds. */
  nak(delayMs: number): void;
  /** Never deliver it again: it is kept as a reject. */
  term(): void;
  /** Still at work: the server restarts `ack_wait` for this message. */
  extend(): void;
}

/**
 * One message as a source hands it over. Until {@linkcode detach} its bytes are a read buffer, which
 * is pinned as a whole.
 */
export interface IncomingMessage extends Settlement, PayloadPlace {
  /** Payload as it came: a view that is made with each look. */
  readonly payload: Uint8Array;
  readonly payloadBytes: number;
  /** Null under core NATS, which stores nothing. */
  readonly identity: MessageIdentity | null;
  /** How often the server has delivered it, this time included; 1 under core NATS. */
  readonly deliveryCount: number;
  /** The server will not deliver it again by itself (`max_deliver` reached). */
  readonly isLastDelivery: boolean;
  /** Copies what is needed of the message out of the read buffer, unless that was done already. */
  detach(): void;
  /**
   * The message with what the intake found out about it; it is of no more use than the message once
   * that is settled.
   */
  hold(records: RecordPlace, routeId: string | null, receipt: Receipt): Delivery;
}

/** When the messages of one synchronous stretch came. */
export type Receipt = Pick<Delivery, "receivedAtMs" | "heldSinceMs">;

/** Where a message's records are. */
export type RecordPlace = Pick<
  Delivery,
  "recordsStart" | "recordsEnd" | "isList" | "recordCount"
>;

/** A message waiting in a batch. */
export interface Delivery extends EncodableDelivery {
  readonly message: IncomingMessage;
  /** Null when the sender addressed the processor directly. */
  readonly routeId: string | null;
  /** Monotonic time of receipt, milliseconds: the batch window counts from here. */
  readonly heldSinceMs: number;
  /** Id of the reject that it replays; such a message has no identity and no settlement. */
  readonly replayOf?: string | undefined;
}

/**
 * Restarts `ack_wait` of the deliveries received before `beforeMs` (monotonic), oldest first;
 * returns how many.
 */
export function extendAll(deliveries: Iterable<Delivery>, beforeMs: number): number {
  let extended = 0;
  for (const { heldSinceMs, message } of deliveries) {
    if (heldSinceMs >= beforeMs) continue;
    message.extend();
    extended++;
  }
  return extended;
}
