/**
 * The host of the fast encoder (assembly/): gives it messages and plans, takes rows out of its memory
 * into the flush's buffer, and sends every record that it passes the exact way, in order. A fault
 * inside of it loses nothing: the instance is thrown away and the batch or message goes the exact
 * way as a whole. Used synchronously, so one serves the whole program.
 */
import type { ColumnPlan } from "../schema/column_plan.ts";
import * as layout from "./assembly/layout.ts";
import { binaryValueOf } from "./binary_row.ts";
import { BINARY_BYTES_EXTRA } from "./binary_value.ts";
import type { EncodableDelivery, PayloadPlace } from "./encodable_delivery.ts";
import { EncodingCounts, type PassReason } from "./encoding_counts.ts";
// @ts-types="./fast_encoder_module.d.ts"
import { fastEncoderModule } from "./fast_encoder_module.js";
import { FastMemory } from "./fast_memory.ts";
import { compileFastPlan, type FastPlan } from "./fast_plan.ts";
import { receiptTime } from "./receipt_time.ts";
import type { RowBuffer } from "./row_buffer.ts";
import { skipSpace } from "./value_skipper.ts";

/** Longer messages go the exact way: the module's memory never shrinks. */
const MESSAGE_BYTES_MAX = 2 * 1024 * 1024;

/** The exact way for what is passed; both add to the same buffer. */
export interface ExactWay {
  /** Encodes the record at `at`; returns the offset of the next one, -1 when none is to follow. */
  encodeRecord(index: number, ordinal: number, at: number): number;
  /** Encodes all records of a delivery. */
  encodeDelivery(index: number): void;
}

/** A batch to encode. */
export interface FastBatch {
  readonly plan: ColumnPlan;
  readonly deliveries: readonly EncodableDelivery[];
  /** Empty. */
  readonly buffer: RowBuffer;
  readonly exact: ExactWay;
  /** Takes the index of the first row of each delivery. */
  readonly firstRows: Uint32Array;
}

/**
 * Where an envelope's parts stand: offsets in the message, -1 for an id that is absent or null. One
 * object for all messages: it says what was read last.
 */
export class EnvelopeRanges {
  /** From the opening quote to behind the closing one; neither id is empty or has escapes. */
  routeStart = -1;
  routeEnd = -1;
  processorStart = -1;
  processorEnd = -1;
  recordsStart = -1;
  recordsEnd = -1;
  isList = false;
  recordCount = 0;
}

/** What a fast encoder needs beside its work; all of it may be left out. */
export interface FastEncoderOptions {
  readonly counts?: EncodingCounts;
  /** Called with each fault inside of the module. */
  readonly onTrap?: (error: WebAssembly.RuntimeError) => void;
  /** Another module in place of the compiled one; for tests. */
  readonly module?: WebAssembly.Module;
}

/** See the head of this file. */
export class FastEncoder {
  readonly counts: EncodingCounts;
  readonly #onTrap: (error: WebAssembly.RuntimeError) => void;
  readonly #module: WebAssembly.Module;
  readonly #plans = new WeakMap<ColumnPlan, FastPlan | "none">();
  readonly #ranges = new EnvelopeRanges();
  #memory: FastMemory | null = null;

  constructor(options: FastEncoderOptions = {}) {
    this.counts = options.counts ?? new EncodingCounts();
    this.#onTrap = options.onTrap ?? (() => undefined);
    this.#module = options.module ?? fastEncoderModule;
  }

  /** The memory in use; for tests, which look at its guards. */
  get memory(): FastMemory {
    return this.#memory ??= new FastMemory(this.#module);
  }

  /**
   * Judges a whole message and finds its parts, which are true until the next call; null leaves it to
   * the exact reader.
   */
  readEnvelope(message: PayloadPlace): Readonly<EnvelopeRanges> | null {
    const ranges = payloadBytes(message) > MESSAGE_BYTES_MAX ? null : this.#tryEnvelope(message);
    if (ranges === null) this.counts.envelopesPassed++;
    else this.counts.envelopesFast++;
    return ranges;
  }

