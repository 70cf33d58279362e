/**
 * How the client library is used: one socket, ours, for one session, and nothing that it would do by
 * itself.
 */
import type { Socket } from "node:net";
import type postgres from "postgres";
import type { Clock } from "../clock.ts";
import type { ServerAddress, TlsSettings } from "./socket.ts";

/** Who connects to which database, and how. */
export interface SessionOptions {
  readonly user: string;
  /** Null when there is none. */
  readonly password: string | null;
  readonly database: string;
  readonly applicationName: string;
  /** Sent in the start-up message, as libpq sends keywords that it does not know. */
  readonly startupParameters: Readonly<Record<string, string>>;
  /** For TCP and TLS, and once more for authentication. */
  readonly connectTimeoutMs: number;
  readonly tls: TlsSettings;
  /** Statements whose text never changes are prepared by name; off behind a transaction pooler. */
  readonly prepare: boolean;
  readonly clock: Clock;
}

/** What the library's client does and its types leave out. */
export interface ClientOptions extends postgres.Options<Record<string, never>> {
  readonly socket: () => Promise<Socket>;
  readonly sslnegotiation: null;
}

/** Every option is given, so that no `PG*` variable of the environment changes any of it. */
export function clientOptions(
  address: ServerAddress,
  options: SessionOptions,
  hooks: { openSocket: () => Promise<Socket>; onClose: () => void },
): ClientOptions {
  return {
    host: address.host,
    port: address.port,
    user: options.user,
    pass: () => options.password ?? "",
    database: options.database,
    connection: { application_name: options.applicationName, ...options.startupParameters },
    socket: hooks.openSocket,
    onclose: hooks.onClose,
    onnotice: () => {}, // "already exists, skipping" and the like
    ssl: false, // the socket has it already
    sslnegotiation: null,
    prepare: options.prepare,
    max: 1,
    max_lifetime: null, // the pool ends sessions, between two uses
    idle_timeout: 0,
    connect_timeout: Math.max(1, Math.ceil(options.connectTimeoutMs / 1000)),
    keep_alive: null, // set by ours
    backoff: false,
    debug: false,
    fetch_types: false,
    publications: "none",
  };
}
