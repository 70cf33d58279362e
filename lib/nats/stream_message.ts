/**
 * A JetStream message on its way in, what the intake found out about it, and its settlement. Tens of
 * thousands of them wait in batches: so one small object a message, whose numbers stand in a block and
 * whose bytes stay in the read buffer. Both are used again when it is settled; whoever looks at it
 * afterwards gets an error, not another message. Settlements are published without waiting: one that
 * is lost, or kept back from another incarnation of the consumer, costs a redelivery, which the ledger
 * drops.
 */
import type {
  Delivery,
  IncomingMessage,
  MessageIdentity,
  Receipt,
  RecordPlace,
  StreamOrigin,
} from "../ingest/delivery.ts";
import type { AckReply } from "./ack_reply.ts";
import { joinBytes } from "./byte_channel.ts";
import { FIELD, type MessageBlock, type MessageBlocks } from "./message_block.ts";
import type { MessageSource } from "./message_source.ts";
import type { ReadBuffer } from "./read_buffer.ts";

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

const TWO_32 = 2 ** 32;

const NOTHING = new Uint8Array();
const NO_NUMBERS = new Int32Array();
const NO_RECEIPT: Receipt = { receivedAtMs: 0, heldSinceMs: 0 };

/** One JetStream message; it is its own identity, and its own delivery once it is held. */
export class StreamMessage implements IncomingMessage, MessageIdentity, Delivery {
  /** Null once it is settled. */
  #block: MessageBlock | null;
  /** The block's; none once it is settled. */
  #numbers: Int32Array;
  readonly #at: number;
  /** What was read, with other messages, or this one's part of it, from reply subject to payload. */
  #bytes: Uint8Array;
  #buffer: ReadBuffer | null;
  #routeId: string | null = null;
  #receipt = NO_RECEIPT;

  /**
   * @param fields what the reply subject says
   * @param buffer what the bytes stand in, which is pinned here; null: in their own
   */
  constructor(
    block: MessageBlock,
    fields: AckReply,
    bytes: Uint8Array,
    place: MessagePlace,
    buffer: ReadBuffer | null,
  ) {
    const { numbers } = block;
    const at = block.take();
    this.#block = block;
    this.#numbers = numbers;
    this.#at = at;
    this.#bytes = bytes;
    this.#buffer = buffer;
    buffer?.pin();
    setLarge(numbers, at + FIELD.sequence, fields.sequence);
    setLarge(numbers, at + FIELD.storedSeconds, fields.storedSeconds);
    numbers[at + FIELD.storedFraction] = fields.storedFraction;
    numbers[at + FIELD.deliveryCount] = fields.deliveryCount;
    numbers[at + FIELD.replyStart] = place.replyStart;
    numbers[at + FIELD.replyEnd] = place.replyEnd;
    numbers[at + FIELD.payloadStart] = place.payloadStart;
    numbers[at + FIELD.payloadEnd] = place.payloadEnd;
  }

  get message(): this {
    return this;
  }

  get identity(): MessageIdentity {
    return this;
  }

  get origin(): StreamOrigin {
    return this.#block?.source.origin ?? settled();
  }

