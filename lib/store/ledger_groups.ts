/** Messages with identities by the source that the ledger knows their streams as. */
import type { MessageIdentity, StreamOrigin } from "../ingest/delivery.ts";
import type { Session } from "./session.ts";
import type { SourceIds } from "./source_ids.ts";

/** Messages of one source. */
export interface SourceEntries {
  readonly source: number;
  readonly identities: readonly MessageIdentity[];
  /** Of each its index in the list that was grouped; null when that is this list. */
  readonly indexes: readonly number[] | null;
}

/** Messages with identities, by source. */
export interface LedgerEntries {
  /** By ascending source, so that all flushes lock in one order. */
  readonly bySource: readonly SourceEntries[];
  readonly sourceOf: ReadonlyMap<StreamOrigin, number>;
}

/** Groups identities by source; null ones (core NATS) have no entry. Outside of a transaction. */
export async function groupBySource(
  session: Session,
  sourceIds: SourceIds,
  identities: readonly (MessageIdentity | null)[],
): Promise<LedgerEntries> {
  const sourceOf = new Map<StreamOrigin, number>();
  for (const origin of originsOf(identities)) {
    sourceOf.set(origin, await sourceIds.resolve(session, origin));
  }
  const sources = [...new Set(sourceOf.values())].sort((a, b) => a - b);
  const isOfSource = (source: number) => (identity: MessageIdentity): boolean =>
    sourceOf.get(identity.origin) === source;
  const [only] = sources;
  if (only !== undefined && sources.length === 1 && identities.every((one) => one !== null)) {
    return { bySource: [{ source: only, identities, indexes: null }], sourceOf };
  }
  const bySource = sources.map((source) => ({ source, ...select(identities, isOfSource(source)) }));
  return { bySource, sourceOf };
}

/** Index of an entry of the group in the list that was grouped. */
export function indexOf({ indexes }: SourceEntries, at: number): number {
  return indexes === null ? at : indexes[at] ?? -1;
}

/** Almost always one. */
function originsOf(identities: readonly (MessageIdentity | null)[]): ReadonlySet<StreamOrigin> {
  const origins = new Set<StreamOrigin>();
  let last: StreamOrigin | null = null;
  for (const identity of identities) {
    if (identity === null || identity.origin === last) continue;
    last = identity.origin;
    origins.add(last);
  }
  return origins;
}

/** Those that are asked for, with their indexes. */
function select(
  list: readonly (MessageIdentity | null)[],
  isWanted: (identity: MessageIdentity, at: number) => boolean,
): { readonly identities: MessageIdentity[]; readonly indexes: number[] } {
  const identities: MessageIdentity[] = [];
  const indexes: number[] = [];
  list.forEach((identity, at) => {
    if (identity === null || !isWanted(identity, at)) return;
    identities.push(identity);
    indexes.push(at);
  });
  return { identities, indexes };
}

/** Entries of the group whose indexes are asked for. */
export function narrowed(
  group: SourceEntries,
  isWanted: (index: number) => boolean,
): SourceEntries {
  const found = select(group.identities, (_, at) => isWanted(indexOf(group, at)));
  return {
    source: group.source,
    identities: found.identities,
    indexes: found.indexes.map((at) => indexOf(group, at)),
  };
}

/** In the order of the primary key, as they mostly are. */
export function inOrder(identities: readonly MessageIdentity[]): readonly MessageIdentity[] {
  const isOrdered = identities.every(({ sequence }, at) =>
    at === 0 || sequence > (identities[at - 1]?.sequence ?? Infinity)
  );
  return isOrdered
    ? identities
    : identities.toSorted((a, b) =>
      a.sequence - b.sequence || a.storedSeconds - b.storedSeconds ||
      a.storedFraction - b.storedFraction
    );
}
