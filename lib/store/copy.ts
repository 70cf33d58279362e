/**
 * COPY … FROM STDIN through the client library, with its traps (postgres.js 3.4.9) closed in this
 * one place. It guarantees that the call settles: with the number of rows once the server is ready
 * again, or with the server's error. It sends one chunk at a time and reads none after settling.
 */
import { Writable } from "node:stream";
import {
  type DataAhead,
  endWithoutWriting,
  neutraliseDestroy,
  sendWithNextWrite,
} from "./copy_ahead.ts";

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
  /** Told of each row that a statement before the COPY answers, with the result that counts it. */
  forEach(onRow: (row: unknown, result: { count: number | null }) => void): unknown;
  writable(): Promise<Writable>;
}

/** What may happen around the data of a COPY that is one of several statements in one query. */
export interface CopySteps<Row = unknown> {
  /** Told of each row that the statements around the COPYs answer, in order. Must not throw. */
  readonly onRow?: (row: Row) => void;
  /** The server waits for data. When this throws, the query is made to fail before any is sent. */
  readonly onReady?: () => Promise<void> | void;
  /**
   * The next thing sent is the end of the data, or all is handed to the socket: the statements behind
   * the COPY will be carried out.
   */
  readonly onEnd?: (() => void) | undefined;
}

/** What the server said when all was done. */
export interface CopyResult {
  /** Rows that it counted. */
  readonly rows: number;
  /** Command tag of the query's last statement. */
  readonly tag: string;
}

/**
 * Sends the data and resolves to what the server counted for the last COPY. The connection is ready
 * for the next statement then, whether the query succeeded or not.
 *
 * @param chunks data of the last COPY
 * @param ahead data of the COPYs before it, sent with the query; only `chunks` wait for steps
 */
export function copyIn(
  query: CopyQuery,
  chunks: Iterable<Uint8Array>,
  steps: CopySteps = {},
  ahead: DataAhead | null = null,
): Promise<CopyResult> {
  const progress = { isSettled: false };
  let copies = 0;
  const onCopy = (stream: Writable): void => {
    copies++;
    if (ahead !== null && copies <= ahead.copies) endWithoutWriting(stream, ahead.socket);
    else send(stream, chunks, { progress, steps }).catch(query.reject);
  };
  const restore = ahead === null ? null : sendWithNextWrite(ahead);
  const result = settled(query, { onRow: steps.onRow, onCopy }).finally(() => {
    progress.isSettled = true;
    restore?.();
  });
  query.writable().catch(query.reject);
  return result;
}

/**
 * Settles from the query alone. Its functions are replaced before it is sent, and call what they
 * replace.
 */
function settled(
  query: CopyQuery,
  { onRow, onCopy }: {
    readonly onRow: CopySteps["onRow"];
    /** The server takes the data of the next COPY. */
    readonly onCopy: (stream: Writable) => void;
  },
): Promise<CopyResult> {
  const outcome = Promise.withResolvers<CopyResult>();
  let lastRow: { count: number | null } | null = null;
  const resolveQuery = query.resolve;
  const rejectQuery = query.reject;
  // Called with a stream whenever the server takes data, with the result when it is ready again.
  query.resolve = (value) => {
    const result = resultOf(value);
    if (result !== null) outcome.resolve(result);
    if (value instanceof Writable) {
      // The count of a SELECT stands where that of the COPY belongs.
      if (lastRow !== null) lastRow.count = null;
      onCopy(value);
    }
    resolveQuery(value);
  };
  query.reject = (error) => {
    outcome.reject(error);
    rejectQuery(error);
  };
  query.forEach((row, result) => {
    lastRow = result;
    onRow?.(row);
  });
  return outcome.promise;
}

/** The last statement's result; null for the stream, which has no command tag. */
function resultOf(value: unknown): CopyResult | null {
  if (typeof value !== "object" || value === null) return null;
  // Several results come as a plain array, one as an array with a command.
  if (!("command" in value)) return Array.isArray(value) ? resultOf(value.at(-1)) : null;
  return {
    rows: "count" in value && typeof value.count === "number" ? value.count : 0,
    tag: typeof value.command === "string" ? value.command : "",
  };
}

async function send(
  stream: Writable,
  chunks: Iterable<Uint8Array>,
  { progress, steps }: {
    readonly progress: { readonly isSettled: boolean };
    readonly steps: CopySteps;
  },
): Promise<void> {
  stream.on("error", () => {}); // the query's reject has the same error
  neutraliseDestroy(stream);
  try {
    await steps.onReady?.();
  } catch {
    // Whoever threw it knows why; the server answers 57014, and quotes this in its log.
    stream.destroy(new Error("called off by the client"));
    return;
  }
  if (progress.isSettled) return;
  for (const chunk of chunks) {
    const isWritten = await write(stream, chunk);
    if (!isWritten || progress.isSettled) return;
  }
  steps.onEnd?.();
  stream.end();
}

/** Waits until the socket took the chunk: queued chunks would pin, or outlive, the caller's buffer. */
function write(stream: Writable, chunk: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    stream.write(chunk, (error) => resolve(error === null || error === undefined));
  });
}
