/**
 * Finds out what stands at the start of a piece of the NATS protocol: where the frame ends, and for
 * a message whose it is and where reply subject and payload are. It reads frames as servers spell
 * them, one space between words; whatever is spelled otherwise is said to be unknown.
 */

const SPACE = 0x20;
const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
const ZERO = 0x30;
const LETTER_G = 0x47;
const LETTER_H = 0x48;
const LETTER_M = 0x4d;
const LETTER_S = 0x53;

/** Longer numbers are unknown. */
const DIGITS_MAX = 9;

/**
 * `message` with a reply subject and a payload, `other` for all the rest that has a known end,
 * `short` when the bytes end in the middle of its first line.
 */
export type FrameKind = "message" | "other" | "short" | "unknown";

/** Reads one frame after the other; its fields say what was read last. */
export class MessageFrame {
  /** Offset behind the frame, beyond the bytes when the payload is not complete. */
  end = 0;
  subscription = 0;
  replyStart = 0;
  replyEnd = 0;
  payloadStart = 0;
  payloadEnd = 0;
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;

  /** Reads the frame at `start`; of its fields only those of the kind it returns mean something. */
  read(bytes: Uint8Array, start: number): FrameKind {
    this.#bytes = bytes;
    const hasHeaders = bytes[start] === LETTER_H;
    this.#at = hasHeaders ? start + 1 : start;
    if (!hasHeaders && bytes[start] !== LETTER_M) return this.#readLine(start);
    const kind = this.#readMessage(hasHeaders);
    if (kind !== "unknown" || bytes.indexOf(LINE_FEED, start) !== -1) return kind;
    return "short";
  }

  /** PING, PONG, +OK, -ERR and INFO are lines. */
  #readLine(start: number): FrameKind {
    const lineEnd = this.#bytes.indexOf(LINE_FEED, start);
    this.end = lineEnd + 1;
    return lineEnd === -1 ? "short" : "other";
  }

  /** `[H]MSG <subject> <subscription> [reply] [bytes of headers] <bytes>`, a line and the bytes. */
  #readMessage(hasHeaders: boolean): FrameKind {
    const bytes = this.#bytes;
    const at = this.#at;
    if (
      bytes[at] !== LETTER_M || bytes[at + 1] !== LETTER_S || bytes[at + 2] !== LETTER_G ||
      bytes[at + 3] !== SPACE
    ) return "unknown";
    this.#at = at + 4;
    this.#skipWord();
    if (!this.#isEndedBy(SPACE)) return "unknown";
    this.subscription = this.#readNumber();
    if (!this.#isEndedBy(SPACE)) return "unknown";
    this.replyStart = this.#at;
    this.#skipWord();
    this.replyEnd = this.#at - 1;
    if (this.replyEnd === this.replyStart) return "unknown";
    const hasReply = this.#hasMoreNumbers(hasHeaders);
    if (!hasReply) this.#at = this.replyStart;
    const headerBytes = hasHeaders ? this.#readNumber() : 0;
    if (hasHeaders && !this.#isEndedBy(SPACE)) return "unknown";
    const totalBytes = this.#readNumber();
    if (!this.#isEndedBy(CARRIAGE_RETURN) || bytes[this.#at] !== LINE_FEED) return "unknown";
    if (this.subscription < 0 || headerBytes < 0 || totalBytes < headerBytes) return "unknown";
    this.payloadStart = this.#at + 1 + headerBytes;
    this.payloadEnd = this.#at + 1 + totalBytes;
    this.end = this.payloadEnd + 2;
    // The server's own answers are headers without a payload: the client knows how to read them.
    const isAnswer = hasHeaders && totalBytes === headerBytes;
    return hasReply && !isAnswer ? "message" : "other";
  }

  /** The word that was skipped is a reply subject, as the numbers that are needed still follow. */
  #hasMoreNumbers(hasHeaders: boolean): boolean {
    if (!this.#isEndedBy(SPACE)) return false;
    if (!hasHeaders) return true;
    const at = this.#at;
    this.#skipWord();
    const isFollowed = this.#isEndedBy(SPACE);
    this.#at = at;
    return isFollowed;
  }

  /** This byte ended the last word or number. */
  #isEndedBy(byte: number): boolean {
    return this.#bytes[this.#at - 1] === byte;
  }

  /** Goes behind the byte that ends a word. */
  #skipWord(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (; at < bytes.length; at++) if ((bytes[at] ?? 0) <= SPACE) break;
    this.#at = at + 1;
  }

  /** Goes behind the byte that ends a number; -1 when it is none. */
  #readNumber(): number {
    const bytes = this.#bytes;
    const start = this.#at;
    let at = start;
    let value = 0;
    for (; at < bytes.length; at++) {
      const digit = (bytes[at] ?? 0) - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    this.#at = at + 1;
    return at > start && at - start <= DIGITS_MAX ? value : -1;
  }
}
