/**
 * The bound on memory held over all writers (design §7). Counts bytes and messages that are held,
 * stops a pull source at the bound and lets it go on at half. It decides nothing about flushing: it
 * says when the oldest batches should be flushed early.
 */

/** What the flow control may do with the source. */
export interface FlowValve {
  readonly canPause: boolean;
  pause(): void;
  resume(): void;
}

/** Bounds of what is held. */
export interface FlowBounds {
  /** Bytes over all writers, as `heldBytes` counts them. */
  readonly heldBytesMax: number;
  /**
   * Messages that the consumer delivers without settlement, over all instances; Infinity under
   * core NATS.
   */
  readonly ackPendingMax: number;
}

/** Share of `ackPendingMax` at which batches are flushed early. */
const ACK_PENDING_PRESSURE = 0.9;

/** Share of `heldBytesMax` at which a paused source goes on. */
const RESUME_SHARE = 0.5;

/**
 * Bytes that may come after a payload, as a share of `heldBytesMax`, before it has to leave the read
 * buffer that it pins. Above 1, so that messages which are settled in the order in which they came
 * are never copied.
 */
const PINNED_SHARE = 1.5;

/** Marks kept over that many bytes; so many that one mark more or less does not matter. */
const MARKS = 8;

/** How much had come at some time. */
interface ReceiptMark {
  readonly atMs: number;
  readonly receivedBytes: number;
}

/** Counts what is held and works the valve. */
export class FlowControl {
  readonly #bounds: FlowBounds;
  readonly #valve: FlowValve;
  #bytes = 0;
  #messages = 0;
  #paused = false;
  /** Everything ever held. */
  #receivedBytes = 0;
  /** Oldest first. */
  #marks: ReceiptMark[] = [];

  constructor(bounds: FlowBounds, valve: FlowValve) {
    this.#bounds = bounds;
    this.#valve = valve;
  }

  get heldBytes(): number {
    return this.#bytes;
  }

  get heldMessages(): number {
    return this.#messages;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  /** True when a message of a source that cannot pause must be given back instead of held. */
  get mustRefuse(): boolean {
    return !this.#valve.canPause && this.#bytes >= this.#bounds.heldBytesMax;
  }

  /** True when the oldest batches should be flushed early, judged by what this instance holds. */
  get isPressed(): boolean {
    return this.#bytes >= this.#bounds.heldBytesMax || this.isPending(this.#messages);
  }

  /** True when so many messages are unsettled that the consumer is about to deliver no more. */
  isPending(messages: number): boolean {
    return messages >= this.#bounds.ackPendingMax * ACK_PENDING_PRESSURE;
  }

  hold(bytes: number): void {
    this.#bytes += bytes;
    this.#receivedBytes += bytes;
    this.#messages++;
    if (!this.#paused && this.#valve.canPause && this.#bytes >= this.#bounds.heldBytesMax) {
      this.#paused = true;
      this.#valve.pause();
    }
  }

  /**
   * Time (monotonic) before which payloads came that have to be copied now: each pins a read buffer,
   * and so much came since that together they might pin more than may be held. Called by a timer.
   */
  copyBefore(nowMs: number): number {
    const marks = this.#marks;
    const bytesMax = this.#bounds.heldBytesMax * PINNED_SHARE;
    const since = (mark: ReceiptMark | undefined): number =>
      mark === undefined ? Infinity : this.#receivedBytes - mark.receivedBytes;
    if (since(marks.at(-1)) >= bytesMax / MARKS) {
      marks.push({ atMs: nowMs, receivedBytes: this.#receivedBytes });
    }
    while (marks.length > 1 && since(marks[1]) >= bytesMax) marks.shift();
    const [oldest] = marks;
    return oldest !== undefined && since(oldest) >= bytesMax ? oldest.atMs : -Infinity;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
    this.#messages--;
    if (this.#paused && this.#bytes <= this.#bounds.heldBytesMax * RESUME_SHARE) {
      this.#paused = false;
      this.#valve.resume();
    }
  }
}