  /**
   * Encodes the batch, passed records included. Returns false when it did not: then the batch is to
   * be encoded from the start the exact way, whatever stands in the buffer.
   */
  encodeBatch(batch: FastBatch): boolean {
    const plan = this.#planOf(batch.plan);
    if (plan === null) {
      this.counts.countPassed("plan", recordsOf(batch));
      return false;
    }
    try {
      new BatchRun(this.memory, plan, batch, this.counts).encode();
      return true;
    } catch (error) {
      this.#trapped(error);
      this.counts.countPassed("trap", recordsOf(batch));
      return false;
    }
  }

  #tryEnvelope(message: PayloadPlace): Readonly<EnvelopeRanges> | null {
    try {
      return this.#readEnvelope(message);
    } catch (error) {
      this.#trapped(error);
      return null;
    }
  }

  #readEnvelope(message: PayloadPlace): Readonly<EnvelopeRanges> | null {
    const { memory } = this;
    const length = payloadBytes(message);
    memory.ensure(0, length, 0);
    const address = memory.load(message);
    if (memory.exports.envelope(address, length) !== layout.DONE) return null;
    const ranges = this.#ranges;
    ranges.routeStart = memory.result(layout.RESULT_ROUTE_START);
    ranges.routeEnd = memory.result(layout.RESULT_ROUTE_END);
    ranges.processorStart = memory.result(layout.RESULT_PROCESSOR_START);
    ranges.processorEnd = memory.result(layout.RESULT_PROCESSOR_END);
    ranges.recordsStart = memory.result(layout.RESULT_RECORDS_START);
    ranges.recordsEnd = memory.result(layout.RESULT_RECORDS_END);
    ranges.isList = memory.result(layout.RESULT_IS_LIST) === 1;
    ranges.recordCount = memory.result(layout.RESULT_RECORD_COUNT);
    return ranges;
  }

  #planOf(plan: ColumnPlan): FastPlan | null {
    let known = this.#plans.get(plan);
    if (known === undefined) {
      known = compileFastPlan(plan) ?? "none";
      this.#plans.set(plan, known);
    }
    return known === "none" ? null : known;
  }

  /** The next call has a new instance; throws what is no trap. */
  #trapped(error: unknown): void {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    this.#memory = null;
    this.counts.traps++;
    this.#onTrap(error);
  }
}

/** One batch on its way through the module. */
class BatchRun {
  readonly #memory: FastMemory;
  readonly #plan: FastPlan;
  readonly #batch: FastBatch;
  readonly #counts: EncodingCounts;
  #receivedAtMs = NaN;
  #receipt: Uint8Array = new Uint8Array();

  constructor(memory: FastMemory, plan: FastPlan, batch: FastBatch, counts: EncodingCounts) {
    this.#memory = memory;
    this.#plan = plan;
    this.#batch = batch;
    this.#counts = counts;
  }

  encode(): void {
    const { deliveries, buffer, firstRows } = this.#batch;
    const { block } = this.#plan;
    this.#memory.ensure(block.length, 0, 0);
    this.#loadPlan();
    deliveries.forEach((delivery, index) => {
      firstRows[index] = buffer.rowCount + this.#memory.result(layout.RESULT_ROWS);
      this.#setReceivedAt(delivery.receivedAtMs);
      this.#encodeDelivery(delivery, index);
    });
    this.#takeRows();
    firstRows[deliveries.length] = buffer.rowCount;
  }

  #loadPlan(): void {
    const { bytes, plan, exports } = this.#memory;
    bytes.set(this.#plan.block, plan);
    exports.beginPlan();
    exports.beginOutput();
    this.#writeReceipt();
  }

