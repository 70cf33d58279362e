/**
 * Opens the source of a route: pull or push where it uses JetStream, else core NATS.
 */
import type { Clock } from "../clock.ts";
import type { Route } from "../config/routing.ts";
import type { ChooseStart } from "../ingest/ports.ts";
import type { Log } from "../log.ts";
import { Attachment } from "./attachment.ts";
import type { Connection } from "./connection.ts";
import { CoreSource } from "./core_source.ts";
import type { NatsSource } from "./nats_source.ts";
import { PullSource } from "./pull_source.ts";
import { PushSource } from "./push_source.ts";
import { isStreamRoute } from "./stream_route.ts";

/** What {@linkcode openSource} needs. */
export interface OpenSourceOptions {
  readonly connection: Connection;
  readonly route: Route;
  /** Asked when a consumer has to be created, at the start or while running. */
  readonly chooseStart: ChooseStart;
  readonly clock: Clock;
  readonly log: Log;
  /** Messages that a pull consumer may owe at any time. */
  readonly pullMessagesMax?: number;
  /** Bytes of them, as the server counts; one larger message still comes. */
  readonly pullBytesMax?: number;
}

/**
 * What the server may send while the program encodes a flush and collects garbage, some 50 ms: with
 * 2,000 it ran dry, and both cores waited (W2: 105 instead of 125 thousand messages a second).
 */
const DEFAULT_PULL_MESSAGES = 8_000;
const DEFAULT_PULL_BYTES = 8 * 1024 * 1024;

/**
 * Attaches to the route's consumer, or creates what is missing; hands nothing over before `start`.
 *
 * @throws {ConfigurationError} what is there cannot be used as the route says
 */
export async function openSource(options: OpenSourceOptions): Promise<NatsSource> {
  const {
    connection,
    route,
    clock,
    log,
    pullMessagesMax = DEFAULT_PULL_MESSAGES,
    pullBytesMax = DEFAULT_PULL_BYTES,
  } = options;
  if (!isStreamRoute(route)) {
    log.warn("Core NATS delivers at most once: what arrives while nobody listens is lost", {
      subject: route.subject,
    });
    return new CoreSource({ connection, route, clock, log });
  }
  const attachment = await Attachment.open({ ...options, route });
  const { kind } = attachment.binding;
  if (kind === "push") return new PushSource({ connection, attachment, clock, log });
  return new PullSource({
    connection,
    attachment,
    clock,
    log,
    messagesMax: pullMessagesMax,
    bytesMax: pullBytesMax,
    batchMax: route.batchSize ?? pullMessagesMax,
  });
}
