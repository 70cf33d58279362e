/** The time of receipt as text, in the form that its column wants (contract §5). */
import type { ColumnCodec } from "../schema/column_codec.ts";

const encoder = new TextEncoder();

/** Length of `2026-11-24T12:00:00`. */
const WHOLE_SECONDS_LENGTH = 19;

/**
 * The moment for a column of this codec; `atMs` is in milliseconds since the Unix epoch. Text
 * columns get whole seconds with `Z`, as the Go service wrote them: a fraction would break the order
 * of the texts.
 */
export function receiptTime(codec: ColumnCodec, atMs: number): Uint8Array {
  const iso = new Date(atMs).toISOString();
  switch (codec.kind) {
    case "timestamptz":
      return encoder.encode(iso);
    case "timestamp":
      // Without a zone: UTC, as everywhere.
      return encoder.encode(iso.slice(0, -1));
    case "json":
      return encoder.encode(`"${iso}"`);
    case "text":
      return encoder.encode(`${iso.slice(0, WHOLE_SECONDS_LENGTH)}Z`);
    default:
      throw new TypeError(
        `Cannot write the time of receipt as the column is of kind ${codec.kind}`,
      );
  }
}
