/**
 * A COPY whose data goes out together with its query, in one write, before the server asked for it:
 * one round trip instead of two. When a statement before the COPY fails, the server drops the data
 * that comes behind (PostgreSQL documentation, "COPY Operations" of the protocol), and carries out
 * nothing of the query. So whatever has to hold must be made to fail by the statements themselves.
 */
import { Buffer } from "node:buffer";
import type { Writable } from "node:stream";
import { type CopyQuery, type CopyResult, settled } from "./copy.ts";

/**
 * The library (postgres.js 3.4.9) sends messages of this many bytes at once; shorter ones wait for
 * others until the event loop comes round.
 */
const AT_ONCE_BYTES = 1_024;

/** A query's text, made long enough to be sent at once. */
export function textAtOnce(text: string): string {
  return text.padEnd(AT_ONCE_BYTES);
}

/** What goes with the query. */
export interface DataAhead {
  /** Protocol messages, to the end of the data. */
  readonly messages: Uint8Array;
  /** Told of each row that the statements before the COPY answer, in order. Must not throw. */
  readonly onRow?: ((row: unknown) => void) | undefined;
  /** Query and data are handed to the socket: the server may carry all of it out. */
  readonly onSent?: (() => void) | undefined;
}

/**
 * Sends both and resolves to what the server counted. The connection is ready for the next statement
 * then, whether the query succeeded or not.
 *
 * @param socket the library's, connected, to which it has nothing else to write
 */
export function copyAhead(
  query: CopyQuery,
  socket: Writable,
  { messages, onRow, onSent }: DataAhead,
): Promise<CopyResult> {
  const restore = replaceWrite(socket, (write, chunk, ...others) => {
    restore();
    const isDrained = write(Buffer.concat([chunk, messages]), ...others);
    onSent?.();
    return isDrained;
  });
  const result = settled(query, onRow).finally(restore);
  query.writable().then((stream) => endWithoutWriting(stream, socket)).catch(query.reject);
  return result;
}

/** The data has its end already: the library only has to know. */
function endWithoutWriting(stream: Writable, socket: Writable): void {
  stream.on("error", () => {}); // the query's reject has the same error
  stream._destroy = (_error, callback): void => callback(null); // would write a CopyFail
  const restore = replaceWrite(socket, () => true);
  stream._final(() => {}); // writes a CopyDone, and forgets the stream
  restore();
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
