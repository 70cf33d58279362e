/**
 * Takes the messages of chosen subscriptions out of what a server sends, ahead of the client's
 * parser, which makes ten objects of each. Everything else goes to the client, byte for byte and in
 * order, and so do messages larger than {@linkcode FRAME_BYTES_MAX}.
 */
import { joinBytes } from "./byte_channel.ts";
import { MessageFrame } from "./message_frame.ts";
import type { ReadBuffer } from "./read_buffer.ts";
import type { MessagePlace } from "./stream_message.ts";

/**
 * Told of each message, in order, synchronously: the bytes that were read, where in them the message
 * stands, which is true during the call only, and the buffer that has to be pinned by whoever wants
 * the bytes to stay as they are; null when they do by themselves. Must not throw.
 */
export type TapListener = (
  bytes: Uint8Array,
  place: MessagePlace,
  buffer: ReadBuffer | null,
) => void;

/** A frame that is longer, in bytes, is left to the client: so little is held back at most. */
const FRAME_BYTES_MAX = 64 * 1024;

/** What is joined to the start of a frame first, in bytes; mostly that is enough. */
const JOINED_BYTES = 8 * 1024;

/** The tap of one client, over all its connections. */
export class MessageTap {
  readonly #isBetweenFrames: () => boolean;
  readonly #listeners = new Map<number, TapListener>();

  /** @param isBetweenFrames the client's parser is not in the middle of a frame */
  constructor(isBetweenFrames: () => boolean) {
    this.#isBetweenFrames = isBetweenFrames;
  }

  /** Hands messages of the subscription with this number over, until it is disposed. */
  listen(subscription: number, listener: TapListener): Disposable {
    this.#listeners.set(subscription, listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(subscription) };
  }

  /** Begins with a new connection. */
  openStream(): TappedStream {
    return new TappedStream(this.#listeners, this.#isBetweenFrames);
  }
}

/** Bytes, and what they stand in when that is not their own. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly buffer: ReadBuffer | null;
}

/** `blind` while it is not known where frames begin. */
type Mode = "blind" | "reading";

/** What one connection receives. */
export class TappedStream {
  readonly #listeners: ReadonlyMap<number, TapListener>;
  readonly #isBetweenFrames: () => boolean;
  readonly #frame = new MessageFrame();
  #mode: Mode = "blind";
  /** Start of a frame whose end has not come yet; its buffer is pinned. */
  #held: Piece | null = null;
  /** Bytes to come that belong to a frame of the client. */
  #passing = 0;

  constructor(listeners: ReadonlyMap<number, TapListener>, isBetweenFrames: () => boolean) {
    this.#listeners = listeners;
    this.#isBetweenFrames = isBetweenFrames;
  }

  /**
   * Takes what came. What it yields is the client's, which has to have parsed each piece before it
   * asks for the next.
   *
   * @param buffer what it stands in, pinned until all is taken; null: in its own
   */
  *take(chunk: Uint8Array, buffer: ReadBuffer | null): Generator<Uint8Array, void, undefined> {
    if (this.#mode === "blind") {
      if (this.#listeners.size === 0 || !this.#isBetweenFrames()) return yield chunk;
      this.#mode = "reading";
    }
    const held = this.#held;
    if (held === null) {
      const passed = Math.min(this.#passing, chunk.length);
      this.#passing -= passed;
      if (passed > 0) yield chunk.subarray(0, passed);
      return yield* this.#read({ bytes: chunk, buffer }, passed);
    }
    this.#held = null;
    yield* this.#takeBehind(held.bytes, chunk, buffer);
    held.buffer?.unpin();
  }

  /** @param held the start of a frame that goes on in the chunk */
  *#takeBehind(
    held: Uint8Array,
    chunk: Uint8Array,
    buffer: ReadBuffer | null,
  ): Generator<Uint8Array, void, undefined> {
    const whole = adjacent(held, chunk);
    if (whole !== null) return yield* this.#read({ bytes: whole, buffer }, 0);
    // The one frame is copied, not all that came; but a larger one needs more.
    const few = { bytes: joinBytes([held, chunk.subarray(0, JOINED_BYTES)]), buffer: null };
    const end = this.#takeMessage(few, 0) ?? (yield* this.#passOn(few, 0));
    if (end > 0) return yield* this.take(chunk.subarray(end - held.length), buffer);
    this.#held = null;
    yield* this.#read({ bytes: joinBytes([held, chunk]), buffer: null }, 0);
  }

  *#read(piece: Piece, start: number): Generator<Uint8Array, void, undefined> {
    for (let at = start; at < piece.bytes.length;) {
      const end = this.#takeMessage(piece, at) ?? (yield* this.#passOn(piece, at));
      if (end === at) return;
      at = end;
    }
  }

  /** Passes one frame on; returns where the next begins: at `at` when this one is held back. */
  *#passOn({ bytes, buffer }: Piece, at: number): Generator<Uint8Array, number, undefined> {
    const frame = this.#frame;
    const kind = frame.read(bytes, at);
    const hasEnd = kind === "message" || kind === "other";
    const end = hasEnd ? frame.end : bytes.length;
    if (kind !== "unknown" && end - at <= FRAME_BYTES_MAX && (!hasEnd || end > bytes.length)) {
      buffer?.pin();
      this.#held = { bytes: bytes.subarray(at), buffer };
      return at;
    }
    if (!hasEnd) this.#mode = "blind";
    this.#passing = Math.max(0, end - bytes.length);
    yield bytes.subarray(at, end);
    return Math.min(end, bytes.length);
  }

  /** Hands one message over; returns where the next frame begins, null when it is none of ours. */
  #takeMessage({ bytes, buffer }: Piece, at: number): number | null {
    const frame = this.#frame;
    if (frame.read(bytes, at) !== "message" || frame.end > bytes.length) return null;
    const listener = this.#listeners.get(frame.subscription);
    if (listener === undefined) return null;
    const { end } = frame;
    listener(bytes, frame, buffer);
    return end;
  }
}

/** Both in one view when the second follows on the first in the same buffer, else null. */
function adjacent(first: Uint8Array, second: Uint8Array): Uint8Array | null {
  const isAdjacent = first.buffer === second.buffer &&
    first.byteOffset + first.length === second.byteOffset;
  if (!isAdjacent) return null;
  return new Uint8Array(first.buffer, first.byteOffset, first.length + second.length);
}