  #setReceivedAt(receivedAtMs: number): void {
    const { receiptCodec, format } = this.#plan;
    if (receivedAtMs === this.#receivedAtMs || receiptCodec === null) return;
    this.#receivedAtMs = receivedAtMs;
    const text = receiptTime(receiptCodec, receivedAtMs);
    this.#receipt = format === "binary" ? binaryValueOf(receiptCodec, text) : text;
    this.#writeReceipt();
  }

  #writeReceipt(): void {
    const { bytes, plan } = this.#memory;
    const view = new DataView(bytes.buffer, plan);
    view.setUint32(layout.PLAN_RECEIPT_LENGTH, this.#receipt.length, true);
    bytes.set(this.#receipt, plan + view.getUint32(layout.PLAN_RECEIPT, true));
  }

  #encodeDelivery(delivery: EncodableDelivery, index: number): void {
    const { bytes, payloadStart, isList, recordsStart } = delivery;
    const length = payloadBytes(delivery);
    if (length > MESSAGE_BYTES_MAX) {
      this.#takeRows();
      this.#counts.countPassed("size", delivery.recordCount);
      return this.#batch.exact.encodeDelivery(index);
    }
    let at = isList
      ? skipSpace(bytes, payloadStart + recordsStart + 1) - payloadStart
      : recordsStart;
    if (isList && bytes[payloadStart + at] === 0x5d) return;
    this.#makeRoom(length);
    const memory = this.#memory;
    const address = memory.load(delivery);
    for (let ordinal = 0;;) {
      const outcome = memory.exports.encodeRecords(address, length, at, index, ordinal, isList);
      if (outcome === layout.DONE) return;
      at = memory.result(layout.RESULT_AT);
      ordinal = memory.result(layout.RESULT_ORDINAL);
      const taken = this.#takeRows();
      if (outcome === layout.FULL && taken > 0) continue;
      this.#counts.countPassed(PASS_REASONS[outcome] ?? "size", 1);
      at = this.#batch.exact.encodeRecord(index, ordinal, at);
      if (at === -1) return;
      ordinal++;
    }
  }

  /** Room for the message, and for a row of all of it: binary takes more of it than text. */
  #makeRoom(payloadBytes: number): void {
    const memory = this.#memory;
    const output = payloadBytes * 2 + this.#plan.columnCount * BINARY_BYTES_EXTRA +
      layout.RECEIPT_BYTES_MAX;
    if (memory.holds(0, payloadBytes, output)) return;
    this.#takeRows();
    memory.ensure(0, payloadBytes, output);
    this.#loadPlan();
  }

  /** Moves rows from the module's memory to the buffer; returns how many. */
  #takeRows(): number {
    const memory = this.#memory;
    const count = memory.result(layout.RESULT_ROWS);
    if (count === 0) return 0;
    this.#batch.buffer.append(memory.rows());
    memory.exports.beginOutput();
    this.#counts.recordsFast += count;
    return count;
  }
}

const PASS_REASONS: Readonly<Record<number, PassReason>> = {
  [layout.PASS_NOT_OBJECT]: "not_object",
  [layout.PASS_UNKNOWN_KEY]: "unknown_key",
  [layout.PASS_ESCAPED_KEY]: "escaped_key",
  [layout.PASS_DUPLICATE_KEY]: "duplicate_key",
  [layout.PASS_DEFAULT_COLUMN]: "default_column",
  [layout.PASS_OTHER_TYPE]: "other_type",
  [layout.PASS_NUMBER]: "number",
  [layout.PASS_MISFIT]: "misfit",
  [layout.PASS_TEXT]: "text",
  [layout.PASS_SYNTAX]: "syntax",
};

function payloadBytes({ payloadStart, payloadEnd }: PayloadPlace): number {
  return payloadEnd - payloadStart;
}

function recordsOf({ deliveries }: FastBatch): number {
  return deliveries.reduce((sum, { recordCount }) => sum + recordCount, 0);
}
