/**
 * A byte stream to a NATS server, whatever carries it, and the server's greeting on it.
 */
import type { ServerInfo } from "@nats-io/nats-core";
import type { ReadBuffer } from "./read_buffer.ts";

/** An open byte stream; what comes goes to the handlers it was opened with. */
export interface ByteChannel {
  readonly isEncrypted: boolean;
  /** Sends in the order of the calls; a failure shows as the end of the channel. */
  send(frame: Uint8Array): void;
  /** Closes at once; `onEnd` is not called for it. Resolves when the other side knows, if it must. */
  close(): Promise<void>;
}

/** Who listens to a channel. */
export interface ChannelHandlers {
  /** @param buffer what the chunk stands in, which is pinned during the call; null: in its own */
  onData(chunk: Uint8Array, buffer: ReadBuffer | null): void;
  /** Called once, when the other side or the network ended the channel. */
  onEnd(error: Error | undefined): void;
  /** Told of what has to be closed when the opening is given up. */
  onOpening(resource: { close(): void }): void;
}

/** TLS as the client's options hold it, with texts in PEM. */
export interface ChannelTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Where a channel goes. */
export interface ChannelTarget {
  readonly hostname: string;
  readonly port: number;
  /** Name in the server's certificate. */
  readonly serverName: string;
  readonly tls: ChannelTls;
}

/** A greeting is never longer, in bytes; whoever sends more is no NATS server. */
export const GREETING_BYTES_MAX = 64 * 1024;

const GREETING = /^INFO\s+([^\r\n]+)\r\n/i;

/** The server's greeting, or null while it is not complete. */
export function readGreeting(bytes: Uint8Array): ServerInfo | null {
  const text = new TextDecoder().decode(bytes);
  if (!text.includes("\r\n")) {
    if (bytes.byteLength > GREETING_BYTES_MAX) throw notNats();
    return null;
  }
  const [, json] = GREETING.exec(text) ?? [];
  if (json === undefined) throw notNats();
  return JSON.parse(json);
}

function notNats(): Error {
  return new Error("what answers is no NATS server");
}

/** True when the server wants or offers TLS. */
export function offersTls(info: ServerInfo): boolean {
  return info.tls_required === true || info.tls_available === true;
}

/** Throws when the server cannot do TLS. */
export function requireTls(info: ServerInfo): void {
  if (!offersTls(info)) throw new Error("the server does not support TLS");
}

/** The bytes of all, one behind the other. */
export function joinBytes(chunks: readonly Uint8Array[]): Uint8Array {
  const [only] = chunks;
  if (only !== undefined && chunks.length === 1) return only;
  const joined = new Uint8Array(chunks.reduce((bytes, chunk) => bytes + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.byteLength;
  }
  return joined;
}
