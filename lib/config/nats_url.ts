/**
 * Reads the server list of a route (`url`) or of `NATS_URL`: addresses on one side, the credentials a
 * URL may carry on the other, so that an address can be logged. As in Go's client a user without
 * password is a token, and a bare `host:port` means `nats://`. No piece of a URL that cannot be read
 * stands in a message.
 */
import { ConfigurationError, type ConfigurationFault } from "../errors.ts";

/** How a client proves to NATS who it is. */
export type NatsCredentials =
  | { readonly kind: "none" }
  | { readonly kind: "user"; readonly user: string; readonly password: string }
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "nkey"; readonly seed: string }
  /** Path of a credentials file (JWT and seed). */
  | { readonly kind: "credentials-file"; readonly path: string };

/** One server of a list. */
export interface NatsServerAddress {
  readonly scheme: "nats" | "tls" | "ws" | "wss";
  /** Name or address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** Path of a WebSocket URL, with its leading slash; otherwise empty. */
  readonly path: string;
}

/** A server list that one connection can use. */
export interface NatsServers {
  /** `websocket` when every server is `ws://` or `wss://`, else `tcp`. */
  readonly kind: "tcp" | "websocket";
  /** At least one. */
  readonly addresses: readonly NatsServerAddress[];
  /** What the URLs carry; `none` when they carry nothing. */
  readonly credentials: NatsCredentials;
}

const DEFAULT_PORTS = { nats: 4222, tls: 4222, ws: 80, wss: 443 } as const;

/**
 * Reads a server list; `key` names the setting in the faults.
 *
 * @throws {ConfigurationError} a URL cannot be read, or the list mixes WebSocket and TCP or carries
 *   different credentials
 */
export function parseNatsUrls(urls: readonly string[], key: string): NatsServers {
  const faults: ConfigurationFault[] = [];
  const fault = (rule: string): void => {
    faults.push({ key, rule, value: "a secret, not shown" });
  };
  const servers = urls.map((url) => parseNatsUrl(url, fault)).filter((server) => server !== null);
  const first = servers[0];
  if (urls.length === 0) fault("must name a server");
  const isWebSocket = (scheme: string): boolean => scheme === "ws" || scheme === "wss";
  const websockets = servers.filter(({ address }) => isWebSocket(address.scheme)).length;
  if (websockets > 0 && websockets < servers.length) {
    fault("must not mix ws:// or wss:// with other servers, one connection can use only one kind");
  }
  const credentials = servers.map((server) => server.credentials)
    .filter(({ kind }) => kind !== "none");
  if (new Set(credentials.map((each) => JSON.stringify(each))).size > 1) {
    fault("must carry the same credentials in every URL of the list");
  }
  if (first === undefined || faults.length > 0) throw new ConfigurationError(faults);
  return {
    kind: websockets > 0 ? "websocket" : "tcp",
    addresses: servers.map((server) => server.address),
    credentials: credentials[0] ?? { kind: "none" },
  };
}

/** Splits a comma-separated list of URLs. */
export function splitNatsUrls(text: string): readonly string[] {
  return text.split(",").map((url) => url.trim()).filter((url) => url !== "");
}

/** An address as it may be logged and handed to a client: `scheme://host:port`, without credentials. */
export function describeNatsAddress(address: NatsServerAddress): string {
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${address.scheme}://${host}:${address.port}${address.path}`;
}

interface NatsServer {
  readonly address: NatsServerAddress;
  readonly credentials: NatsCredentials;
}

function parseNatsUrl(url: string, fault: (rule: string) => void): NatsServer | null {
  const [, given, rest = ""] = /^(?:([A-Za-z][\w+.-]*):\/\/)?(.*)$/s.exec(url.trim()) ?? [];
  const scheme = (given ?? "nats").toLowerCase();
  if (!isScheme(scheme)) {
    fault("must begin with nats://, tls://, ws:// or wss://");
    return null;
  }
  const [, authority = "", path = ""] = /^([^/?#]*)(.*)$/s.exec(rest) ?? [];
  const at = authority.lastIndexOf("@");
  const [, bracketed, plain, port] =
    /^(?:\[([\da-fA-F:.%]+)\]|([^\s:@[\]{}]+))(?::(\d{1,5}))?$/.exec(authority.slice(at + 1)) ?? [];
  const host = bracketed ?? plain;
  const portNumber = port === undefined ? DEFAULT_PORTS[scheme] : Number(port);
  const credentials = parseUserInfo(at < 0 ? null : authority.slice(0, at));
  const isWebSocket = scheme === "ws" || scheme === "wss";
  if (
    host === undefined || portNumber < 1 || portNumber > 65535 || credentials === null ||
    !(isWebSocket ? /^(?:\/[^?#\s]*)?$/ : /^\/?$/).test(path)
  ) {
    fault(
      "must be written scheme://user:password@host:port, with special characters of the password " +
        "percent-encoded",
    );
    return null;
  }
  const address = { scheme, host, port: portNumber, path: path === "/" ? "" : path };
  return { address, credentials };
}

function isScheme(text: string): text is NatsServerAddress["scheme"] {
  return Object.hasOwn(DEFAULT_PORTS, text);
}

function parseUserInfo(text: string | null): NatsCredentials | null {
  if (text === null || text === "") return { kind: "none" };
  const colon = text.indexOf(":");
  try {
    if (colon < 0) return { kind: "token", token: decodeURIComponent(text) };
    const user = decodeURIComponent(text.slice(0, colon));
    return { kind: "user", user, password: decodeURIComponent(text.slice(colon + 1)) };
  } catch {
    // A stray percent sign; the caller words the fault without the text.
    return null;
  }
}
