/**
 * Publishes into a stream and waits for the server's confirmations, many at a time if need be. The
 * client's own publish makes two timers, a dozen promises and an error with its stack for each message
 * that is stored. Repeats nothing by itself.
 */
import { JetStreamApiError } from "@nats-io/jetstream";
import {
  createInbox,
  type Msg,
  PermissionViolationError,
  type Subscription,
} from "@nats-io/nats-core";
import type { Clock } from "../clock.ts";
import { TimeLimit, type Wait } from "../time_limit.ts";
import { joinBytes } from "./byte_channel.ts";
import type { Connection } from "./connection.ts";

/** What a {@linkcode ConfirmedPublisher} works with. */
export interface ConfirmedPublisherOptions {
  readonly connection: Connection;
  /** Of a stream. */
  readonly subject: string;
  /** Longest wait for a confirmation. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Status of a message without data: nobody takes what is published to the subject. */
const NO_RESPONDERS = 503;

/** A message whose confirmation is waited for. */
interface Pending {
  readonly number: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  wait: Wait<Pending> | null;
}

const encoder = new TextEncoder();
const FRAME_END = encoder.encode("\r\n");

/** A publisher to one subject; see the top of this file. */
export class ConfirmedPublisher implements Disposable {
  readonly #options: ConfirmedPublisherOptions;
  readonly #inbox: string;
  /** By number, from the oldest on that is pending; null where one is not any more. */
  readonly #pending: (Pending | null)[] = [];
  /** Number of the first of them. */
  #firstNumber = 0;
  readonly #limit: TimeLimit<Pending>;
  readonly #listening = new DisposableStack();
  #subscription: Subscription | null = null;

  constructor(options: ConfirmedPublisherOptions) {
    const { connection, clock, timeoutMs } = options;
    this.#options = options;
    this.#inbox = createInbox(connection.inboxPrefix);
    this.#limit = new TimeLimit({
      clock,
      limitMs: timeoutMs,
      onLate: ({ number }) =>
        this.#take(number)?.reject(
          new Error(`the server did not confirm it within ${timeoutMs} ms`),
        ),
    });
    this.#listening.use(connection.onError((error) => this.#onError(error)));
    // Nobody knows what of it went out; the answers went to the connection that is gone.
    this.#listening.use(
      connection.onReconnect(() => this.#rejectAll(new Error("the connection was lost"))),
    );
  }

  /**
   * Resolves when the stream has the message, or had it already by its id. What is published while the
   * connection is away rejects when it is back, at the latest.
   *
   * @param messageId `Nats-Msg-Id`; without CR and LF
   * @throws {JetStreamApiError} the stream refused it
   * @throws {PermissionViolationError} the NATS user may not publish or not hear the answer
   * @throws {Error} no stream takes it; or no confirmation came in time or before the connection was
   *   lost, and it may be stored all the same
   */
  publish(payload: Uint8Array, messageId: string | null): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#subscribe();
    const number = this.#firstNumber + this.#pending.length;
    const pending: Pending = { number, resolve, reject, wait: null };
    this.#pending.push(pending);
    pending.wait = this.#limit.begin(pending);
    this.#options.connection.send(this.#frame(number, payload, messageId));
    return promise;
  }

  /** Waits for nothing any more. */
  [Symbol.dispose](): void {
    this.#rejectAll(new Error("the publisher was closed"));
    this.#limit[Symbol.dispose]();
    this.#listening.dispose();
    this.#subscription?.unsubscribe();
  }

  /** `HPUB <subject> <reply> <bytes of headers> <bytes>`, or PUB where there is no header. */
  #frame(number: number, payload: Uint8Array, messageId: string | null): Uint8Array {
    const target = `${this.#options.subject} ${this.#inbox}.${number}`;
    if (messageId === null) {
      return joinBytes([encoder.encode(`PUB ${target} ${payload.length}\r\n`), payload, FRAME_END]);
    }
    const headers = encoder.encode(`NATS/1.0\r\nNats-Msg-Id: ${messageId}\r\n\r\n`);
    const lengths = `${headers.length} ${headers.length + payload.length}`;
    return joinBytes([
      encoder.encode(`HPUB ${target} ${lengths}\r\n`),
      headers,
      payload,
      FRAME_END,
    ]);
  }

  /** Anew after the server ended it. */
  #subscribe(): void {
    if (this.#subscription !== null) return;
    const subscription = this.#options.connection.client.subscribe(`${this.#inbox}.*`, {
      callback: (error: Error | null, message: Msg): void => {
        if (error === null) return this.#onAnswer(message);
        if (this.#subscription === subscription) this.#subscription = null;
        this.#rejectAll(error);
      },
    });
    this.#subscription = subscription;
  }

  #onAnswer(message: Msg): void {
    const pending = this.#take(Number(message.subject.slice(this.#inbox.length + 1)));
    if (pending === null) return; // it was given up
    const failure = this.#failureIn(message);
    if (failure === null) pending.resolve();
    else pending.reject(failure);
  }

  /** Null when the answer is a confirmation. */
  #failureIn(message: Msg): Error | null {
    if (message.data.length === 0 && message.headers?.code === NO_RESPONDERS) {
      return new Error(`no stream takes '${this.#options.subject}'`);
    }
    try {
      const answer = message.json<{
        readonly stream?: unknown;
        readonly error?: ConstructorParameters<typeof JetStreamApiError>[0];
      }>();
      if (answer.error !== undefined) return new JetStreamApiError(answer.error);
      if (typeof answer.stream === "string" && answer.stream !== "") return null;
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    }
    return new Error("the answer is no confirmation");
  }

  #onError(error: Error): void {
    const isOurs = error instanceof PermissionViolationError && error.operation === "publish" &&
      error.subject === this.#options.subject;
    if (isOurs) this.#rejectAll(error);
  }

  #rejectAll(error: Error): void {
    for (const pending of [...this.#pending]) {
      if (pending !== null) this.#take(pending.number)?.reject(error);
    }
  }

  /** Null when it is not pending any more. */
  #take(number: number): Pending | null {
    const index = number - this.#firstNumber;
    const pending = this.#pending[index] ?? null;
    if (pending === null) return null;
    this.#pending[index] = null;
    while (this.#pending[0] === null) {
      this.#pending.shift();
      this.#firstNumber++;
    }
    if (pending.wait !== null) this.#limit.end(pending.wait);
    return pending;
  }
}
