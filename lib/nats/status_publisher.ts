/**
 * Sends statuses to the monitor: into its stream where the route has one, waiting for the server's
 * confirmation, else over core NATS. Repeats nothing by itself; every wait is bounded.
 */
import type { Clock } from "../clock.ts";
import type { Route } from "../config/routing.ts";
import type { RouteStatus, StatusPublisher } from "../ingest/ports.ts";
import type { Log } from "../log.ts";
import { apiFailure } from "./api_error.ts";
import { API_TIMEOUT_MS, openApi } from "./attachment.ts";
import { ConfirmedPublisher } from "./confirmed_publisher.ts";
import type { Connection } from "./connection.ts";
import { encodeStatus } from "./status_message.ts";
import { ensureStream } from "./streams.ts";
import { isStreamRoute } from "./stream_route.ts";

/** Longest wait for the server to confirm a status, in milliseconds. */
const PUBLISH_TIMEOUT_MS = API_TIMEOUT_MS;

/** `max_payload` of a server that has not said it, in bytes: its default. */
const DEFAULT_MAX_PAYLOAD = 1024 * 1024;

/** What {@linkcode openStatusPublisher} needs. */
export interface StatusPublisherOptions {
  readonly connection: Connection;
  readonly route: Route;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Makes ready to send statuses; creates the monitor's stream when it is missing.
 *
 * @throws {ConfigurationError} the stream that is there does not hold the route's subject
 */
export async function openStatusPublisher(
  options: StatusPublisherOptions,
): Promise<StatusPublisher & Disposable> {
  const { connection, route, clock, log } = options;
  const { client } = connection;
  const bytesOf = (status: RouteStatus): Uint8Array =>
    encodeStatus(status, client.info?.max_payload ?? DEFAULT_MAX_PAYLOAD);
  if (!isStreamRoute(route)) {
    return {
      async publish(status): Promise<void> {
        await withFailure(status, async () => {
          client.publish(route.subject, bytesOf(status));
          await flush(connection, clock);
        });
      },
      [Symbol.dispose]: () => {},
    };
  }
  await ensureStream({ api: await openApi(connection), route, log });
  const publisher = new ConfirmedPublisher({
    connection,
    subject: route.subject,
    timeoutMs: PUBLISH_TIMEOUT_MS,
    clock,
  });
  return {
    async publish(status): Promise<void> {
      await withFailure(status, () => publisher.publish(bytesOf(status), status.messageId));
    },
    [Symbol.dispose]: () => publisher[Symbol.dispose](),
  };
}

async function withFailure(status: RouteStatus, send: () => Promise<void>): Promise<void> {
  try {
    await send();
  } catch (error) {
    throw apiFailure(`send the status of route '${status.routeId}'`, error);
  }
}

/** Waits until the server has read everything sent before. */
async function flush({ client }: Connection, clock: Clock): Promise<void> {
  const timer = new AbortController();
  const late = clock.delay(PUBLISH_TIMEOUT_MS, timer.signal).then(() => {
    throw new Error(`the server did not answer within ${PUBLISH_TIMEOUT_MS} ms`);
  });
  try {
    await Promise.race([client.flush(), late]);
  } finally {
    timer.abort();
  }
}
