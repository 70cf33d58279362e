/**
 * SQL about spans: rows of `state_tables.delivered_span` that stand for several messages each. All of a
 * row's messages are of one block of 1,024 sequences, those from a multiple of 1,024 on. Of a row,
 * `seq` is the first of them, `mask` has a bit for each sequence of the block, from the left, and
 * `stored_ns` has the stored times of those whose bit is set, in their order. Spans of a source never
 * have a sequence in common.
 */

/** Sequences of a block: the bits of a mask. */
export const BLOCK_SEQUENCES = 1_024;

/** The block's first sequence, of a sequence of it. */
export function blockStart(sequence: string): string {
  return `(${sequence} & -${BLOCK_SEQUENCES})`;
}

/** Where the sequence is in its block, as int. */
function placeOf(sequence: string): string {
  return `(${sequence} & ${BLOCK_SEQUENCES - 1})::int`;
}

/** The spans `p` of the block that begins with the sequence. */
export function isOfBlock(source: string, start: string): string {
  return `p.source = ${source} AND p.seq >= ${start} AND p.seq < ${start} + ${BLOCK_SEQUENCES}`;
}

/** Whether the mask has the sequence, which is of its block. */
export function hasSequence(mask: string, sequence: string): string {
  return `pg_catalog.get_bit(${mask}, ${placeOf(sequence)}) = 1`;
}

/**
 * Whether a span has the sequence, whatever its stored time. No EXISTS: PostgreSQL would make a join of
 * it, and compare every sequence that is looked for with every span.
 */
export function isInSpan(source: string, sequence: string, condition = ""): string {
  return `((SELECT true FROM state_tables.delivered_span p
      WHERE ${isOfBlock(source, blockStart(sequence))} AND ${hasSequence("p.mask", sequence)}
      ${condition} LIMIT 1) IS TRUE)`;
}

/** Whether a span has the message of that sequence and stored time, in nanoseconds. */
export function isMessageInSpan(source: string, sequence: string, stored: string): string {
  const place = `pg_catalog.bit_count(pg_catalog.substring(p.mask, 1, ${placeOf(sequence)} + 1))`;
  return isInSpan(source, sequence, `AND p.stored_ns[${place}] = ${stored}`);
}

/** A relation of sequence and stored time: the messages of the span `p`. */
export const MESSAGES_OF_SPAN = `(SELECT ${blockStart("p.seq")} + b.place AS seq,
      p.stored_ns[pg_catalog.row_number() OVER (ORDER BY b.place)] AS stored_ns
    FROM pg_catalog.generate_series(0, ${BLOCK_SEQUENCES - 1}) b(place)
    WHERE pg_catalog.get_bit(p.mask, b.place) = 1)`;
