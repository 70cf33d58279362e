/**
 * COPY data as protocol messages, for where the client library's stream is not used: CopyData is a
 * type, a length that counts itself, and bytes; CopyDone has no bytes (PostgreSQL documentation,
 * "Message Formats").
 */

/** Length of a message's type and length fields. */
const HEADER_BYTES = 5;

/**
 * CopyData of each COPY's chunks, and CopyDone between two of them, copied into one array.
 *
 * @param copies in the order of the statements
 * @param endsLast there is a CopyDone behind the last one too
 */
export function copyMessages(
  copies: readonly Iterable<Uint8Array>[],
  { endsLast }: { readonly endsLast: boolean },
): Uint8Array {
  const pieces = copies.map((chunks) => [...chunks].filter(({ length }) => length > 0));
  const dataBytes = pieces.flat().reduce((sum, { length }) => sum + HEADER_BYTES + length, 0);
  const ends = endsLast ? copies.length : copies.length - 1;
  const messages = new Uint8Array(dataBytes + ends * HEADER_BYTES);
  const view = new DataView(messages.buffer);
  let at = 0;
  const begin = (type: "d" | "c", bodyBytes: number): void => {
    messages[at] = type.charCodeAt(0);
    view.setUint32(at + 1, HEADER_BYTES - 1 + bodyBytes);
    at += HEADER_BYTES;
  };
  for (const [index, chunks] of pieces.entries()) {
    for (const chunk of chunks) {
      begin("d", chunk.length);
      messages.set(chunk, at);
      at += chunk.length;
    }
    if (index < ends) begin("c", 0);
  }
  return messages;
}
