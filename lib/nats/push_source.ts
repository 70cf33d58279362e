/**
 * Messages of a JetStream push consumer, our own or one that another client made: subscribes to
 * where it delivers, in its deliver group. The flow cannot be paused; the consumer's
 * `max_ack_pending` is the only bound. Answers flow control, and attaches again when the consumer
 * was deleted.
 */
import type { Msg, Subscription } from "@nats-io/nats-core";
import type { Clock } from "../clock.ts";
import type { IncomingMessage } from "../ingest/delivery.ts";
import type { AckFloor, ConsumerLimits } from "../ingest/ports.ts";
import type { StreamLimits } from "../ingest/start_advice.ts";
import type { Log } from "../log.ts";
import { AckReply } from "./ack_reply.ts";
import type { Attachment } from "./attachment.ts";
import type { Connection } from "./connection.ts";
import { askConsumer, handOver, type NatsSource } from "./nats_source.ts";
import { RepeatedLog } from "./repeated_log.ts";
import { MessageBlocks } from "./message_block.ts";
import type { MessageSource } from "./message_source.ts";
import { messageOf } from "./stream_message.ts";
import { drainSubscription } from "./subscription_drain.ts";

/**
 * A push consumer that is deleted just falls silent: after this many milliseconds without a message
 * it is looked up.
 */
const SILENCE_MAX_MS = 10_000;
const TICK_MS = 2_000;

/** What a {@linkcode PushSource} works with. */
export interface PushSourceOptions {
  readonly connection: Connection;
  readonly attachment: Attachment;
  readonly clock: Clock;
  readonly log: Log;
}

type Mode = "idle" | "flowing" | "stopped";

/** A source that is delivered to. */
export class PushSource implements NatsSource {
  readonly kind = "push";
  readonly canPause = false;
  readonly #options: PushSourceOptions;
  readonly #repeated: RepeatedLog;
  readonly #stopped = new AbortController();
  readonly #open = new DisposableStack();
  #mode: Mode = "idle";
  #receive: (message: IncomingMessage) => void = () => {};
  #messageSource: MessageSource;
  readonly #fields = new AckReply();
  readonly #blocks = new MessageBlocks();
  #subscription: Subscription | null = null;
  #renewing: Promise<void> | null = null;
  /** Ends the renewal under way, whose question died with its connection. */
  #restartRenewal = new AbortController();
  #stopping: Promise<void> | null = null;
  #heardMs = 0;
  /** The consumer is being looked up after a silence. */
  #checking = false;
  #refusal: string | null = null;

  constructor(options: PushSourceOptions) {
    this.#options = options;
    this.#repeated = new RepeatedLog(options.log);
    this.#messageSource = this.#newMessageSource();
  }

  get streamLimits(): StreamLimits {
    return this.#options.attachment.binding.streamLimits;
  }

  get isShared(): boolean {
    return this.#options.attachment.binding.isShared;
  }

  get limits(): ConsumerLimits {
    return this.#options.attachment.binding.limits;
  }

