/** What tests of the NATS adapter share: a connection, a route, messages in and messages taken. */
import type { JetStreamManager } from "@nats-io/jetstream";
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import type { Clock } from "../../../lib/clock.ts";
import { systemClock } from "../../../lib/clock.ts";
import type { Route } from "../../../lib/config/routing.ts";
import type { IncomingMessage, MessageIdentity } from "../../../lib/ingest/delivery.ts";
import type { ChooseStart } from "../../../lib/ingest/ports.ts";
import type { Log } from "../../../lib/log.ts";
import { connectClient } from "../../../lib/nats/client_transport.ts";
import {
  type Connection,
  openConnection,
  type OpenConnectionOptions,
} from "../../../lib/nats/connection.ts";
import type { NatsSource } from "../../../lib/nats/nats_source.ts";
import { openSource, type OpenSourceOptions } from "../../../lib/nats/source.ts";
import type { StreamRoute } from "../../../lib/nats/stream_route.ts";
import { uniqueName } from "../../support/servers.ts";

/** A log that keeps what is written. */
export class RecordedLog implements Log {
  readonly lines: string[] = [];
  debug(): void {}
  info(message: string): void {
    this.lines.push(`info: ${message}`);
  }
  warn(message: string): void {
    this.lines.push(`warn: ${message}`);
  }
  error(message: string): void {
    this.lines.push(`error: ${message}`);
  }

  has(pattern: RegExp): boolean {
    return this.lines.some((line) => pattern.test(line));
  }
}

/** A route with names of its own. */
export function streamRoute(overrides: Partial<StreamRoute> = {}): StreamRoute {
  const name = uniqueName("stream");
  return {
    selector: "mine",
    name,
    queue: uniqueName("queue"),
    subject: `${name}.in`,
    urls: [],
    jetstreamEnabled: null,
    maxAckPending: null,
    ackWaitMs: null,
    mode: null,
    batchSize: null,
    mirror: null,
    ...overrides,
  };
}

/** The same route without a stream. */
export function coreRoute(overrides: Partial<Route> = {}): Route {
  return { ...streamRoute(), name: null, queue: null, ...overrides };
}

/** Opens a connection as the service does. */
export function openTestConnection(
  urls: string | readonly string[],
  overrides: Partial<OpenConnectionOptions> = {},
): Promise<Connection> {
  return openConnection({
    urls: typeof urls === "string" ? [urls] : urls,
    settings: { credentials: null, caFile: null, certFile: null, keyFile: null },
    readFile: (path) => Deno.readTextFileSync(path),
    name: "test",
    ignoreClusterUpdates: false,
    inboxPrefix: null,
    clock: systemClock,
    log: new RecordedLog(),
    ...overrides,
  });
}

export const fromStart: ChooseStart = () => Promise.resolve({ kind: "all" });

/** A source, closed with its connection. */
export interface OpenedSource extends AsyncDisposable {
  readonly source: NatsSource;
  readonly connection: Connection;
  readonly log: RecordedLog;
}

/** Opens a source on a connection of its own. */
export async function openTestSource(
  url: string,
  route: Route,
  overrides: Partial<OpenSourceOptions> & { readonly clock?: Clock } = {},
): Promise<OpenedSource> {
  const log = new RecordedLog();
  await using open = new AsyncDisposableStack();
  const connection = open.use(await openTestConnection(url, { log }));
  const source = open.use(
    await openSource({
      connection,
      route,
      chooseStart: fromStart,
      clock: systemClock,
      log,
      ...overrides,
    }),
  );
  const closing = open.move();
  return { source, connection, log, [Symbol.asyncDispose]: () => closing.disposeAsync() };
}

/** Opens a source on a connection that stays the caller's. */
export function openTestSourceOn(connection: Connection, route: Route): Promise<NatsSource> {
  const log = new RecordedLog();
  return openSource({ connection, route, chooseStart: fromStart, clock: systemClock, log });
}

/** A client of somebody else's, with the JetStream API. */
export interface OtherClient extends AsyncDisposable {
  readonly client: NatsConnection;
  readonly api: JetStreamManager;
  /** Publishes texts one after the other, each confirmed by the stream. */
  publish(subject: string, ...texts: readonly string[]): Promise<void>;
}

/** Opens another client. */
export async function openOtherClient(url: string): Promise<OtherClient> {
  const { connection: client } = await connectClient({
    servers: url,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
  }, systemClock);
  const api = await jetstreamManager(client, { checkAPI: false });
  return {
    client,
    api,
    async publish(subject, ...texts): Promise<void> {
      for (const text of texts) await client.request(subject, text, { timeout: 5_000 });
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

/** A message that was taken, and what is to be known of it when it is settled. */
export interface Taken {
  /** Its payload. */
  readonly text: string;
  readonly identity: MessageIdentity | null;
  readonly deliveryCount: number;
  readonly message: IncomingMessage;
}

/** Keeps every message that a source hands over. */
export class Inbox {
  readonly taken: Taken[] = [];
  /** Called with each message, after it is kept. */
  onMessage: (message: IncomingMessage) => void = () => {};

  readonly receive = (message: IncomingMessage): void => {
    this.taken.push({
      text: new TextDecoder().decode(message.payload),
      identity: copyOf(message.identity),
      deliveryCount: message.deliveryCount,
      message,
    });
    this.onMessage(message);
  };

  get texts(): readonly string[] {
    return this.taken.map(({ text }) => text);
  }
}

function copyOf(identity: MessageIdentity | null): MessageIdentity | null {
  if (identity === null) return null;
  const { origin, sequence, storedSeconds, storedFraction } = identity;
  return { origin, sequence, storedSeconds, storedFraction };
}

/** Texts `0` to `count - 1`. */
export function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i));
}
