/**
 * Several small COPYs in one simple query: the server works through them without a round trip for
 * each, as their data is sent all at once behind the first. The library has a stream for one COPY
 * only, so the data goes to the socket as protocol messages; the last COPY ends by the library's
 * stream, which then knows that it is over. Like `copyIn`, it settles from the query alone.
 */
import { Writable } from "node:stream";
import type { CopyQuery } from "./copy.ts";
import { neutraliseDestroy } from "./copy_ahead.ts";
import { copyMessages } from "./copy_messages.ts";

/** The library keeps one result until the next statement that answers rows. */
type CountedResult = Parameters<Parameters<CopyQuery["forEach"]>[0]>[1];

/** The data of the COPYs of one query, and what has to hold before any of it is sent. */
export interface SeveralCopies {
  /** In the order of the statements; at least one. All of it is copied once. */
  readonly copies: readonly Iterable<Uint8Array>[];
  /**
   * Is given the rows that the statements before the first COPY answered, at least one; what it
   * throws ends the query before any data is sent.
   */
  readonly check: (rows: readonly unknown[]) => void;
}

/** What became of the COPYs. */
export type SeveralOutcome =
  | { readonly kind: "copied"; readonly rows: readonly number[] }
  /** The check threw; nothing was written. */
  | { readonly kind: "called-off"; readonly reason: unknown };

/**
 * Sends the data and resolves to the rows that the server counted, for each COPY. The connection is
 * ready for the next statement then, whether the query succeeded or not.
 */
export function copySeveral(
  query: CopyQuery,
  socket: Writable,
  { copies, check }: SeveralCopies,
): Promise<SeveralOutcome> {
  const outcome = Promise.withResolvers<SeveralOutcome>();
  const rows: unknown[] = [];
  const counts: number[] = [];
  let result: CountedResult = { count: null };
  let begun = 0;
  let calledOff: SeveralOutcome | null = null;
  const { resolve: resolveQuery, reject: rejectQuery } = query;
  const onReady = (stream: Writable): void => {
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
    if (begun === copies.length) stream.end();
  };
  query.resolve = (value) => {
    if (value instanceof Writable) {
      onReady(value);
    } else {
      counts.push(result.count ?? 0);
      outcome.resolve({ kind: "copied", rows: counts });
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
  query.writable().catch(query.reject);
  return outcome.promise;
}
