/**
 * Messages of a JetStream pull consumer: an own pull loop on one subscription, as the client's
 * cannot bound messages and bytes together. Bounds what may come unasked-for, hands messages over
 * synchronously in the order of delivery, and gives back what comes too late. When consumer, stream
 * or server go away it attaches again and asks anew; it never gives up by itself.
 */
import { createInbox, type Msg, type Subscription } from "@nats-io/nats-core";
import type { Clock } from "../clock.ts";
import type { IncomingMessage } from "../ingest/delivery.ts";
import type { AckFloor, ConsumerLimits } from "../ingest/ports.ts";
import type { StreamLimits } from "../ingest/start_advice.ts";
import type { Log } from "../log.ts";
import { AckReply } from "./ack_reply.ts";
import type { Attachment } from "./attachment.ts";
import type { Connection } from "./connection.ts";
import { askConsumer, handOver, type NatsSource } from "./nats_source.ts";
import { type PullTimes, pullTimes } from "./pull_times.ts";
import { readPullStatus } from "./pull_status.ts";
import { PullWindow } from "./pull_window.ts";
import type { ReadBuffer } from "./read_buffer.ts";
import { RepeatedLog } from "./repeated_log.ts";
import { MessageBlocks } from "./message_block.ts";
import type { MessageSource } from "./message_source.ts";
import { messageOf, type MessagePlace, StreamMessage } from "./stream_message.ts";
import { drainSubscription } from "./subscription_drain.ts";

/** How often requests that were refused are sent again, and silence is noticed, in milliseconds. */
const TICK_MS = 1_000;

/** With a lower `max_ack_pending` the server may wait for acks: they go at once. */
const LATE_ACKS_MIN = 1_000;

/** What a {@linkcode PullSource} works with. */
export interface PullSourceOptions {
  readonly connection: Connection;
  readonly attachment: Attachment;
  readonly clock: Clock;
  readonly log: Log;
  /** Messages asked for at any time. */
  readonly messagesMax: number;
  /** Bytes of them, as the server counts. */
  readonly bytesMax: number;
  /** Messages of one request. */
  readonly batchMax: number;
}

/** `idle` before `start`, `stopped` for good. */
type Mode = "idle" | "flowing" | "paused" | "stopped";

/** A source that pulls. */
export class PullSource implements NatsSource {
  readonly kind = "pull";
  readonly isShared = false;
  readonly canPause = true;
  readonly #options: PullSourceOptions;
  readonly #repeated: RepeatedLog;
  readonly #stopped = new AbortController();
  readonly #open = new DisposableStack();
  #mode: Mode = "idle";
  #window: PullWindow;
  #times: PullTimes;
  #messageSource: MessageSource;
  readonly #fields = new AckReply();
  readonly #blocks = new MessageBlocks();
  #room: () => number = () => Infinity;
  #inbox = "";
  #subscription: Subscription | null = null;
  /** Requests carry it: answers to requests from before a renewal are old news. */
  #epoch = 0;
  #renewing: Promise<void> | null = null;
  /** Ends the renewal under way, whose question died with its connection. */
  #restartRenewal = new AbortController();
  #stopping: Promise<void> | null = null;
  #heardMs = 0;
  /** Something was heard since the last tick; the clock is not asked once a message. */
  #hasHeard = false;
  #refusal: string | null = null;

  constructor(options: PullSourceOptions) {
    this.#options = options;
    this.#repeated = new RepeatedLog(options.log);
    this.#window = this.#newWindow();
    this.#times = pullTimes(options.attachment.binding.config);
    this.#messageSource = this.#newMessageSource();
  }

  get streamLimits(): StreamLimits {
    return this.#options.attachment.binding.streamLimits;
  }

  get limits(): ConsumerLimits {
    return this.#options.attachment.binding.limits;
  }

