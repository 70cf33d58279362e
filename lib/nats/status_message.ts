/**
 * Bytes of a status message (contract §6), small enough for the server and for people. Pure.
 */
import type { RouteStatus } from "../ingest/ports.ts";

/** A status message is never larger, in bytes. */
const STATUS_BYTES_MAX = 64 * 1024;
/** Room for headers and subject within what the server takes. */
const HEADER_BYTES = 1_024;
/** Characters of `exception` and of `data` as text that stay when a message is too large. */
const EXCEPTION_CHARACTERS = 4_096;
const ELLIPSIS = "…";

const encoder = new TextEncoder();

/**
 * Encodes a status; keys in the order of the contract, `exception` left out when empty. What is too
 * large for `payloadBytesMax` is cut: first `data`, then `exception`.
 */
export function encodeStatus(status: RouteStatus, payloadBytesMax: number): Uint8Array {
  const bytesMax = Math.min(STATUS_BYTES_MAX, payloadBytesMax - HEADER_BYTES);
  const whole = encode(status);
  if (whole.byteLength <= bytesMax) return whole;
  const dataBytes = encoder.encode(JSON.stringify(status.data)).byteLength;
  const data = { truncated: `data of ${dataBytes} bytes was too large for a status message` };
  const withoutData = encode({ ...status, data });
  if (withoutData.byteLength <= bytesMax) return withoutData;
  for (let characters = EXCEPTION_CHARACTERS; characters > 0; characters >>= 1) {
    const exception = cut(status.exception, characters);
    const shortened = encode({ ...status, exception, data });
    if (shortened.byteLength <= bytesMax) return shortened;
  }
  return encode({ ...status, exception: "", data: null });
}

function encode({ routeId, status, exception, data }: RouteStatus): Uint8Array {
  return encoder.encode(JSON.stringify({
    type: "models",
    route_id: routeId,
    status,
    ...(exception === "" ? {} : { exception }),
    data,
  }));
}

/** At most so many characters, never half of a surrogate pair. */
function cut(text: string, characters: number): string {
  if (text.length <= characters) return text;
  const end = /[\uD800-\uDBFF]/.test(text.charAt(characters - 1)) ? characters - 1 : characters;
  return text.slice(0, end) + ELLIPSIS;
}
