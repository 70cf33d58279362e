/**
 * The deliveries of one processor by the settings they were received with. A change of settings that
 * would change the table seals the open batch: it is written first, by the old settings. Pure but for
 * the table writers it holds.
 */
import { Batch, type FlushCap, type FlushReason } from "./batch.ts";
import { type Delivery, extendAll } from "./delivery.ts";
import { changesTable, type ProcessorSettings } from "./processor_settings.ts";
import type { TableWriter } from "./table_writer.ts";

/** Deliveries of one table, under the settings they were received with. */
export interface Segment {
  readonly batch: Batch;
  readonly settings: ProcessorSettings;
  readonly table: TableWriter;
}

/** Sealed segments, then the open one; there is always one. */
export class Segments {
  readonly #tableOf: (settings: ProcessorSettings) => TableWriter;
  #segments: Segment[];

  constructor(settings: ProcessorSettings, tableOf: (settings: ProcessorSettings) => TableWriter) {
    this.#tableOf = tableOf;
    this.#segments = [{ batch: new Batch(), settings, table: tableOf(settings) }];
  }

  /** The one to be written next. */
  get first(): Segment {
    return this.#at(0);
  }

  /** The one that takes deliveries. */
  get open(): Segment {
    return this.#at(-1);
  }

  get isEmpty(): boolean {
    return this.#segments.every(({ batch }) => batch.isEmpty);
  }

  get messages(): number {
    return this.#segments.reduce((sum, { batch }) => sum + batch.messages, 0);
  }

  /** Bytes held, as `heldBytes` counts them. */
  get bytes(): number {
    return this.#segments.reduce((sum, { batch }) => sum + batch.bytes, 0);
  }

  /** Monotonic time of receipt of the oldest delivery; Infinity when there is none. */
  get oldestMs(): number {
    return this.first.batch.oldestMs;
  }

  /** Why the first segment is due at `nowMs` (monotonic), or null. */
  dueReason(nowMs: number, cap: FlushCap): FlushReason | null {
    const { batch, settings } = this.first;
    if (batch.isEmpty) return null;
    return this.#segments.length > 1 ? "settings" : batch.dueReason(nowMs, settings, cap);
  }

  /** What comes from now on is under these settings. */
  configure(settings: ProcessorSettings): void {
    const open = this.open;
    if (!changesTable(open.settings, settings)) {
      this.#segments[this.#segments.length - 1] = { ...open, settings };
      return;
    }
    if (open.batch.isEmpty) this.#segments.pop();
    this.#segments.push({ batch: new Batch(), settings, table: this.#tableOf(settings) });
  }

  /** Leaves a sealed segment behind that was written. */
  advance(): void {
    if (this.#segments.length > 1 && this.first.batch.isEmpty) this.#segments.shift();
  }

  /** Puts back what a failed flush had taken of a segment, which may have been left behind. */
  restore(segment: Segment, deliveries: readonly Delivery[]): void {
    segment.batch.restore(deliveries);
    const isThere = this.#segments.some(({ batch }) => batch === segment.batch);
    if (!isThere) this.#segments.unshift(segment);
  }

  /** Takes the oldest deliveries, whatever settings they were received with. */
  takeAny(cap: FlushCap): Delivery[] {
    this.advance();
    return this.first.batch.isEmpty ? [] : this.first.batch.take(cap);
  }

  /** See {@linkcode Batch.copyPayloads}. */
  copyPayloads(beforeMs: number): void {
    for (const { batch } of this.#segments) batch.copyPayloads(beforeMs);
  }

  /** See {@linkcode extendAll}. */
  extend(beforeMs: number): number {
    return this.#segments.reduce((sum, { batch }) => sum + extendAll(batch, beforeMs), 0);
  }

  #at(index: number): Segment {
    const segment = this.#segments.at(index);
    if (segment === undefined) throw new RangeError("Cannot write without an open batch");
    return segment;
  }
}
