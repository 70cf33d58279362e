/**
 * A flush's entries as spans: messages whose sequences are near each other share a row of the ledger,
 * 224 at most, which holds a bit for each and their stored times. An entry of its own costs PostgreSQL
 * ten times as much, most of it for the index, and up to ten times the space.
 *
 * A unique index cannot see that a span and an entry, or two spans, have a message in common: whoever
 * writes where spans are allowed confirms its entries before it commits (see ledger_confirm.ts).
 */
import type { MessageIdentity } from "../ingest/delivery.ts";
import { isStoredExact, writeInteger, writeStored } from "./binary_entries.ts";
import type { LedgerEntries } from "./ledger_groups.ts";
import { BLOCK_SEQUENCES } from "./ledger_span_sql.ts";
import { BINARY_HEADER, BINARY_TRAILER } from "./row_ranges.ts";

/**
 * Messages of a span at most: with 8 bytes for each, and its mask, its row has less than the 2,032
 * bytes from which on PostgreSQL compresses values and moves them elsewhere (TOAST_TUPLE_THRESHOLD).
 */
export const SPAN_MAX = 224;

/** Fewer messages for each span, in the mean, are better off with entries. */
const SPAN_MEAN_MIN = 16;

/** So many in all are worth to wait in turn for the commit; fewer are an entry each. */
const SPANNED_MIN = 128;

/** The statement that takes the data. */
export const SPAN_COPY =
  "COPY state_tables.delivered_span (source, seq, mask, stored_ns) FROM STDIN WITH (FORMAT binary)";

/** Messages of a flush that are of one block. */
export interface Block {
  /** Its first sequence. */
  readonly start: number;
  /** In order, each sequence once; 1,024 at most. */
  readonly identities: readonly MessageIdentity[];
}

/** Entries of one source, all of which are spans. */
export interface SpannedEntries {
  readonly source: number;
  /** In order. */
  readonly blocks: readonly Block[];
  /** Rows of the ledger that they make. */
  readonly spans: number;
}

/** The entries as spans; null when they are few, or far from each other. */
export function spannedEntries({ bySource }: LedgerEntries): SpannedEntries | null {
  const [group, ...others] = bySource;
  if (group === undefined || others.length > 0) return null;
  const { source, identities } = group;
  if (identities.length < SPANNED_MIN || !identities.every(isStoredExact)) return null;
  const blocks = blocksOf(identities, identities.length / SPAN_MEAN_MIN);
  if (blocks === null) return null;
  const spans = blocks.reduce(
    (sum, block) => sum + Math.ceil(block.identities.length / SPAN_MAX),
    0,
  );
  return spans * SPAN_MEAN_MIN > identities.length ? null : { source, blocks, spans };
}

/**
 * By block, in order; null when there are more blocks than `most`, or a sequence is there twice: spans
 * have each once, and a stream that lost its tail uses sequences again.
 */
function blocksOf(identities: readonly MessageIdentity[], most: number): readonly Block[] | null {
  const byNumber = new Map<number, MessageIdentity[]>();
  let number = -1;
  let block: MessageIdentity[] = [];
  for (const identity of identities) {
    const next = Math.floor(identity.sequence / BLOCK_SEQUENCES);
    if (next !== number) {
      number = next;
      block = byNumber.get(number) ?? [];
      if (block.length === 0) byNumber.set(number, block);
      if (byNumber.size > most) return null;
    }
    block.push(identity);
  }
  const blocks: Block[] = [];
  for (const [number, unordered] of [...byNumber].sort(([a], [b]) => a - b)) {
    const ordered = ascending(unordered);
    if (ordered === null) return null;
    blocks.push({ start: number * BLOCK_SEQUENCES, identities: ordered });
  }
  return blocks;
}

/** By sequence; null when one is there twice. */
function ascending(identities: MessageIdentity[]): readonly MessageIdentity[] | null {
  if (isAscending(identities)) return identities;
  identities.sort((a, b) => a.sequence - b.sequence);
  return isAscending(identities) ? identities : null;
}

function isAscending(identities: readonly MessageIdentity[]): boolean {
  return identities.every(({ sequence }, at) =>
    at === 0 || sequence > (identities[at - 1]?.sequence ?? Infinity)
  );
}

const MASK_BYTES = BLOCK_SEQUENCES / 8;

/** Number of columns, and length and value of each (PostgreSQL documentation, "Binary Format" of COPY). */
const ROW_BYTES = 2 + (4 + 4) + (4 + 8) + (4 + 4 + MASK_BYTES) + 4;
/** Of an array: dimensions, whether there are nulls, type of the elements, their number, lower bound. */
const ARRAY_BYTES = 5 * 4;
const ELEMENT_BYTES = 4 + 8;
/** OID of bigint (pg_type.dat). */
const INT8_OID = 20;

/** The spans as COPY binary, in the order of the primary key. */
export function spanCopy({ source, blocks, spans }: SpannedEntries): Uint8Array {
  const messages = blocks.reduce((sum, { identities }) => sum + identities.length, 0);
  const end = BINARY_HEADER.length + spans * (ROW_BYTES + ARRAY_BYTES) + messages * ELEMENT_BYTES;
  const bytes = new Uint8Array(end + BINARY_TRAILER.length);
  const view = new DataView(bytes.buffer);
  bytes.set(BINARY_HEADER);
  let at = BINARY_HEADER.length;
  const int32 = (value: number): void => {
    view.setInt32(at, value);
    at += 4;
  };
  for (const { start, identities } of blocks) {
    for (let from = 0; from < identities.length; from += SPAN_MAX) {
      const span = identities.slice(from, from + SPAN_MAX);
      view.setInt16(at, 4);
      at += 2;
      int32(4);
      int32(source);
      int32(8);
      writeInteger(view, at, span[0]?.sequence ?? 0);
      at += 8;
      int32(4 + MASK_BYTES);
      int32(BLOCK_SEQUENCES);
      setBits(bytes.subarray(at, at + MASK_BYTES), start, span);
      at += MASK_BYTES;
      int32(ARRAY_BYTES + span.length * ELEMENT_BYTES);
      for (const header of [1, 0, INT8_OID, span.length, 1]) int32(header);
      for (const identity of span) {
        int32(8);
        writeStored(view, at, identity);
        at += 8;
      }
    }
  }
  bytes.set(BINARY_TRAILER, at);
  return bytes;
}

/** The mask of the block's messages, as PostgreSQL reads a bit string: `x` and hexadecimal digits. */
export function maskText({ start, identities }: Block): string {
  const mask = new Uint8Array(MASK_BYTES);
  setBits(mask, start, identities);
  return `x${mask.toHex()}`;
}

/** Bit 0 is the first one's highest (PostgreSQL's `bit_recv`). */
function setBits(mask: Uint8Array, start: number, identities: readonly MessageIdentity[]): void {
  for (const { sequence } of identities) {
    const place = sequence - start;
    mask[place >> 3] = (mask[place >> 3] ?? 0) | 0x80 >> (place & 7);
  }
}
