/**
 * Where a consumer begins that has to be created (design §4, Start). Pure decision from what the
 * ledger remembers, what the stream holds and what the operator said; what nobody can know is asked
 * for, never guessed.
 */
import { ConfigurationError } from "../errors.ts";
import type {
  LedgerPosition,
  PrunedFloor,
  SharedFloor,
  StartPosition,
  StoredAt,
  StreamState,
} from "./ports.ts";

/** What the decision rests on. */
export interface StartFacts {
  readonly stream: StreamState;
  readonly ledger: LedgerPosition;
  /** `START_FROM`, or null when it is unset. */
  readonly startFrom: StartPosition | null;
  /** Tables of the catalog's processors exist already: somebody wrote some of the stream before. */
  readonly hasProcessorTables: boolean;
  /** We were attached until the consumer went: nobody can have read behind our back for long. */
  readonly wasAttached: boolean;
  /** The stream still has what `ledger.shared` speaks of; see {@linkcode isUnchanged}. */
  readonly isSharedFloorUnchanged: boolean;
  /** The stream still has what `ledger.prunedFloor` speaks of; see {@linkcode isPrunedUnchanged}. */
  readonly isPrunedFloorUnchanged: boolean;
}

/**
 * Decides where to begin.
 *
 * @throws {ConfigurationError} another program wrote some of the stream, nobody can tell how much,
 *   and `START_FROM` does not say
 */
export function chooseStartPosition(facts: StartFacts): StartPosition {
  const { stream, ledger, startFrom, wasAttached } = facts;
  // A work-queue or interest stream holds only what nobody has settled.
  if (stream.retention !== "limits") return { kind: "all" };
  // Another program went on from where we were, and we from where it was.
  if (!wasAttached && isBeyondMemory(startFrom, facts)) return startFrom;
  if (ledger.shared !== null) return behindShared(facts, ledger.shared);
  if (ledger.prunedFloor !== null) return behindPruned(ledger.prunedFloor, facts);
  // What lies before was a predecessor's, then as now.
  if (ledger.begins !== null) return ledger.begins;
  if (ledger.isKnown) return { kind: "all" };
  if (startFrom !== null) return absolute(startFrom, stream);
  if (stream.messages > 0 && facts.hasProcessorTables) {
    const { firstSequence, lastSequence } = stream;
    throw mustSay(
      stream,
      `holds messages ${firstSequence} to ${lastSequence}, tables of its processors exist already, ` +
        `and the ledger knows nothing of the stream`,
    );
  }
  return { kind: "all" };
}

/**
 * True when the message at the floor is the one that was settled, or the stream has dropped it since:
 * a stream that lost its tail uses sequences again.
 */
export async function isUnchanged(
  { sequence, storedAt }: SharedFloor,
  { firstSequence }: StreamState,
  storedAtNow: StoredAt,
): Promise<boolean> {
  if (sequence === 0 || sequence < firstSequence) return true;
  return storedAt !== null && await storedAtNow(sequence) === storedAt;
}

/**
 * True when the message at the pruned floor is not younger than what was pruned there, or the stream
 * has dropped it since. A stream that lost its tail uses sequences again, below the floor as well; a
 * message that cannot be had proves nothing.
 */
export async function isPrunedUnchanged(
  { sequence, storedNs }: PrunedFloor,
  { firstSequence, lastSequence }: StreamState,
  storedAtNow: StoredAt,
): Promise<boolean> {
  if (sequence < firstSequence) return true;
  if (sequence > lastSequence) return false;
  const text = await storedAtNow(sequence).catch(() => null);
  return text !== null && Date.parse(text) <= millisecondsOf(storedNs);
}

/**
 * Behind the floor; by time where its sequence is another message's by now. What of it was written
 * is in the ledger.
 */
function behindPruned(
  { sequence, storedNs }: PrunedFloor,
  { isPrunedFloorUnchanged }: StartFacts,
): StartPosition {
  return isPrunedFloorUnchanged
    ? { kind: "sequence", sequence: sequence + 1 }
    : { kind: "time", time: new Date(millisecondsOf(storedNs)) };
}

function millisecondsOf(nanoseconds: string): number {
  return Number(BigInt(nanoseconds) / 1_000_000n);
}

/** `START_FROM` names a sequence that the stream has reached and the ledger has not. */
function isBeyondMemory(
  startFrom: StartPosition | null,
  { stream, ledger }: StartFacts,
): startFrom is StartPosition {
  if (startFrom?.kind !== "sequence" || ledger.shared !== null) return false;
  const { begins, prunedFloor } = ledger;
  const begun = begins?.kind === "sequence" ? begins.sequence : 1;
  const remembered = Math.max(begun, (prunedFloor?.sequence ?? 0) + 1);
  return startFrom.sequence > remembered && startFrom.sequence <= stream.lastSequence + 1;
}

/** Behind what was settled while both read: all above is ours, in the ledger or still to come. */
function behindShared(facts: StartFacts, shared: SharedFloor): StartPosition {
  const { stream, ledger, startFrom, wasAttached, isSharedFloorUnchanged } = facts;
  if (!wasAttached) {
    if (startFrom !== null) return absolute(startFrom, stream);
    throw mustSay(
      stream,
      `was read together with another program, whose consumer is gone, and nobody can tell what ` +
        `that program wrote behind sequence ${shared.sequence}`,
    );
  }
  if (!isSharedFloorUnchanged) {
    throw mustSay(
      stream,
      `was read together with another program, whose consumer is gone, and its message ` +
        `${shared.sequence} is not the one any more that was settled`,
    );
  }
  const settled = Math.max(shared.sequence, ledger.prunedFloor?.sequence ?? 0);
  return { kind: "sequence", sequence: settled + 1 };
}

/** A sequence says the same when the consumer has to be created once more. */
function absolute(startFrom: StartPosition, { lastSequence }: StreamState): StartPosition {
  return startFrom.kind === "new" ? { kind: "sequence", sequence: lastSequence + 1 } : startFrom;
}

function mustSay({ origin, lastSequence }: StreamState, why: string): ConfigurationError {
  return new ConfigurationError([{
    key: "START_FROM",
    rule: `Cannot choose where to begin as the stream '${origin.stream}' ${why}: ` +
      `set START_FROM to the first sequence that the predecessor has not written ` +
      `(its consumer's ack floor + 1), to 'new' if it has written everything (that is ` +
      `START_FROM=${lastSequence + 1}), or to 'all' to write the whole stream again`,
  }]);
}
