/**
 * SQL about ranges: rows of `state_tables.delivered_range` that stand for consecutive messages each,
 * with the stored time of every one. Ranges of a source never overlap, so that of a message there is
 * one that may have it: the nearest that does not begin behind it. Looked up in the order of the index,
 * one row at a time: whatever PostgreSQL takes the size of the table for, it reads no more than that.
 */

/**
 * Messages of a range at most: with 8 bytes for each its row has less than the 2,032 bytes from which
 * on PostgreSQL compresses values and moves them elsewhere (TOAST_TUPLE_THRESHOLD).
 */
export const RANGE_MAX = 240;

function nearest(value: string, source: string, sequence: string): string {
  return `(SELECT ${value} FROM state_tables.delivered_range r
      WHERE r.source = ${source} AND r.seq <= ${sequence} AND r.seq > ${sequence} - ${RANGE_MAX}
      ORDER BY r.seq DESC LIMIT 1)`;
}

/** The stored time, in nanoseconds, of the message that the ranges have at the sequence, or NULL. */
export function storedInRange(source: string, sequence: string): string {
  return nearest(`r.stored_ns[(${sequence} - r.seq + 1)::int]`, source, sequence);
}

/** Whether a range has a message at the sequence, whatever its stored time; or NULL. */
export function isInRange(source: string, sequence: string): string {
  return nearest(`${sequence} < r.seq + pg_catalog.cardinality(r.stored_ns)`, source, sequence);
}
