/** What encoding needs of a message. */

/** The part of a message that encoding needs: payload bytes and where the records are. */
export interface EncodableDelivery {
  /** The whole message; `readEnvelope` has found it to be valid JSON in valid UTF-8. */
  readonly payload: Uint8Array;
  /** Byte offset of the list's opening bracket when `isList`, else of the record. */
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
