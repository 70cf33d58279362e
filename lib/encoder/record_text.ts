/** The source text of one record, for rejects. */
import type { EncodableDelivery } from "./encodable_delivery.ts";
import { skipSpace, ValueSkipper } from "./value_skipper.ts";

/** Where the record asked for last begins: a message's records are asked for one after the other. */
interface Bookmark {
  readonly ordinal: number;
  readonly start: number;
}

const bookmarks = new WeakMap<EncodableDelivery, Bookmark>();

/**
 * The JSON bytes of the record at `ordinal`, as they came: a view of the payload.
 *
 * @throws {RangeError} the delivery has no such record
 */
export function recordText(delivery: EncodableDelivery, ordinal: number): Uint8Array {
  const { payload, recordsStart, recordsEnd, isList, recordCount } = delivery;
  if (!(ordinal >= 0 && ordinal < recordCount)) {
    throw new RangeError(`Cannot find record ${ordinal} as the message has ${recordCount}`);
  }
  if (!isList) return payload.subarray(recordsStart, recordsEnd);
  const skipper = new ValueSkipper();
  const bookmark = bookmarks.get(delivery);
  const isAhead = bookmark !== undefined && bookmark.ordinal <= ordinal;
  let start = isAhead ? bookmark.start : skipSpace(payload, recordsStart + 1);
  for (let at = isAhead ? bookmark.ordinal : 0; at < ordinal; at++) {
    const comma = skipSpace(payload, skipper.skip(payload, start));
    start = skipSpace(payload, comma + 1);
  }
  bookmarks.set(delivery, { ordinal, start });
  return payload.subarray(start, skipper.skip(payload, start));
}
