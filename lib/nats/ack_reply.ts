/**
 * Reads the reply subject that JetStream gives each message: it names the message and says how
 * often it was delivered. An own reader of bytes, as the client's getters cost fifteen times as much
 * and round the stored time.
 */

const DOT = 46;
const ZERO = 48;
const PREFIX = new TextEncoder().encode("$JS.ACK.");

/** `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.<stored>.<pending>` */
const TOKENS_SHORT = 9;
/** With `<domain>.<account hash>` behind `$JS.ACK`, and in some versions one more at the end. */
const TOKENS_LONG = 11;
/** Tokens in front of the deliveries in the short form; the long form has two more. */
const TOKENS_BEFORE_SHORT = 4;
const TOKENS_BEFORE_LONG = 6;
/** Tokens from the deliveries on, in the short form. */
const TOKENS_BEHIND = TOKENS_SHORT - TOKENS_BEFORE_SHORT;

/** Digits of a stored time that make its fraction of a second. */
const FRACTION_DIGITS = 9;

/** Reads one reply subject after the other; its fields say what was read last. */
export class AckReply {
  /** Stream sequence, from 1. */
  sequence = 0;
  /** Deliveries of this message so far, this one included. */
  deliveryCount = 0;
  /** Time the server stored it: whole seconds since the Unix epoch, and nanoseconds beyond. */
  storedSeconds = 0;
  storedFraction = 0;
  /**
   * The front of the last reply subject in the short form, up to the deliveries: the next message
   * mostly comes from the same consumer.
   */
  #front: Uint8Array = new Uint8Array();

  /** Reads what stands from `start` to `end`; false when it is no reply subject of JetStream's. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#readKnown(bytes, start, end) || this.#readAny(bytes, start, end);
  }

  /** False when the front is another one, or when anything is unusual. */
  #readKnown(bytes: Uint8Array, start: number, end: number): boolean {
    const front = this.#front;
    if (front.length === 0 || !startsWith(bytes, start, end, front)) return false;
    let value = 0;
    let tokens = 1;
    let tokenStart = start + front.length;
    for (let at = tokenStart; at < end; at++) {
      const byte = bytes[at] ?? 0;
      if (byte !== DOT) {
        if (byte < ZERO || byte > ZERO + 9) return false;
        value = value * 10 + byte - ZERO;
        continue;
      }
      if (at === tokenStart) return false;
      if (tokens === 1) this.deliveryCount = value;
      else if (tokens === 2) this.sequence = value;
      else if (tokens === 4) this.#readStored(bytes, tokenStart, at);
      value = 0;
      tokens++;
      tokenStart = at + 1;
    }
    return tokens === TOKENS_BEHIND;
  }

  #readAny(bytes: Uint8Array, start: number, end: number): boolean {
    if (!startsWith(bytes, start, end, PREFIX)) return false;
    const dots: number[] = [];
    for (let at = start; at < end; at++) if (bytes[at] === DOT) dots.push(at);
    const tokens = dots.length + 1;
    if (tokens !== TOKENS_SHORT && tokens < TOKENS_LONG) return false;
    const before = tokens === TOKENS_SHORT ? TOKENS_BEFORE_SHORT : TOKENS_BEFORE_LONG;
    const [front = 0, deliveries = 0, sequence = 0, consumerSequence = 0, stored = 0] = dots.slice(
      before - 1,
    );
    this.deliveryCount = numberBetween(bytes, front + 1, deliveries);
    this.sequence = numberBetween(bytes, deliveries + 1, sequence);
    this.#readStored(bytes, consumerSequence + 1, stored);
    if (this.deliveryCount < 0 || this.sequence < 0) return false;
    if (this.storedSeconds < 0 || this.storedFraction < 0) return false;
    if (tokens === TOKENS_SHORT) this.#front = bytes.slice(start, front + 1);
    return true;
  }

  /** The number between two positions; a part that is none is -1. */
  #readStored(bytes: Uint8Array, start: number, end: number): void {
    const point = Math.max(start, end - FRACTION_DIGITS);
    this.storedSeconds = point === start ? 0 : numberBetween(bytes, start, point);
    this.storedFraction = numberBetween(bytes, point, end);
  }
}

function startsWith(bytes: Uint8Array, start: number, end: number, front: Uint8Array): boolean {
  if (end - start < front.length) return false;
  for (let i = 0; i < front.length; i++) if (bytes[start + i] !== front[i]) return false;
  return true;
}

/** The decimal number between two positions, rounded beyond 2^53; -1 when it is none. */
function numberBetween(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end) return -1;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
