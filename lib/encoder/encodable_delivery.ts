/** What encoding needs of a message. */

/**
 * Where a payload stands. The bytes may be a whole read buffer, with those of other messages, and never
 * change: whoever has copied them once knows them by the object.
 */
export interface PayloadPlace {
  readonly bytes: Uint8Array;
  /** Offsets in the bytes. */
  readonly payloadStart: number;
  readonly payloadEnd: number;
}

/** The part of a message that encoding needs: payload bytes and where the records are. */
export interface EncodableDelivery extends PayloadPlace {
  /**
   * The whole message; `readEnvelope` has found it to be valid JSON in valid UTF-8. It may be a view
   * that is made with each look.
   */
  readonly payload: Uint8Array;
  /** Byte offset in the payload of the list's opening bracket when `isList`, else of the record. */
  readonly recordsStart: number;
  /** Byte offset just behind the records' value. */
  readonly recordsEnd: number;
  /** `query_state` was a list; otherwise it is one object standing for a list of one. */
  readonly isList: boolean;
  /** Records in it, objects or not. */
  readonly recordCount: number;
  /** Time of receipt, milliseconds since the Unix epoch: the value of `_timestamp`. */
  readonly receivedAtMs: number;
}

/** A payload that stands alone. */
export function wholePayload(
  payload: Uint8Array,
): PayloadPlace & Pick<EncodableDelivery, "payload"> {
  return { payload, bytes: payload, payloadStart: 0, payloadEnd: payload.length };
}
