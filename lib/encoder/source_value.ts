/** A value as it stands in a payload. */

/** A value in the payload; used again for one after the other. */
export interface SourceValue {
  payload: Uint8Array;
  /** Never that of null, except inside of arrays. */
  token: number;
  start: number;
  end: number;
}
