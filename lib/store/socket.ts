/**
 * Opens the byte stream to one PostgreSQL server: TCP without Nagle's delay, TLS as libpq's
 * `sslmode` means it. The client library is handed a finished stream, because its own `require` and
 * `prefer` never verify and its own sockets stall COPY by some 87 ms a statement. Errors name host
 * and port, nothing else.
 */
import { Buffer } from "node:buffer";
import net from "node:net";
import tls from "node:tls";
import type { Clock } from "../clock.ts";
import type { DatabaseHost, SslMode } from "../config/dsn.ts";
import { StoreUnavailableError } from "../errors.ts";

/** One server to try. */
export type ServerAddress = DatabaseHost;

/** How TLS is spoken, certificates as PEM text. */
export interface TlsSettings {
  readonly mode: SslMode;
  /** Trusted roots; `system` for the runtime's own; null when none were named. */
  readonly roots: string | "system" | null;
  readonly certificate: string | null;
  readonly key: string | null;
}

/** TCP was had, TLS was not; `allow` and `prefer` then try without or with it. */
export class TlsFailure extends Error {
  override readonly name = "TlsFailure";
}

/** What one try asks of the server. */
export type Encryption = "plain" | "tls" | "tls-if-offered";

/** Tries in libpq's order: `allow` begins without TLS, `prefer` falls back to none. */
export function encryptionTries(mode: SslMode): readonly Encryption[] {
  switch (mode) {
    case "disable":
      return ["plain"];
    case "allow":
      return ["plain", "tls"];
    case "prefer":
      return ["tls-if-offered", "plain"];
    case "require":
    case "verify-ca":
    case "verify-full":
      return ["tls"];
  }
}

/** `SSLRequest` of the wire protocol: length 8, code 80877103. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
const ANSWER_YES = 0x53;
const ANSWER_NO = 0x4e;

const KEEP_ALIVE_MS = 30_000;

/**
 * Opens a stream that is ready for the start-up message.
 *
 * @param timeoutMs for TCP and TLS together
 * @throws {StoreUnavailableError} not reachable in time
 * @throws {TlsFailure} reachable, but TLS is not as asked for
 */
export async function openSocket(
  address: ServerAddress,
  options: { encryption: Encryption; tls: TlsSettings; timeoutMs: number; clock: Clock },
): Promise<net.Socket> {
  const timer = new AbortController();
  const expired = options.clock.delay(options.timeoutMs, timer.signal).then(
    () => new Error(`no answer within ${options.timeoutMs} ms`),
    () => null, // aborted: the socket was quicker
  );
  const socket = net.connect({ host: address.host, port: address.port });
  ignoreErrors(socket);
  try {
    await once(socket, "connect", expired);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
  } catch (error) {
    socket.destroy();
    timer.abort();
    throw new StoreUnavailableError(
      `Cannot connect to PostgreSQL at ${nameOf(address)} as TCP says: ${messageOf(error)}`,
      { cause: error },
    );
  }
  try {
    return await encrypt(socket, { address, expired, ...options });
  } catch (error) {
    socket.destroy();
    throw new TlsFailure(
      `Cannot connect to PostgreSQL at ${nameOf(address)} as TLS says: ${messageOf(error)}`,
      { cause: error },
    );
  } finally {
    timer.abort();
  }
}

function nameOf(address: ServerAddress): string {
  return `${address.host}:${address.port}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An error event without a listener ends the process; whoever waits has a listener of its own. */
function ignoreErrors(socket: net.Socket): void {
  socket.on("error", () => {});
}

async function encrypt(
  socket: net.Socket,
  options: {
    address: ServerAddress;
    expired: Promise<Error | null>;
    encryption: Encryption;
    tls: TlsSettings;
  },
): Promise<net.Socket> {
  if (options.encryption === "plain") return socket;
  socket.write(SSL_REQUEST);
  const answer = await once(socket, "data", options.expired);
  // More than one byte would be text that somebody slipped in before the encryption began.
  if (!(answer instanceof Uint8Array) || answer.length !== 1) {
    throw new Error("the server's answer to the TLS request is none of PostgreSQL's");
  }
  if (answer[0] === ANSWER_YES) return await upgrade(socket, options);
  if (answer[0] === ANSWER_NO && options.encryption === "tls-if-offered") return socket;
  throw new Error(`the server offers no TLS and sslmode is ${options.tls.mode}`);
}

async function upgrade(
  socket: net.Socket,
  options: { address: ServerAddress; expired: Promise<Error | null>; tls: TlsSettings },
): Promise<net.Socket> {
  const { host } = options.address;
  const { roots, certificate, key } = options.tls;
  const verification = verificationOf(options.tls);
  const secure = tls.connect({
    socket,
    host,
    ...(net.isIP(host) === 0 ? { servername: host } : {}),
    ...(roots === null || roots === "system" ? {} : { ca: roots }),
    ...(certificate === null || key === null ? {} : { cert: certificate, key }),
    rejectUnauthorized: verification !== "none",
    ...(verification === "full" ? {} : { checkServerIdentity: () => undefined }),
  });
  ignoreErrors(secure);
  try {
    await once(secure, "secureConnect", options.expired);
  } catch (error) {
    secure.destroy();
    throw error;
  }
  return secure;
}

/**
 * As libpq: `require` with a root certificate means `verify-ca`, and the system's roots are only
 * worth something together with the host name.
 */
function verificationOf(settings: TlsSettings): "none" | "ca" | "full" {
  if (settings.mode === "verify-full") return "full";
  if (settings.mode !== "verify-ca" && settings.mode !== "require") return "none";
  if (settings.roots === "system") return "full";
  return settings.mode === "verify-ca" || settings.roots !== null ? "ca" : "none";
}

/** First argument of the socket's next `event`; rejects when the socket fails or time is up. */
function once(
  socket: net.Socket,
  event: "connect" | "data" | "secureConnect",
  expired: Promise<Error | null>,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void): void => {
      socket.off(event, onEvent);
      socket.off("error", onError);
      socket.off("close", onClose);
      outcome();
    };
    const onEvent = (value: unknown): void => settle(() => resolve(value));
    const onError = (error: Error): void => settle(() => reject(error));
    const onClose = (): void => settle(() => reject(new Error("the server closed the connection")));
    socket.on(event, onEvent);
    socket.on("error", onError);
    socket.on("close", onClose);
    expired.then((error) => error === null ? undefined : onError(error));
  });
}
