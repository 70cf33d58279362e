/**
 * WebSocket to a NATS server: `ws://` and `wss://`.
 */
import type { ByteChannel, ChannelHandlers } from "./byte_channel.ts";

/** Opens the channel; its first bytes are the server's greeting. */
export async function openWebSocketChannel(
  url: string,
  handlers: ChannelHandlers,
): Promise<ByteChannel> {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  handlers.onOpening({ close: () => socket.close() });
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  let isClosed = false;
  let failure: Error | undefined;
  socket.onopen = () => opened.resolve();
  socket.onerror = (event) => {
    failure = new Error(event instanceof ErrorEvent ? event.message : "the WebSocket failed");
    opened.reject(failure);
  };
  socket.onmessage = ({ data }) => {
    if (!isClosed && data instanceof ArrayBuffer) handlers.onData(new Uint8Array(data), null);
  };
  socket.onclose = () => {
    closed.resolve();
    opened.reject(failure ?? new Error("the server closed the connection"));
    if (isClosed) return;
    isClosed = true;
    handlers.onEnd(failure);
  };
  await opened.promise;
  return {
    isEncrypted: url.startsWith("wss:"),
    send(frame): void {
      if (!isClosed) socket.send(new Uint8Array(frame));
    },
    close(): Promise<void> {
      isClosed = true;
      socket.close();
      return closed.promise;
    },
  };
}
