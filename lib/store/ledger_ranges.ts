/**
 * A flush's entries as ranges: consecutive messages share a row of the ledger, 240 at most, which holds
 * their stored times. Of a stream whose messages go into one table, or a few, nearly all are. An entry
 * of its own costs PostgreSQL ten times as much, most of it for the index, and ten times the space.
 *
 * A unique index cannot see that a range and an entry, or two ranges, have a message in common: whoever
 * writes where ranges are allowed confirms its entries before it commits (see ledger_confirm.ts).
 */
import type { MessageIdentity } from "../ingest/delivery.ts";
import { isStoredExact, writeInteger, writeStored } from "./binary_entries.ts";
import { inOrder, type LedgerEntries, type SourceEntries } from "./ledger_groups.ts";
import { RANGE_MAX } from "./ledger_range_sql.ts";
import { BINARY_HEADER, BINARY_TRAILER } from "./row_ranges.ts";

/** Fewer consecutive messages are an entry each. */
const STRETCH_MIN = 64;

/** So many in all are worth to wait in turn for the commit; fewer are an entry each. */
const RANGED_MIN = 256;

/** Messages of so many tables in turn have no stretches: their order is not worth to be found. */
const SPREAD_MAX = 8;

/** The statement that takes the data. */
export const RANGE_COPY =
  "COPY state_tables.delivered_range (source, seq, stored_ns) FROM STDIN WITH (FORMAT binary)";

/** Entries of one source, most or all of which are ranges. */
export interface RangedEntries {
  readonly source: number;
  /** In order; of each range its messages, whose sequences are consecutive. */
  readonly ranges: readonly (readonly MessageIdentity[])[];
  /** The others. */
  readonly rest: LedgerEntries;
}

/** The entries with ranges; null when too few are consecutive. */
export function rangedEntries({ bySource, sourceOf }: LedgerEntries): RangedEntries | null {
  const [group, ...others] = bySource;
  if (group === undefined || others.length > 0 || isSpread(group)) return null;
  const { source } = group;
  const identities = inOrder(group.identities);
  const ranges: MessageIdentity[][] = [];
  const rest: MessageIdentity[] = [];
  let ranged = 0;
  for (let from = 0; from < identities.length;) {
    // Ranges must not overlap, and the stream that lost its tail uses sequences again.
    if (identities[from]?.sequence === identities[from - 1]?.sequence) return null;
    const to = stretchEnd(identities, from);
    if (to - from < STRETCH_MIN) {
      rest.push(...identities.slice(from, to));
    } else {
      for (let at = from; at < to; at += RANGE_MAX) {
        ranges.push(identities.slice(at, Math.min(at + RANGE_MAX, to)));
      }
      ranged += to - from;
    }
    from = to;
  }
  if (ranged < RANGED_MIN) return null;
  const restBySource = rest.length === 0 ? [] : [{ source, identities: rest, indexes: null }];
  return { source, ranges, rest: { bySource: restBySource, sourceOf } };
}

/** Too few, or too far from each other, to be worth to look for stretches. */
function isSpread({ identities }: SourceEntries): boolean {
  if (identities.length < RANGED_MIN) return true;
  let first = Infinity;
  let last = 0;
  for (const { sequence } of identities) {
    if (sequence < first) first = sequence;
    if (sequence > last) last = sequence;
  }
  return last - first >= identities.length * SPREAD_MAX;
}

/** Where sequences stop to be consecutive, or stored times cannot be written exactly. */
function stretchEnd(identities: readonly MessageIdentity[], from: number): number {
  let last = identities[from];
  let to = from + 1;
  if (last === undefined || !isStoredExact(last)) return to;
  for (; to < identities.length; to++) {
    const next = identities[to];
    if (next?.sequence !== last.sequence + 1 || !isStoredExact(next)) break;
    last = next;
  }
  return to;
}

/** Number of columns, and the length of each (PostgreSQL documentation, "Binary Format" of COPY). */
const ROW_BYTES = 2 + (4 + 4) + (4 + 8) + 4;
/** Of an array: dimensions, whether there are nulls, type of the elements, their number, lower bound. */
const ARRAY_BYTES = 5 * 4;
const ELEMENT_BYTES = 4 + 8;
/** OID of bigint (pg_type.dat). */
const INT8_OID = 20;

/** The ranges as COPY binary, in the order of the primary key. */
export function rangeCopy({ source, ranges }: RangedEntries): Uint8Array {
  const size = ranges.reduce(
    (sum, { length }) => sum + ROW_BYTES + ARRAY_BYTES + length * ELEMENT_BYTES,
    BINARY_HEADER.length,
  );
  const bytes = new Uint8Array(size + BINARY_TRAILER.length);
  const view = new DataView(bytes.buffer);
  bytes.set(BINARY_HEADER);
  let at = BINARY_HEADER.length;
  const int32 = (value: number): void => {
    view.setInt32(at, value);
    at += 4;
  };
  for (const range of ranges) {
    view.setInt16(at, 3);
    at += 2;
    int32(4);
    int32(source);
    int32(8);
    writeInteger(view, at, range[0]?.sequence ?? 0);
    at += 8;
    int32(ARRAY_BYTES + range.length * ELEMENT_BYTES);
    for (const header of [1, 0, INT8_OID, range.length, 1]) int32(header);
    for (const identity of range) {
      int32(8);
      writeStored(view, at, identity);
      at += 8;
    }
  }
  bytes.set(BINARY_TRAILER, at);
  return bytes;
}
