/**
 * TLS to a NATS server, on Node's sockets, as Deno's STARTTLS takes no client certificate. Every
 * socket keeps an error listener to its end: an error event without one would end the process.
 */
import { Buffer } from "node:buffer";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import {
  type ByteChannel,
  type ChannelHandlers,
  type ChannelTarget,
  readGreeting,
  requireTls,
} from "./byte_channel.ts";

/** Opens the channel. */
export async function openTlsChannel(
  { hostname, port, serverName, tls }: ChannelTarget,
  handlers: ChannelHandlers,
): Promise<ByteChannel> {
  const tcp = connectTcp({ host: hostname, port, noDelay: true });
  handlers.onOpening({ close: () => tcp.destroy() });
  try {
    const greeting = await receiveGreeting(tcp);
    handlers.onData(greeting, null);
    const socket = connectTls({
      socket: tcp,
      // Checked against the certificate; a name to ask for must not be an address.
      host: serverName,
      ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
      rejectUnauthorized: true,
      ...tls,
    });
    handlers.onOpening({ close: () => socket.destroy() });
    await settled(socket, "secureConnect");
    return channelOf(socket, handlers);
  } catch (error) {
    tcp.destroy();
    throw error;
  }
}

function receiveGreeting(socket: Socket): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const chunks: Uint8Array[] = [];
  socket.on("error", reject);
  socket.on("close", () => reject(new Error("the server closed the connection")));
  const onData = (chunk: Uint8Array): void => {
    chunks.push(chunk);
    try {
      const bytes = Buffer.concat(chunks);
      const info = readGreeting(bytes);
      if (info === null) return;
      requireTls(info);
      socket.off("data", onData);
      socket.pause();
      resolve(bytes);
    } catch (error) {
      reject(error);
    }
  };
  socket.on("data", onData);
  return promise;
}

function settled(socket: Socket, event: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once(event, () => resolve());
  socket.on("error", reject);
  socket.on("close", () => reject(new Error("the server closed the connection")));
  return promise;
}

function channelOf(socket: Socket, handlers: ChannelHandlers): ByteChannel {
  let isClosed = false;
  const end = (error: Error | undefined): void => {
    if (isClosed) return;
    isClosed = true;
    socket.destroy();
    handlers.onEnd(error);
  };
  socket.on("data", (chunk: Uint8Array) => handlers.onData(chunk, null));
  socket.on("error", end);
  socket.on("end", () => end(undefined));
  socket.on("close", () => end(undefined));
  return {
    isEncrypted: true,
    send(frame): void {
      if (!isClosed) socket.write(frame);
    },
    close(): Promise<void> {
      isClosed = true;
      socket.destroy();
      return Promise.resolve();
    },
  };
}