  get sequence(): number {
    return getLarge(this.#numbers, this.#at + FIELD.sequence);
  }

  get storedSeconds(): number {
    return getLarge(this.#numbers, this.#at + FIELD.storedSeconds);
  }

  get storedFraction(): number {
    return this.#numbers[this.#at + FIELD.storedFraction] ?? settled();
  }

  get deliveryCount(): number {
    return this.#numbers[this.#at + FIELD.deliveryCount] ?? settled();
  }

  get isLastDelivery(): boolean {
    return this.deliveryCount >= (this.#block?.source.maxDeliver ?? settled());
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get payloadStart(): number {
    return this.#numbers[this.#at + FIELD.payloadStart] ?? settled();
  }

  get payloadEnd(): number {
    return this.#numbers[this.#at + FIELD.payloadEnd] ?? settled();
  }

  get payload(): Uint8Array {
    return this.#bytes.subarray(this.payloadStart, this.payloadEnd);
  }

  get payloadBytes(): number {
    return this.payloadEnd - this.payloadStart;
  }

  get recordsStart(): number {
    return this.#numbers[this.#at + FIELD.recordsStart] ?? settled();
  }

  get recordsEnd(): number {
    return this.#numbers[this.#at + FIELD.recordsEnd] ?? settled();
  }

  get isList(): boolean {
    return (this.#numbers[this.#at + FIELD.isList] ?? settled()) === 1;
  }

  get recordCount(): number {
    return this.#numbers[this.#at + FIELD.recordCount] ?? settled();
  }

  get routeId(): string | null {
    return this.#routeId;
  }

  get receivedAtMs(): number {
    return this.#receipt.receivedAtMs;
  }

  get heldSinceMs(): number {
    return this.#receipt.heldSinceMs;
  }

  hold(records: RecordPlace, routeId: string | null, receipt: Receipt): this {
    const numbers = this.#numbers;
    const at = this.#at;
    numbers[at + FIELD.recordsStart] = records.recordsStart;
    numbers[at + FIELD.recordsEnd] = records.recordsEnd;
    numbers[at + FIELD.isList] = records.isList ? 1 : 0;
    numbers[at + FIELD.recordCount] = records.recordCount;
    this.#routeId = routeId;
    this.#receipt = receipt;
    return this;
  }

  detach(): void {
    const numbers = this.#numbers;
    const at = this.#at;
    const start = this.#numbers[this.#at + FIELD.replyStart] ?? settled();
    const replyEnd = this.#numbers[this.#at + FIELD.replyEnd] ?? settled();
    const { payloadStart, payloadEnd, payloadBytes } = this;
    if (this.#bytes.buffer.byteLength === payloadEnd - start) return;
    // Between both there are the payload's length, and headers, if it has any.
    const hasHeaders = payloadStart - replyEnd > LENGTH_BYTES_MAX;
    const bytes = hasHeaders
      ? joinBytes([this.#bytes.subarray(start, replyEnd), this.payload])
      : this.#bytes.slice(start, payloadEnd);
    this.#bytes = bytes;
    numbers[at + FIELD.replyStart] = 0;
    numbers[at + FIELD.replyEnd] = replyEnd - start;
    numbers[at + FIELD.payloadStart] = bytes.length - payloadBytes;
    numbers[at + FIELD.payloadEnd] = bytes.length;
    this.#buffer?.unpin();
    this.#buffer = null;
  }

  ack(): void {
    const block = this.#block;
    if (block === null) return;
    if (!block.source.isGone) {
      const numbers = this.#numbers;
      const at = this.#at;
      const start = numbers[at + FIELD.replyStart] ?? settled();
      const end = numbers[at + FIELD.replyEnd] ?? settled();
      block.source.acks.add(this.#bytes, start, end);
    }
    this.#release(block);
  }

  nak(delayMs: number): void {
    const delay = Math.round(delayMs * 1e6);
    this.#end(delayMs <= 0 ? NAK : encoder.encode(`-NAK {"delay":${delay}}`));
  }

  term(): void {
    this.#end(TERM);
  }

  extend(): void {
    if (this.#block !== null) this.#publish(this.#block, WORKING);
  }

  #end(settlement: Uint8Array): void {
    const block = this.#block;
    if (block === null) return;
    this.#publish(block, settlement);
    this.#release(block);
  }

  #publish({ source }: MessageBlock, settlement: Uint8Array): void {
    if (source.isGone) return;
    const reply = this.#bytes.subarray(
      this.#numbers[this.#at + FIELD.replyStart] ?? settled(),
      this.#numbers[this.#at + FIELD.replyEnd] ?? settled(),
    );
    try {
      source.publisher.publish(decoder.decode(reply), settlement);
    } catch {
      // The connection is closed for good: the server delivers the message again, and the ledger
      // knows whether its rows landed.
    }
  }

  /** Nothing of it is looked at any more. */
  #release(block: MessageBlock): void {
    this.#block = null;
    this.#numbers = NO_NUMBERS;
    this.#bytes = NOTHING;
    this.#buffer?.unpin();
    this.#buffer = null;
    block.settle();
  }
}

/** Writes a number up to 2^53 in two places. */
function setLarge(numbers: Int32Array, at: number, value: number): void {
  numbers[at] = Math.floor(value / TWO_32);
  numbers[at + 1] = value % TWO_32;
}

function getLarge(numbers: Int32Array, at: number): number {
  return (numbers[at] ?? settled()) * TWO_32 + ((numbers[at + 1] ?? settled()) >>> 0);
}

/** It has no numbers any more. */
function settled(): never {
  throw new TypeError("Cannot look at a message that is settled");
}

/**
 * The message with this reply subject and payload, which are copied: it pins nobody's buffer. Null
 * when the reply subject is none of JetStream's.
 *
 * @param fields reads the reply subject
 */
export function messageOf(
  { source, blocks, fields }: {
    readonly source: MessageSource;
    readonly blocks: MessageBlocks;
    readonly fields: AckReply;
  },
  reply: string,
  payload: Uint8Array,
): StreamMessage | null {
  const subject = encoder.encode(reply);
  if (!fields.read(subject, 0, subject.length)) return null;
  const bytes = new Uint8Array(subject.length + payload.length);
  bytes.set(subject);
  bytes.set(payload, subject.length);
  const place = {
    replyStart: 0,
    replyEnd: subject.length,
    payloadStart: subject.length,
    payloadEnd: bytes.length,
  };
  return new StreamMessage(blocks.of(source), fields, bytes, place, null);
}
