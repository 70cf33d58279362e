/**
 * A source's hold on its consumer: who it is, whether it is still the same, and getting hold of it
 * again by the same rules when stream or consumer were deleted. Looks for ever, with backoff; says
 * once what is wrong.
 */
import { jetstreamManager } from "@nats-io/jetstream";
import type { ConsumerInfo, JetStreamManager } from "@nats-io/jetstream";
import type { Clock } from "../clock.ts";
import type { AckFloor, ChooseStart, SharedFloor } from "../ingest/ports.ts";
import type { Log } from "../log.ts";
import { retry } from "../retry.ts";
import { apiFailure, isNotFound } from "./api_error.ts";
import type { Connection } from "./connection.ts";
import { attachConsumer, type ConsumerBinding, storedAt } from "./consumers.ts";
import type { StreamRoute } from "./stream_route.ts";
import { RepeatedLog } from "./repeated_log.ts";

/** Longest wait for an answer of the JetStream API, in milliseconds. */
export const API_TIMEOUT_MS = 5_000;

/** The server has no longer the incarnation of the consumer that was attached to. */
export class ConsumerGoneError extends Error {
  override readonly name = "ConsumerGoneError";
}

/** What {@linkcode Attachment.open} needs. */
export interface AttachmentOptions {
  readonly connection: Connection;
  readonly route: StreamRoute;
  readonly chooseStart: ChooseStart;
  readonly clock: Clock;
  readonly log: Log;
}

/** The JetStream API of a connection; asks the server nothing by itself. */
export function openApi(connection: Connection): Promise<JetStreamManager> {
  return jetstreamManager(connection.client, { checkAPI: false, timeout: API_TIMEOUT_MS });
}

/** A consumer that is attached, again and again if need be. */
export class Attachment {
  readonly #options: AttachmentOptions;
  readonly #api: JetStreamManager;
  readonly #repeated: RepeatedLog;
  #binding: ConsumerBinding;
  /** The last floor of a shared consumer: its message is asked for once. */
  #sharedFloor: SharedFloor | null = null;
  /** Why the consumer cannot be had at the moment. */
  #failure: string | null = null;

  private constructor(options: AttachmentOptions, api: JetStreamManager, binding: ConsumerBinding) {
    this.#options = options;
    this.#api = api;
    this.#binding = binding;
    this.#repeated = new RepeatedLog(options.log);
    this.#warnOfDifferences();
  }

  /** Attaches once; throws what {@linkcode attachConsumer} throws. */
  static async open(options: AttachmentOptions): Promise<Attachment> {
    const api = await openApi(options.connection);
    const { inboxPrefix } = options.connection;
    const binding = await attachConsumer({ ...options, api, inboxPrefix });
    return new Attachment(options, api, binding);
  }

  /** The consumer as it was when last attached. */
  get binding(): ConsumerBinding {
    return this.#binding;
  }

  /**
   * Makes sure that the consumer is there, and the same; attaches to what is there now otherwise.
   * Tries until it succeeds or the signal aborts, then it rejects.
   */
  async renew(signal: AbortSignal): Promise<void> {
    const { connection, route, clock, log } = this.#options;
    const before = this.#binding.origin;
    const attach = (): Promise<ConsumerBinding> =>
      abortable(
        attachConsumer({
          ...this.#options,
          // What is there stays a source of its kind: a pull source cannot read a push consumer.
          route: { ...route, mode: this.#binding.kind },
          api: this.#api,
          inboxPrefix: connection.inboxPrefix,
        }),
        signal,
      );
    const found = await retry(attach, {
      clock,
      signal,
      isRetriable: () => !signal.aborted,
      onRetry: (error) => this.#reportFailure(error),
    });
    this.#failure = null;
    this.#repeated.clear();
    const { created, consumerCreated, stream } = found.origin;
    if (
      created === before.created && consumerCreated === before.consumerCreated &&
      stream === before.stream
    ) return;
    this.#binding = found;
    this.#sharedFloor = null;
    log.warn("Attached to another incarnation of stream or consumer", {
      stream,
      consumer: found.origin.consumer,
      stream_created: created,
      consumer_created: consumerCreated,
    });
    this.#warnOfDifferences();
  }

  /**
   * Messages that all instances hold unsettled.
   *
   * @throws {ConsumerGoneError} the consumer is gone, or another one by now
   * @throws {Error} the server does not answer
   */
  async ackPending(): Promise<number> {
    return (await this.#info()).num_ack_pending;
  }

  /**
   * What the consumer has settled.
   *
   * @throws {ConsumerGoneError} the consumer is gone, or another one by now
   * @throws {Error} the server does not answer
   */
  async ackFloor(): Promise<AckFloor> {
    const { origin, isShared } = this.#binding;
    const sequence = (await this.#info()).ack_floor.stream_seq;
    const shared = isShared ? await this.#sharedFloorAt(sequence) : undefined;
    return { origin, sequence, shared };
  }

  async #info(): Promise<ConsumerInfo> {
    const { stream, consumer, consumerCreated } = this.#binding.origin;
    const action = `look the consumer '${consumer}' up`;
    try {
      const info = await this.#api.consumers.info(stream, consumer);
      if (info.created === consumerCreated) return info;
    } catch (error) {
      const failure = apiFailure(action, error);
      throw isNotFound(error) ? new ConsumerGoneError(failure.message, { cause: error }) : failure;
    }
    throw new ConsumerGoneError(`Cannot ${action} as it was made anew`);
  }

  async #sharedFloorAt(sequence: number): Promise<SharedFloor> {
    if (this.#sharedFloor?.sequence === sequence) return this.#sharedFloor;
    const { stream } = this.#binding.origin;
    // Without the time, because the NATS user may not ask, somebody has to say where to go on.
    const time = await storedAt(this.#api, stream, sequence).catch(() => null);
    return this.#sharedFloor = { sequence, storedAt: time };
  }

  /** True when the server holds this very incarnation of stream and consumer. */
  async isCurrent(): Promise<boolean> {
    const { stream, consumer, created, consumerCreated } = this.#binding.origin;
    try {
      if ((await this.#api.consumers.info(stream, consumer)).created !== consumerCreated) {
        return false;
      }
      return (await this.#api.streams.info(stream)).created === created;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  /** What is wrong with the consumer, in a sentence with what to do; null when nothing is. */
  async health(): Promise<string | null> {
    if (!this.#options.connection.isConnected) return "NATS is away: reconnecting";
    if (this.#failure !== null) return this.#failure;
    const { stream, consumer } = this.#binding.origin;
    try {
      // In this order: a stream that grows in between must not look shorter than it is.
      const { delivered } = await this.#api.consumers.info(stream, consumer);
      const { state } = await this.#api.streams.info(stream);
      if (delivered.stream_seq <= state.last_seq) return null;
      return `The consumer '${consumer}' is ahead of its stream '${stream}' (it delivered up to ` +
        `${delivered.stream_seq}, the stream ends at ${state.last_seq}) and delivers nothing ` +
        `until the stream has caught up: the server lost the stream's end. Delete the consumer; ` +
        `it is created again and what was written already is dropped`;
    } catch (error) {
      return apiFailure(`look the consumer '${consumer}' up`, error).message;
    }
  }

  #reportFailure(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#failure = message;
    this.#repeated.warn(message);
  }

  #warnOfDifferences(): void {
    const { differences, origin } = this.#binding;
    for (const difference of differences) {
      this.#options.log.warn(`The consumer '${origin.consumer}' is used as it is: ${difference}`);
    }
  }
}

/** Rejects at once when the signal aborts; an answer still under way is then of no interest. */
async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
