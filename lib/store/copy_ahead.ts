/**
 * COPY data that goes out together with its query, before the server asked for it: a round trip less.
 * When a statement before the COPY fails, the server drops the data that comes behind (PostgreSQL
 * documentation, "COPY Operations" of the protocol), and carries out nothing of the query. So
 * whatever has to hold must be made to fail by the statements themselves. What the client library's
 * stream would write at the wrong time is kept back here.
 */
import { Buffer } from "node:buffer";
import type { Writable } from "node:stream";

/**
 * The library (postgres.js 3.4.9) sends messages of this many bytes at once; shorter ones wait for
 * others until the event loop comes round.
 */
const AT_ONCE_BYTES = 1_024;

/** Data up to this many bytes is joined to the query: one write costs less than a copy of it. */
const JOINED_BYTES_MAX = 64 * 1_024;

/** A query's text, made long enough to be sent at once. */
export function textAtOnce(text: string): string {
  return text.padEnd(AT_ONCE_BYTES);
}

/** Data that goes with a query. */
export interface DataAhead {
  /** The library's, connected, to which it has nothing else to write. */
  readonly socket: Writable;
  /** Protocol messages, to the end of the data of each COPY. */
  readonly messages: Uint8Array;
  /** COPYs that they are for: the first of the query. */
  readonly copies: number;
}

/** Has the next write to the socket, the query's, take the data along; returns what gives that up. */
export function sendWithNextWrite({ socket, messages }: DataAhead): () => void {
  const restore = replaceWrite(socket, (write, chunk, ...others) => {
    restore();
    if (messages.length <= JOINED_BYTES_MAX) {
      return write(Buffer.concat([chunk, messages]), ...others);
    }
    write(chunk);
    return write(messages, ...others);
  });
  return restore;
}

/** The data has its end already: the library only has to know. */
export function endWithoutWriting(stream: Writable, socket: Writable): void {
  stream.on("error", () => {}); // the query's reject has the same error
  stream._destroy = (_error, callback): void => callback(null); // would write a CopyFail
  const restore = replaceWrite(socket, () => true);
  stream._final(() => {}); // writes a CopyDone, and forgets the stream
  restore();
}

/**
 * After a good COPY the stream destroys itself, and the library answers by sending CopyFail, which
 * fails the next COPY if that has begun. Only an error may be told to the server.
 */
export function neutraliseDestroy(stream: Writable): void {
  const destroy = stream._destroy;
  stream._destroy = (error, callback): void => {
    if (error === null || error === undefined) callback(null);
    else destroy.call(stream, error, callback);
  };
}

type Write = (chunk: Uint8Array, ...others: unknown[]) => boolean;

/** Has the socket write in another way; returns what puts things right again. */
function replaceWrite(
  socket: Writable,
  replacement: (write: Write, ...args: Parameters<Write>) => boolean,
): () => void {
  const usual = socket.write;
  const write = usual.bind(socket) as Write;
  socket.write = (...args: unknown[]): boolean => replacement(write, ...args as Parameters<Write>);
  return () => socket.write = usual;
}
