/**
 * Counts what a pull consumer was asked for and still owes, and says when to ask for more. Bounds
 * messages and bytes that may come unasked-for: the client never pauses its socket, so outstanding
 * requests are the only back-pressure. Pure; the source sends what it says.
 *
 * The server serves waiting requests in turn. Requests of one size would all end together and leave
 * a pause of one round trip; so the first asks for a third, and each later one for all that is
 * missing: when one ends, another still has messages to come.
 */
import type { PullStatus } from "./pull_status.ts";

/** Bounds of a {@linkcode PullWindow}. */
export interface PullLimits {
  /** Messages that may be outstanding. */
  readonly messagesMax: number;
  /** Bytes that may be outstanding, as the server counts them. */
  readonly bytesMax: number;
  /** Messages of one request. */
  readonly batchMax: number;
  /** Bytes that the consumer allows one request; Infinity when it does not care. */
  readonly requestBytesMax: number;
}

/** A request to send. */
export interface PullRequest {
  readonly id: number;
  readonly batch: number;
  /** Null: one message of any size. */
  readonly maxBytes: number | null;
}

/** Fewer messages outstanding, where there is no room for more, and the server would wait often. */
const OUTSTANDING_MIN = 2_000;

const REQUESTS_MIN = 2;
/** More requests than this cost the server more than they give; `max_waiting` is 512 by default. */
const REQUESTS_MAX = 8;

/** The outstanding requests of one subscription. */
export class PullWindow {
  readonly #messagesMax: number;
  readonly #batchMax: number;
  readonly #requestsMax: number;
  readonly #requestBytes: number;
  readonly #requests = new Map<number, PullRequest>();
  #outstanding = 0;
  #nextId = 1;
  /** The next message is larger than a request's bytes: it is asked for by itself. */
  #isOversized = false;

  constructor({ messagesMax, bytesMax, batchMax, requestBytesMax }: PullLimits) {
    this.#messagesMax = messagesMax;
    this.#batchMax = Math.min(batchMax, messagesMax);
    const requests = Math.ceil(messagesMax / this.#batchMax);
    this.#requestsMax = Math.min(REQUESTS_MAX, Math.max(REQUESTS_MIN, requests));
    this.#requestBytes = Math.min(Math.floor(bytesMax / this.#requestsMax), requestBytesMax);
  }

  /** Messages asked for that may still come. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /**
   * The next request to send, which counts as sent; null when enough is outstanding.
   *
   * @param room messages that whoever takes them has room for
   */
  next(room: () => number): PullRequest | null {
    if (this.#isOversized) {
      return this.#outstanding > 0 ? null : this.#ask(1, null);
    }
    if (this.#requests.size >= this.#requestsMax) return null;
    const messagesMax = Math.min(this.#messagesMax, Math.max(OUTSTANDING_MIN, room()));
    const share = this.#requests.size === 0
      ? Math.ceil(messagesMax / 3)
      : messagesMax - this.#outstanding;
    const batch = Math.min(share, this.#batchMax);
    return batch < 1 ? null : this.#ask(batch, this.#requestBytes);
  }

  /** A message came. */
  received(): void {
    this.#isOversized = false;
    this.#settle(1);
  }

  /** A status other than `lost` came for a request. */
  answered(id: number, status: Exclude<PullStatus, { kind: "lost" }>): void {
    if (status.kind === "heartbeat") return;
    const request = this.#requests.get(id);
    if (request === undefined) return;
    this.#requests.delete(id);
    if (status.kind === "refused") return this.#settle(request.batch);
    const left = Math.min(status.messagesLeft ?? request.batch, request.batch);
    if (status.isOversized && left === request.batch) this.#isOversized = true;
    this.#settle(left);
  }

  /** Forgets everything: none of it will be answered. */
  reset(): void {
    this.#requests.clear();
    this.#outstanding = 0;
    this.#isOversized = false;
  }

  #ask(batch: number, maxBytes: number | null): PullRequest {
    const request = { id: this.#nextId++, batch, maxBytes };
    this.#requests.set(request.id, request);
    this.#outstanding += batch;
    return request;
  }

  /** Each of the two counts heals the other: 2.9 does not say when a request was used up. */
  #settle(messages: number): void {
    this.#outstanding = Math.max(0, this.#outstanding - messages);
    if (this.#outstanding === 0) this.#requests.clear();
    else if (this.#requests.size === 0) this.#outstanding = 0;
  }
}
