/**
 * The client's transport on our own channels. Its own ones share one global choice between all
 * connections of a process, so that a TCP and a WebSocket connection could not both reconnect, and
 * its TCP sockets are for moments without an error listener: a server that resets the connection
 * then ends the process.
 */
import { setImmediate } from "node:timers";
import type { ConnectionOptions, NatsConnection, Server } from "@nats-io/nats-core";
import { NatsConnectionImpl, setTransportFactory, State } from "@nats-io/nats-core/internal";
import type { Transport } from "@nats-io/nats-core/internal";
import type { Clock } from "../clock.ts";
import type { ByteChannel, ChannelHandlers } from "./byte_channel.ts";
import { MessageTap, type TappedStream } from "./message_tap.ts";
import type { ReadBuffer } from "./read_buffer.ts";
import { openTcpChannel } from "./tcp_channel.ts";
import { openTlsChannel } from "./tls_channel.ts";
import { openWebSocketChannel } from "./websocket_channel.ts";

/** A WebSocket server that does not answer the close is left alone after this, in milliseconds. */
const FAREWELL_TIMEOUT_MS = 1_000;

/** A client on this transport. */
export interface Client {
  readonly connection: NatsConnection;
  readonly tap: MessageTap;
  /**
   * Sends frames of the protocol as they are, behind everything that was published before; drops
   * them when the connection is closed for good. While it reconnects they share the fate of what is
   * published.
   */
  readonly sendFrames: (frames: Uint8Array) => void;
}

/**
 * Taps by the options that a client gives its transports: the factory is shared by all connections,
 * and cannot know whose transport it makes.
 */
const taps = new WeakMap<ConnectionOptions, MessageTap>();

/** Connects with this transport, to TCP and WebSocket servers alike. */
export async function connectClient(options: ConnectionOptions, clock: Clock): Promise<Client> {
  // Without a DNS function: named hosts are what the program may connect to, not their addresses.
  setTransportFactory({ factory: () => new ClientTransport(clock) });
  const connection = await NatsConnectionImpl.connect(options);
  if (!(connection instanceof NatsConnectionImpl)) {
    throw new TypeError("Cannot use the client as it is none of the version that was tested");
  }
  const { protocol } = connection;
  const tap = new MessageTap(() => protocol.parser.state === State.OP_START);
  taps.set(protocol.options, tap);
  return {
    connection,
    tap,
    sendFrames(frames): void {
      if (!connection.isClosed()) protocol.sendCommand(frames);
    },
  };
}

/** What came at once. */
interface Chunk {
  readonly bytes: Uint8Array;
  readonly buffer: ReadBuffer | null;
}

/** `connecting` until `connect` is done, `closed` for good. */
type Mode = "connecting" | "open" | "closed";

class ClientTransport implements Transport {
  readonly lang = "deno";
  readonly version = Deno.version.deno;
  closeError?: Error;
  readonly #clock: Clock;
  readonly #closed = Promise.withResolvers<void | Error>();
  #mode: Mode = "connecting";
  #channel: ByteChannel | null = null;
  #opening: { close(): void } | null = null;
  #chunks: Chunk[] = [];
  /** The client's own; identifies it. */
  #options: ConnectionOptions = {};
  #tapped: TappedStream | null = null;
  #wake = Promise.withResolvers<void>();
  /** The other side knows that the channel is closed. */
  #farewell: Promise<void> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async connect(server: Server, options: ConnectionOptions): Promise<void> {
    this.#options = options;
    const channel = await openChannel(server, options, {
      onData: (bytes, buffer) => {
        buffer?.pin();
        this.#chunks.push({ bytes, buffer });
        this.#wake.resolve();
      },
      onEnd: (error) => this.#close(error),
      onOpening: (resource) => {
        this.#opening = resource;
        if (this.isClosed) resource.close();
      },
    });
    if (this.isClosed) {
      await channel.close();
      throw new Error("the connection was given up");
    }
    this.#channel = channel;
    this.#mode = "open";
  }

  get isClosed(): boolean {
    return this.#mode === "closed";
  }

  isEncrypted(): boolean {
    return this.#channel?.isEncrypted ?? false;
  }

  send(frame: Uint8Array): void {
    this.#channel?.send(frame);
  }

  async close(error?: Error): Promise<void> {
    this.#close(error);
    const timer = new AbortController();
    const late = this.#clock.delay(FAREWELL_TIMEOUT_MS, timer.signal).catch(() => {});
    await Promise.race([this.#farewell, late]);
    timer.abort();
  }

  disconnect(): void {
    this.#close(undefined);
  }

  discard(): void {
    this.#close(undefined);
  }

  closed(): Promise<void | Error> {
    return this.#closed.promise;
  }

  async *[Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    for (;;) {
      if (this.#chunks.length === 0) {
        if (this.#mode === "closed") return;
        this.#wake = Promise.withResolvers();
        await this.#wake.promise;
      }
      const chunks = this.#chunks;
      this.#chunks = [];
      for (const { bytes, buffer } of chunks) {
        this.#tapped ??= taps.get(this.#options)?.openStream() ?? null;
        for (const piece of this.#tapped?.take(bytes, buffer) ?? [bytes]) {
          // The client hands out views, and says nothing of when they are done with.
          yield buffer?.giveAway(piece) ?? piece;
        }
        buffer?.unpin();
      }
    }
  }

  #close(error: Error | undefined): void {
    if (this.#mode === "closed") return;
    const wasOpen = this.#mode === "open";
    this.#mode = "closed";
    if (error !== undefined) this.closeError = error;
    if (this.#channel === null) this.#opening?.close();
    else this.#farewell = this.#channel.close();
    this.#wake.resolve();
    // One that never opened is the dialling loop's to handle; a close would start another loop. Nor may
    // the loop hear of it before it has ended: a server that answers and is gone is read in one go, and
    // the client (nats-core 3.4.0) takes the loop that connected for the one that is to connect anew,
    // and stays without a connection for good.
    if (wasOpen) setImmediate(() => this.#closed.resolve(error));
  }
}

async function openChannel(
  server: Server,
  { tls }: ConnectionOptions,
  handlers: ChannelHandlers,
): Promise<ByteChannel> {
  const { src, hostname, port, tlsName } = server;
  if (/^wss?:/.test(src)) return await openWebSocketChannel(src, handlers);
  const target = { hostname, port, serverName: tlsName || hostname };
  const channel = tls === undefined ? await openTcpChannel(target, handlers) : null;
  // What the options do not say the server does: then the connection is made anew with TLS.
  return channel ?? await openTlsChannel({ ...target, tls: tls ?? {} }, handlers);
}
