/**
 * Messages of core NATS, with a queue group if the route names one: at most once, nothing to
 * settle. Stopping drains the subscription, as what the server has sent already is nowhere else.
 */
import type { Msg, Subscription } from "@nats-io/nats-core";
import type { Clock } from "../clock.ts";
import type { Route } from "../config/routing.ts";
import type { IncomingMessage } from "../ingest/delivery.ts";
import type { Log } from "../log.ts";
import type { Connection } from "./connection.ts";
import { CoreMessage } from "./core_message.ts";
import { handOver, type NatsSource } from "./nats_source.ts";
import { drainSubscription } from "./subscription_drain.ts";

/** What a {@linkcode CoreSource} works with. */
export interface CoreSourceOptions {
  readonly connection: Connection;
  readonly route: Route;
  readonly clock: Clock;
  readonly log: Log;
}

/** A source that reads a subject of core NATS. */
export class CoreSource implements NatsSource {
  readonly kind = "core";
  readonly isShared = false;
  readonly limits = null;
  readonly streamLimits = null;
  readonly canPause = false;
  readonly #options: CoreSourceOptions;
  #subscription: Subscription | null = null;
  #stopping: Promise<void> | null = null;
  #refusal: string | null = null;

  constructor(options: CoreSourceOptions) {
    this.#options = options;
  }

  start(onMessage: (message: IncomingMessage) => void): void {
    if (this.#subscription !== null) throw new TypeError("Cannot start a source twice");
    const { connection, route, log } = this.#options;
    this.#subscription = connection.client.subscribe(route.subject, {
      ...(route.queue === null ? {} : { queue: route.queue }),
      callback: (error: Error | null, message: Msg): void => {
        if (error === null) return handOver(new CoreMessage(message.data), onMessage, log);
        this.#refusal = `NATS ended the subscription to '${route.subject}': ${error.message}`;
        log.error(this.#refusal);
      },
    });
  }

  pause(): void {}

  resume(): void {}

  ackFloor(): Promise<null> {
    return Promise.resolve(null);
  }

  ackPending(): Promise<null> {
    return Promise.resolve(null);
  }

  health(): Promise<string | null> {
    const isAway = !this.#options.connection.isConnected;
    return Promise.resolve(isAway ? "NATS is away: reconnecting" : this.#refusal);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#subscription === null
      ? Promise.resolve()
      : drainSubscription(this.#subscription, this.#options.clock);
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
