/**
 * Where a consumer begins that has to be created (design §4, Start). Pure decision from what the
 * ledger remembers, what the stream holds and what the operator said.
 */
import { ConfigurationError } from "../errors.ts";
import type { LedgerPosition, StartPosition, StreamState } from "./ports.ts";

/** What the decision rests on. */
export interface StartFacts {
  readonly stream: StreamState;
  readonly ledger: LedgerPosition;
  /** `START_FROM`, or null when it is unset. */
  readonly startFrom: StartPosition | null;
  /** Tables of the catalog's processors exist already: somebody wrote some of the stream before. */
  readonly hasProcessorTables: boolean;
}

/**
 * Decides where to begin.
 *
 * @throws {ConfigurationError} a predecessor wrote some of the stream, nobody can tell how much, and
 *   `START_FROM` does not say
 */
export function chooseStartPosition(facts: StartFacts): StartPosition {
  const { stream, ledger, startFrom } = facts;
  // A work-queue or interest stream holds only what nobody has settled.
  if (stream.retention !== "limits") return { kind: "all" };
  if (ledger.prunedFloor !== null) {
    return { kind: "sequence", sequence: ledger.prunedFloor.sequence + 1 };
  }
  // What lies before was a predecessor's, then as now.
  if (ledger.begins !== null) return ledger.begins;
  if (ledger.isKnown) return { kind: "all" };
  if (startFrom !== null) {
    // A sequence says the same when the consumer has to be created once more.
    return startFrom.kind === "new"
      ? { kind: "sequence", sequence: stream.lastSequence + 1 }
      : startFrom;
  }
  if (stream.messages > 0 && facts.hasProcessorTables) {
    const { firstSequence, lastSequence } = stream;
    throw new ConfigurationError([{
      key: "START_FROM",
      rule:
        `Cannot choose where to begin as the stream '${stream.origin.stream}' holds messages ${firstSequence} to ` +
        `${lastSequence}, tables of its processors exist already, and the ledger knows nothing of the stream: ` +
        `set START_FROM to the first sequence that the predecessor has not written ` +
        `(its consumer's ack floor + 1), to 'new' if it has written everything (that is ` +
        `START_FROM=${lastSequence + 1}), or to 'all' to write the whole stream again`,
    }]);
  }
  return { kind: "all" };
}