  start(onMessage: (message: IncomingMessage) => void): void {
    if (this.#mode !== "idle") throw new TypeError("Cannot start a source twice");
    const { connection, clock } = this.#options;
    this.#mode = "flowing";
    this.#receive = onMessage;
    this.#heardMs = clock.monotonic();
    this.#subscribe();
    this.#open.use(connection.onDisconnect(() => connection.acks.hold()));
    this.#open.use(connection.onReconnect(() => this.#onReconnect()));
    this.#open.use(clock.every(TICK_MS, () => this.#tick()));
  }

  pause(): void {}

  resume(): void {}

  async ackFloor(): Promise<AckFloor> {
    const { attachment } = this.#options;
    return await askConsumer(() => attachment.ackFloor(), (reason) => this.#renew(reason, true));
  }

  async ackPending(): Promise<number> {
    const { attachment } = this.#options;
    return await askConsumer(() => attachment.ackPending(), (reason) => this.#renew(reason, true));
  }

  async health(): Promise<string | null> {
    return this.#refusal ?? await this.#options.attachment.health();
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    this.#mode = "stopped";
    this.#stopped.abort();
    this.#open.dispose();
    await this.#renewing;
    if (this.#subscription !== null) {
      await drainSubscription(this.#subscription, this.#options.clock);
    }
  }

  #subscribe(): void {
    const { client } = this.#options.connection;
    const { deliver_subject = "", deliver_group = "" } = this.#options.attachment.binding.config;
    this.#subscription = client.subscribe(deliver_subject, {
      ...(deliver_group === "" ? {} : { queue: deliver_group }),
      callback: (error: Error | null, message: Msg): void => {
        if (error === null) return this.#onMessage(message);
        this.#refusal = `NATS ended the subscription to '${deliver_subject}': ${error.message}`;
        this.#options.log.error(this.#refusal);
      },
    });
  }

  #onMessage(message: Msg): void {
    const { clock, log } = this.#options;
    this.#heardMs = clock.monotonic();
    if (message.data.length === 0 && message.headers?.code === 100) return this.#onStatus(message);
    const { reply = "", data } = message;
    const parts = { source: this.#messageSource, blocks: this.#blocks, fields: this.#fields };
    const taken = messageOf(parts, reply, data);
    if (taken === null) {
      this.#repeated.warn("A message came without JetStream's reply subject and is ignored");
      return;
    }
    // While it is not known whether the stream is still the same, its messages cannot be named.
    if (this.#mode === "stopped" || this.#renewing !== null) return taken.nak(0);
    handOver(taken, this.#receive, log);
  }

  /** A heartbeat, or the server asking whether we keep up; the second wants an empty answer. */
  #onStatus(message: Msg): void {
    const { client } = this.#options.connection;
    const stalled = message.headers?.get("Nats-Consumer-Stalled") ?? "";
    const answerTo = (message.reply ?? "") || stalled;
    if (answerTo !== "" && !client.isClosed()) client.publish(answerTo);
  }

  #tick(): void {
    const { attachment, clock, connection, log } = this.#options;
    if (this.#checking || this.#renewing !== null || !connection.isConnected) return;
    if (clock.monotonic() - this.#heardMs < SILENCE_MAX_MS) return;
    this.#checking = true;
    connection.probe();
    attachment.isCurrent().then((isCurrent) => {
      this.#heardMs = clock.monotonic();
      if (!isCurrent) this.#renew("the consumer is gone", true);
    }).catch((error) => {
      // Asked again with the next tick.
      log.debug("The consumer cannot be looked up", { reason: String(error) });
    }).finally(() => {
      this.#checking = false;
    });
  }

  /** A renewal under way asked on the old connection: it begins again. */
  #onReconnect(): void {
    this.#restartRenewal.abort();
    this.#renew("reconnected");
  }

  /** @param isLost the server said that the consumer is gone: until it is known, nothing is settled */
  #renew(reason: string, isLost = false): void {
    const isUnderWay = this.#renewing !== null && !this.#restartRenewal.signal.aborted;
    if (this.#mode !== "flowing" || isUnderWay) return;
    this.#options.log.debug("Looking the consumer up", { reason });
    if (isLost) this.#messageSource.isGone = true;
    const restart = this.#restartRenewal = new AbortController();
    const signal = AbortSignal.any([this.#stopped.signal, restart.signal]);
    // After the one before: subscriptions are changed by one renewal at a time.
    const before = this.#renewing ?? Promise.resolve();
    const renewing: Promise<void> = before.then(() => this.#attachAgain(signal)).catch(() => {
      // Only the end of this source, or the next renewal, ends this one without a consumer.
    }).finally(() => {
      if (this.#renewing !== renewing) return;
      this.#heardMs = this.#options.clock.monotonic();
      this.#renewing = null;
    });
    this.#renewing = renewing;
  }

  async #attachAgain(signal: AbortSignal): Promise<void> {
    const { attachment, clock, connection } = this.#options;
    const before = attachment.binding;
    await attachment.renew(signal);
    const { origin, config } = attachment.binding;
    this.#messageSource.isGone = origin !== before.origin;
    if (origin === before.origin) return connection.acks.release();
    connection.acks.drop();
    this.#messageSource = this.#newMessageSource();
    const isElsewhere = config.deliver_subject !== before.config.deliver_subject ||
      config.deliver_group !== before.config.deliver_group;
    if (!isElsewhere && this.#refusal === null) return;
    if (this.#subscription !== null) await drainSubscription(this.#subscription, clock);
    this.#refusal = null;
    if (this.#mode === "flowing") this.#subscribe();
  }

  #newMessageSource(): MessageSource {
    const { connection, attachment } = this.#options;
    const { origin, limits } = attachment.binding;
    const { client: publisher, acks } = connection;
    return { publisher, acks, origin, maxDeliver: limits.maxDeliver, isGone: false };
  }
}
