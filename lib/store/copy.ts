/**
 * COPY … FROM STDIN through the client library, with its traps (postgres.js 3.4.9) closed in this
 * one place. It guarantees that the call settles: with the number of rows once the server is ready
 * again, or with the server's error. It sends one chunk at a time and reads none after settling.
 */
import type { Writable } from "node:stream";

/** Bytes a chunk should have: 64 to 256 KiB cost least CPU. */
export const COPY_CHUNK_BYTES = 128 * 1024;

/**
 * What is used of the library's query. Its types leave `resolve` and `reject` out, but these are the
 * only reliable places: the stream neither fails nor finishes when the server refuses the data after
 * the end was sent, and it emits a false `finish` at the next statement.
 */
export interface CopyQuery {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  writable(): Promise<Writable>;
}

/**
 * Sends the chunks and resolves to the number of rows that the server counted. The connection is
 * ready for the next statement then, whether the COPY succeeded or not.
 */
export function copyIn(query: CopyQuery, chunks: Iterable<Uint8Array>): Promise<number> {
  const outcome = Promise.withResolvers<number>();
  const progress = { isSettled: false };
  const resolveQuery = query.resolve;
  const rejectQuery = query.reject;
  // Called twice: with the stream when the server takes data, with the result when it is ready again.
  query.resolve = (value) => {
    const rows = rowCount(value);
    if (rows !== null) {
      progress.isSettled = true;
      outcome.resolve(rows);
    }
    resolveQuery(value);
  };
  query.reject = (error) => {
    progress.isSettled = true;
    outcome.reject(error);
    rejectQuery(error);
  };
  query.writable().then((stream) => send(stream, chunks, progress)).catch(query.reject);
  return outcome.promise;
}

/** Rows of a result; null for the stream, which has no command tag. */
function rowCount(value: unknown): number | null {
  if (typeof value !== "object" || value === null || !("command" in value)) return null;
  return "count" in value && typeof value.count === "number" ? value.count : 0;
}

async function send(
  stream: Writable,
  chunks: Iterable<Uint8Array>,
  progress: { readonly isSettled: boolean },
): Promise<void> {
  stream.on("error", () => {}); // the query's reject has the same error
  neutraliseDestroy(stream);
  for (const chunk of chunks) {
    const isWritten = await write(stream, chunk);
    if (!isWritten || progress.isSettled) return;
  }
  stream.end();
}

/**
 * After a good COPY the stream destroys itself, and the library answers by sending CopyFail, which
 * fails the next COPY if that has begun. Only an error may be told to the server.
 */
function neutraliseDestroy(stream: Writable): void {
  const destroy = stream._destroy;
  stream._destroy = (error, callback): void => {
    if (error === null || error === undefined) callback(null);
    else destroy.call(stream, error, callback);
  };
}

/** Waits until the socket took the chunk: queued chunks would pin, or outlive, the caller's buffer. */
function write(stream: Writable, chunk: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    stream.write(chunk, (error) => resolve(error === null || error === undefined));
  });
}
