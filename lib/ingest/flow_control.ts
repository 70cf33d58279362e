/**
 * The bounds on what is held (design §7): over all writers, and behind the flush of one table, where
 * more would only wait longer. Counts bytes and messages that are held, stops a pull source at a bound
 * and lets it go on a little below. It decides nothing about flushing: it says when batches should be
 * flushed early, and how much of what is held.
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

/**
 * Share of `heldBytesMax` at which batches are flushed early: some way before the bound, so that the
 * source need not stop while they are written.
 */
const BYTES_PRESSURE = 0.75;

/** Share of a bound that early flushes bring what is held down to. */
const RELIEVED_SHARE = 0.7;

/**
 * Share of `heldBytesMax` at which a paused source goes on: not far below the bound, since the more
 * is held, the larger are the batches of many tables. It has to be above what early flushes aim at,
 * or a source that is paused would stay so.
 */
const RESUME_SHARE = 0.9;

/**
 * Share of `heldBytesMax` that may wait behind the flush of one table: large enough for flushes of
 * thousands of rows. All of the memory is for many tables, whose batches have to gather first.
 */
const QUEUED_SHARE = 1 / 10;

/** Share of a bound that comes in between two calls for early flushes. */
const PRESS_STEP = 1 / 16;

/**
 * Bytes that may come after a payload, as a share of `heldBytesMax`, before it has to leave the read
 * buffer that it pins. Above 1, so that messages which are settled in the order in which they came
 * are never copied.
 */
const PINNED_SHARE = 1.5;

/** Marks kept over that many bytes; so many that one mark more or less does not matter. */
const MARKS = 8;

/** A message's bytes while none was seen. */
const MESSAGE_BYTES = 1_024;

/** How much had come at some time. */
interface ReceiptMark {
  readonly atMs: number;
  readonly receivedBytes: number;
}

/** Counts what is held and works the valve. */
export class FlowControl {
  readonly #bounds: FlowBounds;
  readonly #valve: FlowValve;
  readonly #onPressure: () => void;
  #bytes = 0;
  #messages = 0;
  #bytesSincePress = 0;
  #messagesSincePress = 0;
  /** Of a message, when some were held last. */
  #usualBytes = MESSAGE_BYTES;
  #paused = false;
  /** Whoever has most waiting behind a flush, of those who said so last, and how many bytes. */
  #longest: object | null = null;
  #longestBytes = 0;
  /** Everything ever held. */
  #receivedBytes = 0;
  /** Oldest first. */
  #marks: ReceiptMark[] = [];

  /** @param onPressure called while pressed, each time that some more has come in */
  constructor(bounds: FlowBounds, valve: FlowValve, onPressure: () => void) {
    this.#bounds = bounds;
    this.#valve = valve;
    this.#onPressure = onPressure;
  }

  get heldBytes(): number {
    return this.#bytes;
  }

  get heldMessages(): number {
    return this.#messages;
  }

  /** Messages as large as those held that may come before a bound is reached. */
  get room(): number {
    if (this.#messages > 0) this.#usualBytes = this.#bytes / this.#messages;
    const { heldBytesMax } = this.#bounds;
    const bytes = Math.min(
      heldBytesMax - this.#bytes,
      heldBytesMax * QUEUED_SHARE - this.#longestBytes,
    );
    return Math.floor(bytes / this.#usualBytes);
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  /** True when a message of a source that cannot pause must be given back instead of held. */
  get mustRefuse(): boolean {
    return !this.#valve.canPause && this.#bytes >= this.#bounds.heldBytesMax;
  }

  /** True when batches should be flushed early, judged by what this instance holds. */
  get isPressed(): boolean {
    return this.#bytes >= this.#bounds.heldBytesMax * BYTES_PRESSURE ||
      this.isPending(this.#messages);
  }

  /** Part of the held messages, from 0 to 1, whose flush would end the pressure. */
  get excess(): number {
    const { heldBytesMax, ackPendingMax } = this.#bounds;
    const level = Math.max(this.#bytes / heldBytesMax, this.#messages / ackPendingMax);
    return level <= RELIEVED_SHARE ? 0 : 1 - RELIEVED_SHARE / level;
  }

  /** True when so many messages are unsettled that the consumer is about to deliver no more. */
  isPending(messages: number): boolean {
    return messages >= this.#bounds.ackPendingMax * ACK_PENDING_PRESSURE;
  }

  hold(bytes: number): void {
    const { heldBytesMax, ackPendingMax } = this.#bounds;
    this.#bytes += bytes;
    this.#receivedBytes += bytes;
    this.#messages++;
    this.#pauseWhenFull();
    this.#bytesSincePress += bytes;
    this.#messagesSincePress++;
    const isMuch = this.#bytesSincePress >= heldBytesMax * PRESS_STEP ||
      this.#messagesSincePress >= ackPendingMax * PRESS_STEP;
    if (!isMuch || !this.isPressed) return;
    this.#bytesSincePress = 0;
    this.#messagesSincePress = 0;
    this.#onPressure();
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
    this.#resumeWhenRelieved();
  }

  /**
   * Of what is held, so many bytes wait behind a quick flush of their own table: each time that they
   * change. Of those who say so only the one with most is remembered; the next to say so follows it.
   */
  queue(owner: object, bytes: number): void {
    if (owner !== this.#longest && bytes <= this.#longestBytes) return;
    this.#longest = bytes === 0 ? null : owner;
    this.#longestBytes = bytes;
    if (this.#paused) this.#resumeWhenRelieved();
    else this.#pauseWhenFull();
  }

  #pauseWhenFull(): void {
    if (this.#paused || !this.#valve.canPause || !this.#isAbove(1)) return;
    this.#paused = true;
    this.#valve.pause();
  }

  #resumeWhenRelieved(): void {
    if (!this.#paused || this.#isAbove(RESUME_SHARE)) return;
    this.#paused = false;
    this.#valve.resume();
  }

  /** So large a part of a bound is taken. */
  #isAbove(share: number): boolean {
    const level = this.#bounds.heldBytesMax * share;
    return this.#bytes >= level || this.#longestBytes >= level * QUEUED_SHARE;
  }
}
