/**
 * Rows of COPY text made rows of COPY binary, column by column. The exact encoder decides everything
 * while it writes text, so both formats hold the same values by construction; what that costs falls
 * on the records that the fast encoder passes.
 */
import type { ColumnCodec } from "../schema/column_codec.ts";
import type { ColumnPlan } from "../schema/column_plan.ts";
import { BINARY_BYTES_EXTRA, type BinaryTarget, writeBinaryValue } from "./binary_value.ts";
import type { RowBuffer } from "./row_buffer.ts";

const TAB = 0x09;
const BACKSLASH = 0x5c;
const LETTER_N = 0x4e;

/** Length that stands for null. */
const NULL_LENGTH = -1;

const OVERFLOW: ColumnCodec = { kind: "json", holdsOutsize: false };

/** See the head of this file; used again for row after row. */
export class BinaryRow {
  readonly #codecs: readonly ColumnCodec[];
  #target: BinaryTarget = targetOf(1024);

  constructor({ columns, overflow }: ColumnPlan) {
    const codecs = columns.map(({ codec }) => codec);
    this.#codecs = overflow === null ? codecs : [...codecs, OVERFLOW];
  }

  /**
   * Puts binary in the place of the text that stands between the buffer's `length` and `end`, all
   * columns without the row's end; returns where it ends.
   */
  replaceText(buffer: RowBuffer, end: number): number {
    const { bytes, length: start } = buffer;
    this.#makeRoom(2 + end - start + this.#codecs.length * BINARY_BYTES_EXTRA);
    const target = this.#target;
    target.view.setInt16(0, this.#codecs.length);
    let to = 2;
    let at = start;
    for (const codec of this.#codecs) {
      let valueEnd = at;
      while (valueEnd < end && bytes[valueEnd] !== TAB) valueEnd++;
      const isNull = valueEnd - at === 2 && bytes[at] === BACKSLASH && bytes[at + 1] === LETTER_N;
      if (isNull) {
        target.view.setInt32(to, NULL_LENGTH);
        to += 4;
      } else {
        to = writeBinaryValue(codec, bytes, at, valueEnd, target, to);
      }
      at = valueEnd + 1;
    }
    buffer.reserve(to);
    buffer.bytes.set(target.bytes.subarray(0, to), start);
    return start + to;
  }

  #makeRoom(bytes: number): void {
    if (bytes > this.#target.bytes.length) this.#target = targetOf(bytes * 2);
  }
}

/** One value as COPY binary, its length before it; `text` is plain and has no escapes. */
export function binaryValueOf(codec: ColumnCodec, text: Uint8Array): Uint8Array {
  const target = targetOf(text.length + BINARY_BYTES_EXTRA);
  return target.bytes.slice(0, writeBinaryValue(codec, text, 0, text.length, target, 0));
}

function targetOf(length: number): BinaryTarget {
  const bytes = new Uint8Array(length);
  return { bytes, view: new DataView(bytes.buffer) };
}
