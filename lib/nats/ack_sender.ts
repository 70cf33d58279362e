/**
 * Sends acks many at a time: those of one synchronous stretch of the program share frames, one text
 * for hundreds of them instead of three buffers each. Nothing waits longer than that stretch. What
 * is lost with a connection costs a redelivery, which the ledger drops.
 */

/** Acks of one frame; makes it about as long as what the client sends at once. */
const ACKS_MAX = 512;

/** What stands between the reply subjects of two acks. */
const BETWEEN = " 4\r\n+ACK\r\nPUB ";

const encoder = new TextEncoder();

/** Collects acks and sends them; one for each connection. */
export class AckSender {
  readonly #send: (frames: Uint8Array) => void;
  #replies: string[] = [];

  /** @param send takes frames of the protocol and never throws */
  constructor(send: (frames: Uint8Array) => void) {
    this.#send = send;
  }

  /** Acks the message with this reply subject, which came from the server as it is. */
  add(reply: string): void {
    this.#replies.push(reply);
    if (this.#replies.length >= ACKS_MAX) this.#flush();
    else if (this.#replies.length === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    if (this.#replies.length === 0) return;
    const frames = `PUB ${this.#replies.join(BETWEEN)} 4\r\n+ACK\r\n`;
    this.#replies = [];
    this.#send(encoder.encode(frames));
  }
}
