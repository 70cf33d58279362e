/**
 * Sends acks many at a time, one piece for hundreds of them instead of three buffers each: those of one
 * synchronous stretch of the program share frames, and where the server does not wait for them they go
 * with the next thing that is sent. What is lost with a connection costs a redelivery, which the ledger
 * drops.
 */
import type { Clock } from "../clock.ts";

/** Acks of one frame; makes it about as long as what the client sends at once. */
const ACKS_MAX = 512;

/** Room for the frames of that many acks, unless subjects are very long. */
const FRAMES_BYTES = 64 * 1024;

/** Acks wait no longer for something that they can go with, in milliseconds. */
const WAIT_MS = 5;

const encoder = new TextEncoder();
const BEFORE = encoder.encode("PUB ");
const BEHIND = encoder.encode(" 4\r\n+ACK\r\n");

/** Collects acks and sends them; one for each connection. */
export class AckSender {
  readonly #send: (frames: Uint8Array) => void;
  readonly #clock: Clock;
  #timer: Disposable | null = null;
  #mayWait = false;
  #frames = new Uint8Array(FRAMES_BYTES);
  #length = 0;
  #count = 0;
  /** Frames that are held back; null while nothing is. */
  #held: Uint8Array[] | null = null;

  /** @param send takes frames of the protocol and never throws */
  constructor(send: (frames: Uint8Array) => void, clock: Clock) {
    this.#send = send;
    this.#clock = clock;
  }

  /** Whether the server delivers on without the acks of some milliseconds; at first it does not. */
  set mayWait(mayWait: boolean) {
    this.#mayWait = mayWait;
  }

  /**
   * Acks the message whose reply subject stands in `bytes` from `start` to `end`, as it came from
   * the server. The bytes are copied at once.
   */
  add(bytes: Uint8Array, start: number, end: number): void {
    const length = BEFORE.length + end - start + BEHIND.length;
    if (this.#length + length > this.#frames.length) this.#makeRoom(length);
    const frames = this.#frames;
    let at = this.#length;
    for (let i = 0; i < BEFORE.length; i++) frames[at++] = BEFORE[i] ?? 0;
    for (let i = start; i < end; i++) frames[at++] = bytes[i] ?? 0;
    for (let i = 0; i < BEHIND.length; i++) frames[at++] = BEHIND[i] ?? 0;
    this.#length = at;
    this.#count++;
    if (this.#count >= ACKS_MAX) this.flush();
    else if (this.#count === 1) this.#flushSoon();
  }

  /** Sends what waits; what is added afterwards goes at once. */
  close(): void {
    this.flush();
    this.#mayWait = false;
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
  }

  /**
   * Holds acks back from now on: those given while the connection is away would be sent with the next
   * one, before anybody can know whether the consumer is still the one that they are for.
   */
  hold(): void {
    this.#held ??= [];
  }

  /** Sends what was held back. */
  release(): void {
    const held = this.#held;
    this.#held = null;
    for (const frames of held ?? []) this.#send(frames);
  }

  /** Forgets what was held back: it is for a consumer that is gone. */
  drop(): void {
    if (this.#held === null) return;
    this.flush();
    this.#held = null;
  }

  /** The timer is left alone when acks go before it: it is there for the next ones. */
  #flushSoon(): void {
    if (!this.#mayWait) queueMicrotask(() => this.flush());
    else {
      this.#timer ??= this.#clock.after(WAIT_MS, () => {
        this.#timer = null;
        this.flush();
      });
    }
  }

  #makeRoom(length: number): void {
    this.flush();
    if (length > this.#frames.length) this.#frames = new Uint8Array(length);
  }

  /** Sends what waits, unless it is held back. */
  flush(): void {
    if (this.#count === 0) return;
    const frames = this.#frames.slice(0, this.#length);
    this.#length = 0;
    this.#count = 0;
    if (this.#held === null) this.#send(frames);
    else this.#held.push(frames);
  }
}