  start(
    onMessage: (message: IncomingMessage) => void,
    room: () => number = () => Infinity,
  ): void {
    if (this.#mode !== "idle") throw new TypeError("Cannot start a source twice");
    const { connection, clock } = this.#options;
    this.#mode = "flowing";
    this.#room = room;
    this.#inbox = createInbox(connection.inboxPrefix);
    this.#subscription = connection.client.subscribe(`${this.#inbox}.*`, {
      callback: (error: Error | null, message: Msg): void => {
        if (error !== null) this.#onRefusal(error);
        else this.#onMessage(message, onMessage);
      },
    });
    this.#open.use(
      connection.tap.listen(this.#subscription.getID(), (bytes, place, buffer) => {
        this.#onStored(this.#read(bytes, place, buffer), onMessage);
      }),
    );
    this.#open.use(connection.onDisconnect(() => connection.acks.hold()));
    this.#open.use(connection.onReconnect(() => this.#onReconnect()));
    this.#open.use(clock.every(TICK_MS, () => this.#tick()));
    this.#heardMs = clock.monotonic();
    this.#pull();
  }

  pause(): void {
    if (this.#mode === "flowing") this.#mode = "paused";
  }

  resume(): void {
    if (this.#mode !== "paused") return;
    this.#mode = "flowing";
    this.#heardMs = this.#options.clock.monotonic();
    this.#pull();
  }

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
    if (this.#subscription !== null) {
      await drainSubscription(this.#subscription, this.#options.clock);
    }
    await this.#renewing;
  }

  #onMessage(message: Msg, receive: (message: IncomingMessage) => void): void {
    if (message.data.length === 0 && (message.headers?.code ?? 0) > 0) {
      this.#hasHeard = true;
      return this.#onStatus(message);
    }
    const { reply = "", data } = message;
    const parts = { source: this.#messageSource, blocks: this.#blocks, fields: this.#fields };
    this.#onStored(messageOf(parts, reply, data), receive);
  }

  /** Null when its reply subject is none of JetStream's. */
  #read(
    bytes: Uint8Array,
    place: MessagePlace,
    buffer: ReadBuffer | null,
  ): StreamMessage | null {
    const fields = this.#fields;
    if (!fields.read(bytes, place.replyStart, place.replyEnd)) return null;
    const block = this.#blocks.of(this.#messageSource);
    return new StreamMessage(block, fields, bytes, place, buffer);
  }

  #onStored(taken: StreamMessage | null, receive: (message: IncomingMessage) => void): void {
    this.#hasHeard = true;
    if (taken === null) {
      this.#repeated.warn("A message came without JetStream's reply subject and is ignored");
      return;
    }
    this.#window.received();
    // While it is not known whether the stream is still the same, its messages cannot be named.
    if (this.#mode === "stopped" || this.#renewing !== null) return taken.nak(0);
    handOver(taken, receive, this.#options.log);
    this.#pull();
  }

  #onStatus({ subject, headers }: Msg): void {
    const [epoch, id] = subject.slice(this.#inbox.length + 1).split("-").map(Number);
    if (epoch !== this.#epoch || id === undefined || headers === undefined) return;
    const { code, description } = headers;
    const pendingMessages = headers.get("Nats-Pending-Messages");
    const status = readPullStatus({ code, description, pendingMessages });
    if (status.kind === "lost") return this.#renew(`${code} ${description}`, true);
    if (status.kind === "refused") {
      this.#repeated.warn(`The consumer refuses a pull request: ${description}`);
    }
    this.#window.answered(id, status);
    // A refused request goes out again with the next tick, not at once.
    if (status.kind === "ended") this.#pull();
  }

  /** Asks for as much as there is room for. */
  #pull(): void {
    if (this.#mode !== "flowing" || this.#renewing !== null) return;
    const { client } = this.#options.connection;
    for (;;) {
      const request = this.#window.next(this.#room);
      if (request === null) return;
      const { id, batch, maxBytes } = request;
      const body = {
        batch,
        expires: Math.round(this.#times.expiresMs * 1e6),
        idle_heartbeat: Math.round(this.#times.heartbeatMs * 1e6),
        ...(maxBytes === null ? {} : { max_bytes: maxBytes }),
      };
      try {
        client.publish(this.#subject, JSON.stringify(body), {
          reply: `${this.#inbox}.${this.#epoch}-${id}`,
        });
      } catch {
        // The connection is closed for good; its owner knows, and nothing can come any more.
        return;
      }
    }
  }

  #tick(): void {
    const { clock, connection } = this.#options;
    if (this.#hasHeard) this.#heardMs = clock.monotonic();
    this.#hasHeard = false;
    if (this.#mode !== "flowing" || this.#renewing !== null || !connection.isConnected) return;
    const silentMs = clock.monotonic() - this.#heardMs;
    if (this.#window.outstanding > 0 && silentMs > this.#times.silenceMaxMs) {
      connection.probe();
      return this.#renew(`nothing heard for ${Math.round(silentMs)} ms`);
    }
    this.#pull();
  }

  get #subject(): string {
    const { stream, consumer } = this.#options.attachment.binding.origin;
    return `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
  }

  /** A renewal under way asked on the old connection: it begins again. */
  #onReconnect(): void {
    this.#restartRenewal.abort();
    this.#renewing = null;
    this.#renew("reconnected");
  }

  /**
   * Looks what consumer is there, attaches to it, and asks anew.
   *
   * @param isLost the server said that the consumer is gone: until it is known, nothing is settled
   */
  #renew(reason: string, isLost = false): void {
    if (this.#mode === "stopped" || this.#mode === "idle" || this.#renewing !== null) return;
    const { attachment, log, clock } = this.#options;
    log.debug("Looking the consumer up", { reason });
    if (isLost) this.#messageSource.isGone = true;
    this.#epoch++;
    this.#window.reset();
    const restart = this.#restartRenewal = new AbortController();
    const signal = AbortSignal.any([this.#stopped.signal, restart.signal]);
    const renewing = attachment.renew(signal).then(() => {
      // Aborted just behind its success: the next renewal has the say.
      if (restart.signal.aborted) return;
      this.#window = this.#newWindow();
      this.#times = pullTimes(attachment.binding.config);
      this.#messageSource = this.#currentMessageSource();
      this.#heardMs = clock.monotonic();
      this.#renewing = null;
      this.#pull();
    }).catch(() => {
      // Only the end of this source, or the next renewal, ends this one without a consumer.
      if (!restart.signal.aborted) this.#renewing = null;
    });
    this.#renewing = renewing;
  }

  #onRefusal(error: Error): void {
    this.#refusal = `NATS ended the subscription to '${this.#inbox}.*': ${error.message}`;
    this.#options.log.error(this.#refusal);
  }

  #newWindow(): PullWindow {
    const { attachment, messagesMax, bytesMax, batchMax } = this.#options;
    const { config } = attachment.binding;
    return new PullWindow({
      messagesMax,
      bytesMax,
      batchMax: Math.min(batchMax, positive(config.max_batch)),
      requestBytesMax: positive(config.max_bytes),
    });
  }

  /** The one that messages have, unless the consumer is another one by now: decides on acks held. */
  #currentMessageSource(): MessageSource {
    const { attachment, connection } = this.#options;
    const before = this.#messageSource;
    before.isGone = before.origin !== attachment.binding.origin;
    if (before.isGone) connection.acks.drop();
    else connection.acks.release();
    return before.isGone ? this.#newMessageSource() : before;
  }

  #newMessageSource(): MessageSource {
    const { connection, attachment } = this.#options;
    const { origin, limits } = attachment.binding;
    const { client: publisher, acks } = connection;
    acks.mayWait = limits.maxAckPending >= LATE_ACKS_MIN;
    return { publisher, acks, origin, maxDeliver: limits.maxDeliver, isGone: false };
  }
}

/** A limit of the consumer, where absent and 0 mean none. */
function positive(value: number | undefined): number {
  return value === undefined || value <= 0 ? Infinity : value;
}
