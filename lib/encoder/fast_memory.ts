/**
 * One instance of the compiled fast encoder and its memory: where each region lies, how regions
 * grow, and how rows are read out. Between regions stand guards, bytes that nobody may write. The
 * module never allocates; only the host grows its memory, and places all regions anew then.
 */
import * as layout from "./assembly/layout.ts";
import type { PayloadPlace } from "./encodable_delivery.ts";
import type { AppendedRows } from "./row_buffer.ts";

/** What the module exports; assembly/fast_encoder.ts describes each. */
interface FastExports {
  readonly memory: WebAssembly.Memory;
  place(
    result: number,
    plan: number,
    rowTable: number,
    rowsMax: number,
    output: number,
    outputEnd: number,
  ): void;
  beginPlan(): void;
  beginOutput(): void;
  envelope(message: number, length: number): number;
  encodeRecords(
    message: number,
    length: number,
    from: number,
    delivery: number,
    ordinal: number,
    isList: boolean,
  ): number;
}

/**
 * Bytes that several messages are taken from are copied as a whole when there are no more of them:
 * what is read from a socket at once.
 */
const SHARED_BYTES_MAX = 72 * 1024;

/** So many bytes beside a message are copied with it rather than that a view is made. */
const LITTLE_BYTES = 1024;

/** Bytes that regions have to hold. */
interface RegionBytes {
  readonly plan: number;
  readonly input: number;
  readonly output: number;
}

const PAGE_BYTES = 65_536;

/** Rows taken out at once at the latest. */
const ROWS_MAX = 4_096;

const GUARD_BYTES = 64;
const GUARD_BYTE = 0xa5;

/** Input and output fit into a core's cache together. */
const INITIAL: RegionBytes = { plan: 16 * 1024, input: 64 * 1024, output: 128 * 1024 };

/** See the head of this file. */
export class FastMemory {
  readonly exports: FastExports;
  /** All of the memory; replaced when it grows. */
  bytes: Uint8Array = new Uint8Array();
  #numbers: Int32Array = new Int32Array();
  #held: RegionBytes = { plan: 0, input: 0, output: 0 };
  #guards: number[] = [];
  #result = 0;
  #rowTable = 0;
  /** Address of bytes that several messages are taken from; whose they are, and whose the last were. */
  #shared = 0;
  #sharedBytes: Uint8Array | null = null;
  #lastBytes: Uint8Array | null = null;
  #output = 0;
  #input = 0;
  /** Address of the plan block. */
  plan = 0;

  constructor(module: WebAssembly.Module) {
    const instance = new WebAssembly.Instance(module);
    // The module and this type are kept together by the tests.
    this.exports = instance.exports as unknown as FastExports;
    this.ensure(INITIAL.plan, INITIAL.input, INITIAL.output);
  }

  /**
   * Makes regions large enough, in bytes; returns true when that moved them, which empties them all.
   * Not by an object: there would be one for each message.
   */
  ensure(plan: number, input: number, output: number): boolean {
    if (this.holds(plan, input, output)) return false;
    const held = this.#held;
    this.#held = {
      plan: grown(held.plan, plan),
      input: grown(held.input, input),
      output: grown(held.output, output),
    };
    this.#place();
    return true;
  }

  /** The regions are large enough. */
  holds(plan: number, input: number, output: number): boolean {
    const held = this.#held;
    return plan <= held.plan && input <= held.input && output <= held.output;
  }

  /**
   * Has a message, for which there is room, stand in the memory until the next one does; returns its
   * address. A view of each message is what costs most of this; so from the second message of the same
   * bytes on, it is read where it stands among them.
   */
  load({ bytes, payloadStart, payloadEnd }: PayloadPlace): number {
    const isShared = bytes === this.#sharedBytes || this.#share(bytes, payloadEnd - payloadStart);
    if (isShared) return this.#shared + payloadStart;
    const isWhole = payloadEnd - payloadStart === bytes.length;
    this.bytes.set(isWhole ? bytes : bytes.subarray(payloadStart, payloadEnd), this.#input);
    return this.#input;
  }

  /** Whether the bytes are there as a whole now. */
  #share(bytes: Uint8Array, payloadBytes: number): boolean {
    const isMostlyThis = bytes.length <= payloadBytes + LITTLE_BYTES;
    const isWorthIt = (bytes === this.#lastBytes || isMostlyThis) && payloadBytes < bytes.length &&
      bytes.length <= SHARED_BYTES_MAX;
    this.#lastBytes = bytes;
    if (!isWorthIt) return false;
    this.bytes.set(bytes, this.#shared);
    this.#sharedBytes = bytes;
    return true;
  }

  /** A field of the result block. */
  result(field: number): number {
    return this.#numbers[(this.#result + field) >> 2] ?? 0;
  }

  /** Rows encoded since `beginOutput`; views that are valid until the next call. */
  rows(): AppendedRows {
    const count = this.result(layout.RESULT_ROWS);
    const numbers = (column: number): Uint32Array =>
      new Uint32Array(this.bytes.buffer, this.#rowTable + column * ROWS_MAX * 4, count);
    const end = this.#output + this.result(layout.RESULT_OUTPUT_BYTES);
    return {
      bytes: this.bytes.subarray(this.#output, end),
      ends: numbers(0),
      deliveries: numbers(1),
      ordinals: numbers(2),
    };
  }

  /** No guard was written to. */
  get isIntact(): boolean {
    return this.#guards.every((at) =>
      this.bytes.subarray(at, at + GUARD_BYTES).every((byte) => byte === GUARD_BYTE)
    );
  }

  #place(): void {
    let end = 0;
    this.#guards = [];
    const region = (bytes: number): number => {
      this.#guards.push(end);
      const start = end + GUARD_BYTES;
      end = start + Math.ceil(bytes / GUARD_BYTES) * GUARD_BYTES;
      return start;
    };
    this.#result = region(layout.RESULT_BYTES + layout.DEPTH_MAX);
    this.plan = region(this.#held.plan + layout.SLACK_BYTES);
    this.#rowTable = region(ROWS_MAX * 3 * 4);
    this.#shared = region(SHARED_BYTES_MAX + 2 * layout.SLACK_BYTES);
    this.#sharedBytes = null;
    this.#input = region(this.#held.input + 2 * layout.SLACK_BYTES);
    this.#output = region(this.#held.output + layout.SLACK_BYTES);
    region(0);
    const { memory } = this.exports;
    const missing = end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
    this.bytes = new Uint8Array(memory.buffer);
    this.#numbers = new Int32Array(memory.buffer);
    for (const at of this.#guards) this.bytes.fill(GUARD_BYTE, at, at + GUARD_BYTES);
    this.exports.place(
      this.#result,
      this.plan,
      this.#rowTable,
      ROWS_MAX,
      this.#output,
      this.#output + this.#held.output,
    );
  }
}

/** Doubled until it is enough. */
function grown(held: number, needed: number): number {
  let bytes = Math.max(held, PAGE_BYTES / 4);
  while (bytes < needed) bytes *= 2;
  return bytes;
}
