/**
 * Several small COPYs in one simple query: the server works through them without a round trip for
 * each, as their data is sent all at once behind the first. Others before them may have data that
 * goes with the query. The library has a stream for one COPY only, so the data goes to the socket as
 * protocol messages; the last COPY ends by the library's stream, which then knows that it is over.
 * Like `copyIn`, it settles from the query alone.
 */
import { Writable } from "node:stream";
import { type CopyQuery, tagOf } from "./copy.ts";
import {
  type DataAhead,
  endWithoutWriting,
  neutraliseDestroy,
  sendWithNextWrite,
} from "./copy_ahead.ts";
import { copyMessages } from "./copy_messages.ts";

/** The library keeps one result until the next statement that answers rows. */
type CountedResult = Parameters<Parameters<CopyQuery["forEach"]>[0]>[1];

/** The data of the COPYs of one query, and what has to hold before any of it is sent. */
export interface SeveralCopies {
  /** In the order of the statements; at least one. All of it is copied once. */
  readonly copies: readonly Iterable<Uint8Array>[];
  /** Data of the COPYs before them, sent with the query; see `Session.copyAmong`. */
  readonly ahead?: readonly Iterable<Uint8Array>[];
  /**
   * Is given the rows that the statements before the first of `copies` answered, at least one; what it
   * throws ends the query before any of that data is sent.
   */
  readonly check: (rows: readonly unknown[]) => void;
  /** All data is handed to the socket: the statements behind it may be carried out. */
  readonly onSent?: () => void;
}

/** What the server said when all was done. */
export interface SeveralResult {
  /** Rows that it counted, for each of the copies. */
  readonly rows: readonly number[];
  /** Command tag of the query's last statement. */
  readonly tag: string;
}

/** What became of the COPYs. */
export type SeveralOutcome =
  | { readonly kind: "copied" } & SeveralResult
  /** The check threw; nothing was written. */
  | { readonly kind: "called-off"; readonly reason: unknown };

/**
 * Sends the data and resolves to the rows that the server counted, for each COPY. The connection is
 * ready for the next statement then, whether the query succeeded or not.
 *
 * @param ahead what the first COPYs take
 */
export function copySeveral(
  query: CopyQuery,
  socket: Writable,
  { copies, check, onSent }: Omit<SeveralCopies, "ahead">,
  ahead: DataAhead | null = null,
): Promise<SeveralOutcome> {
  const outcome = Promise.withResolvers<SeveralOutcome>();
  const rows: unknown[] = [];
  const counts: number[] = [];
  let result: CountedResult = { count: null };
  let aheadLeft = ahead?.copies ?? 0;
  let begun = 0;
  let calledOff: SeveralOutcome | null = null;
  const { resolve: resolveQuery, reject: rejectQuery } = query;
  const onReady = (stream: Writable): void => {
    if (aheadLeft > 0) {
      aheadLeft--;
      return endWithoutWriting(stream, socket);
    }
    stream.on("error", () => {}); // the query's reject has the same error
    neutraliseDestroy(stream);
    if (begun > 0) counts.push(result.count ?? 0);
    result.count = null; // the library sets a count only where none is
    begun++;
    if (begun === 1) {
      try {
        check(rows);
      } catch (error) {
        calledOff = { kind: "called-off", reason: error };
        stream.destroy(new Error("called off by the client")); // the server's log quotes it
        return;
      }
      socket.write(copyMessages(copies, { endsLast: false }));
    }
    if (begun < copies.length) return;
    onSent?.();
    stream.end();
  };
  query.resolve = (value) => {
    if (value instanceof Writable) {
      onReady(value);
    } else {
      counts.push(result.count ?? 0);
      outcome.resolve({ kind: "copied", rows: counts, tag: tagOf(value) });
    }
    resolveQuery(value);
  };
  query.reject = (error) => {
    if (calledOff === null) outcome.reject(error);
    else outcome.resolve(calledOff); // the server only says that we ended it
    rejectQuery(error);
  };
  query.forEach((row, of) => {
    result = of;
    rows.push(row);
  });
  const restore = ahead === null ? () => {} : sendWithNextWrite(ahead, () => {});
  query.writable().catch(query.reject);
  return outcome.promise.finally(restore);
}
