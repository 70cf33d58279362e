/**
 * TCP to a NATS server on Deno's own sockets: cheaper in CPU and memory than Node's.
 */
import {
  type ByteChannel,
  type ChannelHandlers,
  type ChannelTarget,
  joinBytes,
  offersTls,
  readGreeting,
} from "./byte_channel.ts";
import { ReadBufferPool } from "./read_buffer.ts";

/** Many small reads share one buffer of this size, in bytes. */
const READ_BUFFER_BYTES = 64 * 1024;
/** A read gets at least this much room, in bytes. */
const READ_ROOM_BYTES = 8 * 1024;

/** Shared by all channels. */
const buffers = new ReadBufferPool(READ_BUFFER_BYTES);

/** Opens the channel; null when the server wants or offers TLS, which this channel cannot do. */
export async function openTcpChannel(
  { hostname, port }: Omit<ChannelTarget, "tls">,
  handlers: ChannelHandlers,
): Promise<ByteChannel | null> {
  const conn = await Deno.connect({ hostname, port });
  handlers.onOpening({ close: () => closeQuietly(conn) });
  try {
    conn.setNoDelay(true);
    const { bytes, info } = await receiveGreeting(conn);
    if (offersTls(info)) {
      closeQuietly(conn);
      return null;
    }
    handlers.onData(bytes, null);
    return new TcpChannel(conn, handlers);
  } catch (error) {
    closeQuietly(conn);
    throw error;
  }
}

async function receiveGreeting(
  conn: Deno.Conn,
): Promise<{ bytes: Uint8Array; info: NonNullable<ReturnType<typeof readGreeting>> }> {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const chunk = new Uint8Array(READ_ROOM_BYTES);
    const count = await conn.read(chunk);
    if (count === null) throw new Error("the server closed the connection");
    chunks.push(chunk.subarray(0, count));
    const bytes = joinBytes(chunks);
    const info = readGreeting(bytes);
    if (info !== null) return { bytes, info };
  }
}

class TcpChannel implements ByteChannel {
  readonly isEncrypted = false;
  readonly #conn: Deno.Conn;
  readonly #handlers: ChannelHandlers;
  #queue: Uint8Array[] = [];
  #isWriting = false;
  #isClosed = false;

  constructor(conn: Deno.Conn, handlers: ChannelHandlers) {
    this.#conn = conn;
    this.#handlers = handlers;
    this.#read().then(() => this.#end(undefined), (error) => this.#end(error));
  }

  send(frame: Uint8Array): void {
    if (this.#isClosed) return;
    this.#queue.push(frame);
    if (this.#isWriting) return;
    this.#write().catch((error) => this.#end(error));
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#queue = [];
      closeQuietly(this.#conn);
    }
    return Promise.resolve();
  }

  async #read(): Promise<void> {
    let buffer = buffers.take();
    let used = 0;
    while (!this.#isClosed) {
      if (READ_BUFFER_BYTES - used < READ_ROOM_BYTES) {
        buffer.unpin();
        buffer = buffers.take();
        used = 0;
      }
      const count = await this.#conn.read(buffer.bytes.subarray(used));
      if (count === null) return;
      this.#handlers.onData(buffer.bytes.subarray(used, used + count), buffer);
      used += count;
    }
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    while (this.#queue.length > 0) {
      const frames = this.#queue;
      this.#queue = [];
      const joined = joinBytes(frames);
      for (let at = 0; at < joined.length;) at += await this.#conn.write(joined.subarray(at));
      if (frames.length > 1) free(joined);
    }
    // In the same breath as the look at the queue: a frame that came in between would stay in it.
    this.#isWriting = false;
  }

  #end(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.close();
    this.#handlers.onEnd(error);
  }
}

/** Gives the memory back at once, which may be hundreds of KiB: a collection of garbage comes late. */
function free({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

function closeQuietly(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // Closed already.
  }
}
