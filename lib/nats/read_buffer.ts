/**
 * Buffers that a socket is read into. Messages stay in them while they wait, which is longer than a
 * young collection of garbage lasts: as garbage, buffers would pile up until the whole heap is
 * collected. So whoever needs what stands in a buffer pins it, and what nobody needs is read into
 * again.
 */

/** So few bytes are rather copied than that a buffer is garbage: of the server's answers, for example. */
const COPIED_BYTES_MAX = 4 * 1024;

/** One buffer between two uses; pinned once by whoever took it. */
export class ReadBuffer {
  readonly bytes: Uint8Array;
  readonly #giveBack: (bytes: Uint8Array) => void;
  #pins = 1;
  #isLeft = false;

  constructor(bytes: Uint8Array, giveBack: (bytes: Uint8Array) => void) {
    this.bytes = bytes;
    this.#giveBack = giveBack;
  }

  /** What stands in it is needed until {@linkcode unpin}. */
  pin(): void {
    this.#pins++;
  }

  /** Once for each pin. */
  unpin(): void {
    if (this.#pins === 0) throw new TypeError("Cannot unpin a buffer that is not pinned");
    this.#pins--;
    if (this.#pins === 0 && !this.#isLeft) this.#giveBack(this.bytes);
  }

  /**
   * A piece of it for somebody who does not say when he is done: few bytes are copied; for more it is
   * not used again, but garbage one day.
   */
  giveAway(piece: Uint8Array): Uint8Array {
    if (piece.length <= COPIED_BYTES_MAX) return piece.slice();
    this.#isLeft = true;
    return piece;
  }
}

/** Buffers kept for the next use at most; of 64 KiB these are 16 MiB. */
const FREE_MAX = 256;

/** Buffers of one size. */
export class ReadBufferPool {
  readonly #bufferBytes: number;
  readonly #free: Uint8Array[] = [];

  constructor(bufferBytes: number) {
    this.#bufferBytes = bufferBytes;
  }

  take(): ReadBuffer {
    return new ReadBuffer(this.#free.pop() ?? new Uint8Array(this.#bufferBytes), this.#giveBack);
  }

  readonly #giveBack = (bytes: Uint8Array): void => {
    if (this.#free.length < FREE_MAX) this.#free.push(bytes);
  };
}
