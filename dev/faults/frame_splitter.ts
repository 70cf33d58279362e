/**
 * Splits a stream of bytes into PostgreSQL's messages: a type byte, a length that counts itself, the
 * body. The first message of a client has no type. Pure; what is incomplete waits for more bytes.
 */

/** Bytes of a length. */
const LENGTH_BYTES = 4;

/** The splitter of one direction of one connection. */
export class FrameSplitter {
  #rest: Uint8Array = new Uint8Array(0);
  #isUntyped: boolean;

  /** `startsUntyped`: the client's direction, whose first message has no type byte. */
  constructor({ startsUntyped }: { readonly startsUntyped: boolean }) {
    this.#isUntyped = startsUntyped;
  }

  /** Takes bytes and returns the messages that are complete now, with type and length. */
  push(chunk: Uint8Array): Uint8Array[] {
    const bytes = concatenated(this.#rest, chunk);
    const frames: Uint8Array[] = [];
    let at = 0;
    for (;;) {
      const lengthAt = this.#isUntyped ? at : at + 1;
      if (bytes.length < lengthAt + LENGTH_BYTES) break;
      const view = new DataView(bytes.buffer, bytes.byteOffset + lengthAt, LENGTH_BYTES);
      const end = lengthAt + view.getUint32(0);
      if (bytes.length < end) break;
      frames.push(bytes.subarray(at, end));
      at = end;
      this.#isUntyped = false;
    }
    this.#rest = bytes.slice(at);
    return frames;
  }
}

function concatenated(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
