/**
 * A TCP proxy on the loopback address that hurts what passes through it: resets, half-open
 * connections, delay, a slow link, and refused connections. A filter per connection may look into the
 * bytes, drop some, or cut at an exact place (`postgres_filter.ts`, `nats_filter.ts`). It owns its
 * sockets and nothing else: faults begin and end when the caller says so.
 */
import net from "node:net";

/** What a filter decides about bytes that came in. */
export interface Verdict {
  /** Passed on, in order; nothing is passed on when empty. */
  readonly forward: readonly Uint8Array[];
  /** Reset both sides after that. */
  readonly cut: boolean;
}

/** Looks into one connection; called in the order in which bytes come. */
export interface LinkFilter {
  fromClient(chunk: Uint8Array): Verdict;
  fromServer(chunk: Uint8Array): Verdict;
}

/** What the proxy stands before. */
export interface FaultProxyOptions {
  readonly targetPort: number;
  /** Makes the filter of a connection; everything passes when absent. */
  readonly filter?: () => LinkFilter;
}

const HOST = "127.0.0.1";

interface Link {
  readonly client: net.Socket;
  readonly server: net.Socket;
  /** Bytes of this connection vanish for good: some are missing already. */
  isSwallowed: boolean;
}

/** The proxy; dispose it to end its connections. */
export class FaultProxy implements AsyncDisposable {
  /** Waits this long before each chunk is passed on, in milliseconds. */
  delayMs = 0;
  /** Bytes a second in each direction of each connection. */
  bytesPerSecond = Infinity;
  /** Resets new connections at once. */
  refuses = false;
  /** Connections accepted since the start, those refused left out. */
  accepted = 0;
  /** Connections reset at once, as it refused them. */
  refused = 0;
  /** Bytes that were passed on later than they came, for its delay or its rate. */
  slowedBytes = 0;
  /** Connections reset by the proxy. */
  resets = 0;
  /** Bytes that vanished. */
  swallowedBytes = 0;
  /** Where new connections go. */
  targetPort: number;
  readonly #options: FaultProxyOptions;
  readonly #listener: net.Server;
  readonly #links = new Set<Link>();
  #isBlackHole = false;

  private constructor(options: FaultProxyOptions) {
    this.#options = options;
    this.targetPort = options.targetPort;
    this.#listener = net.createServer((client) => this.#accept(client));
  }

  /** Listens on a free port. */
  static async open(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    proxy.#listener.once("error", reject);
    proxy.#listener.listen(0, HOST, resolve);
    await promise;
    return proxy;
  }

  get port(): number {
    const address = this.#listener.address();
    if (address === null || typeof address === "string") throw new TypeError("Cannot find a port");
    return address.port;
  }

  /** Connections open now. */
  get connections(): number {
    return this.#links.size;
  }

  /**
   * On: everything vanishes, of open and of new connections, and no side hears of an end. Off: new
   * connections pass; those that lost bytes stay half-open.
   */
  setBlackHole(isOn: boolean): void {
    this.#isBlackHole = isOn;
    if (!isOn) return;
    for (const link of this.#links) link.isSwallowed = true;
  }

  /** Resets every open connection; returns how many there were. */
  resetAll(): number {
    const links = [...this.#links];
    for (const link of links) this.#cut(link);
    return links.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    this.resetAll();
    await closed;
  }

  #accept(client: net.Socket): void {
    client.on("error", () => {}); // the end that follows is what counts
    if (this.refuses) {
      this.refused++;
      client.resetAndDestroy();
      return;
    }
    this.accepted++;
    const server = net.connect({ host: HOST, port: this.targetPort, noDelay: true });
    client.setNoDelay(true);
    server.on("error", () => {});
    const link: Link = { client, server, isSwallowed: this.#isBlackHole };
    this.#links.add(link);
    const filter = this.#options.filter?.();
    this.#pump(link, client, server, (chunk) => filter?.fromClient(chunk));
    this.#pump(link, server, client, (chunk) => filter?.fromServer(chunk));
  }

  /** Carries one direction until its end; the end of one side is the end of the other. */
  async #pump(
    link: Link,
    from: net.Socket,
    to: net.Socket,
    judge: (chunk: Uint8Array) => Verdict | undefined,
  ): Promise<void> {
    try {
      for await (const data of from) {
        const chunk: Uint8Array = data;
        await this.#hinder(chunk.length);
        if (link.isSwallowed) {
          this.swallowedBytes += chunk.length;
          continue;
        }
        const verdict = judge(chunk) ?? { forward: [chunk], cut: false };
        for (const part of verdict.forward) await write(to, part);
        if (verdict.cut) return this.#cut(link);
      }
    } catch {
      // Reset by one side: the other side hears the same.
      if (!link.isSwallowed) return this.#cut(link);
    }
    if (link.isSwallowed) return;
    this.#links.delete(link);
    to.end();
  }

  async #hinder(bytes: number): Promise<void> {
    const waitMs = this.delayMs + bytes / this.bytesPerSecond * 1000;
    if (waitMs === 0) return;
    this.slowedBytes += bytes;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }

  #cut(link: Link): void {
    if (!this.#links.delete(link)) return;
    this.resets++;
    link.client.resetAndDestroy();
    link.server.resetAndDestroy();
  }
}

/** Waits until the socket took the bytes, so that a slow reader slows the other side down. */
function write(socket: net.Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => error ? reject(error) : resolve());
  });
}
