/**
 * One connection to NATS: TCP or WebSocket, credentials, TLS, reconnecting for ever. Reports
 * disconnects to the log in bounded number. Waiting for a server that is not there yet is the
 * caller's.
 */
import type { Authenticator, ConnectionOptions, NatsConnection, Status } from "@nats-io/nats-core";
import {
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/nats-core";
import type { Clock } from "../clock.ts";
import {
  describeNatsAddress,
  type NatsCredentials,
  type NatsServers,
  parseNatsUrls,
} from "../config/nats_url.ts";
import type { NatsSettings } from "../config/settings.ts";
import { ConfigurationError } from "../errors.ts";
import type { Log } from "../log.ts";
import { AckSender } from "./ack_sender.ts";
import { type Client, connectClient } from "./client_transport.ts";
import type { MessageTap } from "./message_tap.ts";
import { RepeatedLog } from "./repeated_log.ts";

/** One attempt to connect takes no longer, in milliseconds. */
const CONNECT_TIMEOUT_MS = 5_000;
/** Wait before the same server is tried again, and what chance adds to it, in milliseconds. */
const RECONNECT_WAIT_MS = 500;
const RECONNECT_JITTER_MS = 1_000;
/** An answer to a ping of ours takes no longer on a connection that works, in milliseconds. */
const PROBE_TIMEOUT_MS = 3_000;
/** Pings that stay unanswered show a half-open connection: found within three intervals. */
const PING_INTERVAL_MS = 10_000;
const PINGS_UNANSWERED_MAX = 2;
/** A drain that takes longer becomes a close, in milliseconds. */
const DRAIN_TIMEOUT_MS = 5_000;

const DEFAULT_INBOX_PREFIX = "_INBOX";

/** What {@linkcode openConnection} needs. */
export interface OpenConnectionOptions {
  /** Servers of one cluster, as the route or `NATS_URL` gives them. */
  readonly urls: readonly string[];
  /** What is set beside the URLs; its own `urls` are the caller's to choose. */
  readonly settings: Omit<NatsSettings, "urls">;
  /** Reads credentials and certificates; the credentials at every connect, as they are renewed. */
  readonly readFile: (path: string) => string;
  /** What the server shows as the client's name. */
  readonly name: string;
  /** Reconnect to the given servers only, whatever the cluster says. */
  readonly ignoreClusterUpdates: boolean;
  /** First tokens of reply subjects; `_INBOX` when null. */
  readonly inboxPrefix: string | null;
  readonly clock: Clock;
  readonly log: Log;
}

/** An open connection. Disposing it drains it. */
export interface Connection extends AsyncDisposable {
  readonly client: NatsConnection;
  readonly tap: MessageTap;
  readonly acks: AckSender;
  readonly inboxPrefix: string;
  /** False while it reconnects. */
  readonly isConnected: boolean;
  /**
   * Pings the server; when no answer comes within three seconds, packets are being swallowed, and the
   * connection is made anew. For who has a reason to doubt it; one probe at a time. Never rejects;
   * once the server has answered it knows of every subscription that was made before.
   */
  probe(): Promise<void>;
  /**
   * Sends frames of the protocol as they are, with the acks that wait; drops them when the connection is
   * closed for good. While it reconnects they wait as what is published does.
   */
  send(frames: Uint8Array): void;
  /** Calls the listener with each error that the server reports until the handle is disposed. */
  onError(listener: (error: Error) => void): Disposable;
  /** Calls the listener after each disconnect until the handle is disposed. */
  onDisconnect(listener: () => void): Disposable;
  /** Calls the listener after each reconnect until the handle is disposed. */
  onReconnect(listener: () => void): Disposable;
}

/** Who is told. */
interface Listeners {
  readonly disconnect: Set<() => void>;
  readonly reconnect: Set<() => void>;
  readonly error: Set<(error: Error) => void>;
}

/**
 * Connects once, to any of the servers.
 *
 * @throws {ConfigurationError} the list of servers makes no sense
 * @throws {Error} no server could be reached, or none took the credentials
 */
export async function openConnection(options: OpenConnectionOptions): Promise<Connection> {
  const servers = parseNatsUrls(options.urls, "ROUTING_FILE: url");
  const { connection: client, tap, sendFrames } = await dial(servers, options);
  const listeners: Listeners = { disconnect: new Set(), reconnect: new Set(), error: new Set() };
  const acks = new AckSender(sendFrames, options.clock);
  const state = { isConnected: true, isWanted: true };
  const watching = watch({ client, listeners, state, options });
  const ending = new AbortController();
  let probing: Promise<void> | null = null;
  return {
    client,
    tap,
    acks,
    inboxPrefix: options.inboxPrefix ?? DEFAULT_INBOX_PREFIX,
    get isConnected(): boolean {
      return state.isConnected;
    },
    probe(): Promise<void> {
      if (!state.isConnected || !state.isWanted) return Promise.resolve();
      return probing ??= probeOnce(client, state, { ...options, signal: ending.signal })
        .finally(() => probing = null);
    },
    send(frames): void {
      acks.flush();
      sendFrames(frames);
    },
    onError: (listener) => addListener(listeners.error, listener),
    onDisconnect: (listener) => addListener(listeners.disconnect, listener),
    onReconnect: (listener) => addListener(listeners.reconnect, listener),
    async [Symbol.asyncDispose](): Promise<void> {
      state.isWanted = false;
      ending.abort();
      await probing;
      acks.close();
      await drain(client, options);
      await watching;
    },
  };
}

function addListener<L>(listeners: Set<L>, listener: L): Disposable {
  listeners.add(listener);
  return { [Symbol.dispose]: () => listeners.delete(listener) };
}

async function dial(
  servers: NatsServers,
  options: OpenConnectionOptions,
): Promise<Client> {
  const { settings } = options;
  const addresses = servers.addresses.map(describeNatsAddress);
  const shared = connectionOptions(servers, options);
  if (servers.kind === "websocket" && (settings.caFile ?? settings.certFile) !== null) {
    throw new ConfigurationError([{
      key: settings.caFile === null ? "NATS_CERT_FILE" : "NATS_CA_FILE",
      rule:
        "cannot be used with wss:// servers: use tls://, or a certificate of an authority that " +
        "the system trusts",
    }]);
  }
  try {
    return await connectClient({ ...shared, servers: addresses }, options.clock);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot connect to NATS at ${addresses.join(", ")} as ${reason}`, {
      cause: error,
    });
  }
}

function connectionOptions(
  servers: NatsServers,
  { settings, readFile, name, ignoreClusterUpdates, inboxPrefix }: OpenConnectionOptions,
): ConnectionOptions {
  const authenticator = authenticatorOf(settings.credentials ?? servers.credentials, readFile);
  const { caFile, certFile, keyFile } = settings;
  const wantsTls = servers.kind === "tcp" &&
    ((caFile ?? certFile) !== null || servers.addresses.some(({ scheme }) => scheme === "tls"));
  return {
    name,
    // What a cluster says of its WebSocket servers has no scheme.
    ignoreClusterUpdates: ignoreClusterUpdates || servers.kind === "websocket",
    inboxPrefix: inboxPrefix ?? DEFAULT_INBOX_PREFIX,
    timeout: CONNECT_TIMEOUT_MS,
    maxReconnectAttempts: -1,
    // A password may be changed here and there at different times.
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    reconnectJitter: RECONNECT_JITTER_MS,
    reconnectJitterTLS: RECONNECT_JITTER_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: PINGS_UNANSWERED_MAX,
    // A stack trace for every request costs more than the request.
    noAsyncTraces: true,
    ...(authenticator === null ? {} : { authenticator }),
    ...(wantsTls
      ? {
        tls: {
          ...(caFile === null ? {} : { ca: readFile(caFile) }),
          ...(certFile === null ? {} : { cert: readFile(certFile) }),
          ...(keyFile === null ? {} : { key: readFile(keyFile) }),
        },
      }
      : {}),
  };
}

function authenticatorOf(
  credentials: NatsCredentials,
  readFile: OpenConnectionOptions["readFile"],
): Authenticator | null {
  const encoder = new TextEncoder();
  switch (credentials.kind) {
    case "none":
      return null;
    case "user":
      return usernamePasswordAuthenticator(credentials.user, credentials.password);
    case "token":
      return tokenAuthenticator(credentials.token);
    case "nkey":
      return nkeyAuthenticator(encoder.encode(credentials.seed.trim()));
    case "credentials-file":
      return credsAuthenticator(() => encoder.encode(readFile(credentials.path)));
    default: {
      const never: never = credentials;
      throw new TypeError(`Unknown credentials ${typeof never}`);
    }
  }
}

/** Forces a reconnect when a ping stays unanswered; never rejects. */
async function probeOnce(
  client: NatsConnection,
  state: { readonly isConnected: boolean; readonly isWanted: boolean },
  { clock, log, signal }: Pick<OpenConnectionOptions, "clock" | "log"> & { signal: AbortSignal },
): Promise<void> {
  const timer = new AbortController();
  const answered = client.flush().then(() => true, () => true); // closed or reconnected: known
  const late = clock.delay(PROBE_TIMEOUT_MS, AbortSignal.any([timer.signal, signal]))
    .then(() => false, () => true);
  const isAlive = await Promise.race([answered, late]);
  timer.abort();
  if (isAlive || !state.isConnected || !state.isWanted) return;
  log.warn("NATS does not answer a ping, connecting anew", { waited_ms: PROBE_TIMEOUT_MS });
  await client.reconnect().catch(() => {}); // closed meanwhile
}

/** Ends when the connection is closed for good. */
async function watch(
  { client, listeners, state, options: { clock, log } }: {
    client: NatsConnection;
    listeners: Listeners;
    state: { isConnected: boolean; readonly isWanted: boolean };
    options: OpenConnectionOptions;
  },
): Promise<void> {
  const repeated = new RepeatedLog(log);
  let downSinceMs = 0;
  let attempts = 0;
  const handle = (status: Status): void => {
    switch (status.type) {
      case "disconnect":
        state.isConnected = false;
        downSinceMs = clock.monotonic();
        attempts = 0;
        repeated.warn("Disconnected from NATS, reconnecting", { server: status.server });
        for (const listener of [...listeners.disconnect]) listener();
        return;
      case "reconnecting":
        attempts++;
        return;
      case "reconnect":
        state.isConnected = true;
        log.info("Reconnected to NATS", {
          server: status.server,
          attempts,
          down_ms: Math.round(clock.monotonic() - downSinceMs),
        });
        for (const listener of [...listeners.reconnect]) listener();
        return;
      case "error":
        repeated.warn(`NATS reports an error: ${status.error.message}`);
        for (const listener of [...listeners.error]) listener(status.error);
        return;
      case "ldm":
        log.info("The NATS server is about to shut down", { server: status.server });
        return;
      default:
        // Pings, gossip, our own close and reconnects: nothing that anybody acts on.
        return;
    }
  };
  for await (const status of client.status()) handle(status);
  state.isConnected = false;
  if (state.isWanted) log.error("The connection to NATS is closed for good");
}

async function drain(
  client: NatsConnection,
  { clock, log }: OpenConnectionOptions,
): Promise<void> {
  if (client.isClosed()) return;
  const timer = new AbortController();
  try {
    const late = clock.delay(DRAIN_TIMEOUT_MS, timer.signal).then(() => {
      throw new Error(`Cannot drain as the server did not answer within ${DRAIN_TIMEOUT_MS} ms`);
    });
    await Promise.race([client.drain(), late]);
  } catch (error) {
    log.warn("Closing NATS without a drain", { reason: String(error) });
  } finally {
    timer.abort();
    await client.close();
  }
}
