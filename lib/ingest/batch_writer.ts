/**
 * Owns one processor's batch and its flushes: decides when, takes turns at the store, repeats what
 * failed for a passing reason, reports status and settles the deliveries. Every delivery handed in
 * is settled exactly once: acked after its commit, or given back at shutdown.
 */
import type { RowBuffer } from "../encoder/row_buffer.ts";
import { StoreUnavailableError, TableUnavailableError } from "../errors.ts";
import { backoffDelayMs } from "../retry.ts";
import { Batch, type FlushReason, heldBytes } from "./batch.ts";
import { type Delivery, extendAll } from "./delivery.ts";
import {
  changesTable,
  parseProcessorSettings,
  type ProcessorSettings,
} from "./processor_settings.ts";
import { reportStatuses } from "./status_reporter.ts";
import { type FlushReport, TableWriter } from "./table_writer.ts";
import type { WriterContext } from "./writer_context.ts";

/** Wait between tries at a table that is locked or refuses. */
const TABLE_BACKOFF = { initialMs: 100, maxMs: 30_000 };

/** Share of all held bytes that a table which cannot be written may keep (design §7). */
const UNAVAILABLE_SHARE = 0.25;

/** How long a delivery beyond that share stays with the server before it comes again. */
const GIVE_BACK_DELAY_MS = 30_000;

/** Deliveries of one table, under the settings they were received with. */
interface Segment {
  readonly batch: Batch;
  readonly settings: ProcessorSettings;
  readonly table: TableWriter;
}

/** One processor's writer. */
export class BatchWriter {
  readonly processorId: string;
  readonly #context: WriterContext;
  /** Segments sealed by a change of settings, then the open one. */
  #segments: Segment[];
  #notes: readonly string[] = [];
  #propertiesText = "";
  #settingsAtMs: number;
  #usedAtMs: number;
  #forced: FlushReason | null = null;
  #loop: Promise<void> | null = null;
  #flushing: readonly Delivery[] = [];
  /** Why the table cannot be written at the moment; null while it can. */
  #circuit: TableUnavailableError | null = null;
  #attempts = 0;

  constructor(processorId: string, properties: unknown, context: WriterContext) {
    this.processorId = processorId;
    this.#context = context;
    const { settings, faults } = parseProcessorSettings(properties);
    this.#propertiesText = JSON.stringify(properties);
    this.#notes = faults;
    this.#segments = [this.#segment(settings)];
    this.#settingsAtMs = context.clock.monotonic();
    this.#usedAtMs = this.#settingsAtMs;
    this.#logFaults();
  }

  /** Monotonic time at which the settings were last looked up. */
  get settingsAtMs(): number {
    return this.#settingsAtMs;
  }

  get isBusy(): boolean {
    return this.#loop !== null || this.#segments.some(({ batch }) => !batch.isEmpty);
  }

  /** Monotonic time of the last delivery, settings or flush. */
  get usedAtMs(): number {
    return this.#usedAtMs;
  }

  /** Monotonic time of receipt of the oldest delivery that waits; Infinity when none does. */
  get oldestMs(): number {
    return this.#segments[0]?.batch.oldestMs ?? Infinity;
  }

  get waitingMessages(): number {
    return this.#segments.reduce((sum, { batch }) => sum + batch.messages, 0);
  }

  get waitingBytes(): number {
    return this.#segments.reduce((sum, { batch }) => sum + batch.bytes, 0);
  }

  /** Takes a delivery over; it counts as held until it is settled or its rows are durable. */
  add(delivery: Delivery): void {
    this.#usedAtMs = delivery.heldSinceMs;
    if (this.#circuit !== null && this.#isBeyondShare()) {
      this.#giveBack([delivery], GIVE_BACK_DELAY_MS);
      return;
    }
    this.#open.batch.add(delivery);
    this.poke(delivery.heldSinceMs);
  }

  /** Applies what the catalog says now; what waits is still written under the old table's name. */
  configure(properties: unknown): void {
    this.#settingsAtMs = this.#context.clock.monotonic();
    const text = JSON.stringify(properties);
    if (text === this.#propertiesText) return;
    this.#propertiesText = text;
    const before = this.#open.settings;
    const { settings, faults } = parseProcessorSettings(properties, before);
    this.#notes = faults;
    this.#logFaults();
    this.#context.log.info("Settings of a processor changed", {
      processor_id: this.processorId,
      batch_rows: settings.batchRows,
      batch_window_ms: settings.batchWindowMs,
    });
    const open = this.#open;
    if (changesTable(before, settings)) {
      if (open.batch.isEmpty) this.#segments.pop();
      this.#segments.push(this.#segment(settings));
    } else {
      this.#segments[this.#segments.length - 1] = { ...open, settings };
    }
    this.poke(this.#settingsAtMs);
  }

  /** Flushes if something is due at `nowMs` (monotonic) and no flush is under way. */
  poke(nowMs: number): void {
    if (this.#loop !== null || this.#due(nowMs) === null) return;
    this.#loop = this.#run().catch(this.#context.onBug).finally(() => {
      this.#loop = null;
      this.#usedAtMs = this.#context.clock.monotonic();
      if (!this.#context.stopped.aborted) this.poke(this.#usedAtMs);
    });
  }

  /** Makes whatever waits due now. */
  force(reason: "pressure" | "stop"): void {
    if (this.#segments.every(({ batch }) => batch.isEmpty)) return;
    this.#forced = reason;
    this.poke(this.#context.clock.monotonic());
  }

  /** Restarts `ack_wait` of everything received before `beforeMs` (monotonic). */
  extend(beforeMs: number): void {
    let extended = extendAll(this.#flushing, beforeMs);
    for (const { batch } of this.#segments) extended += extendAll(batch, beforeMs);
    this.#context.counters.extensions += extended;
  }

  /** Gives everything that waits back to the server; for shutdown, when the grace is over. */
  abandon(): void {
    for (const { batch } of this.#segments) {
      while (!batch.isEmpty) this.#giveBack(batch.take(this.#context.flushCap), 0);
    }
  }

  /** Resolves when no flush is under way. */
  async idle(): Promise<void> {
    while (this.#loop !== null) await this.#loop;
  }

  get #open(): Segment {
    const open = this.#segments.at(-1);
    if (open === undefined) throw new RangeError("Cannot write without an open batch");
    return open;
  }

  #segment(settings: ProcessorSettings): Segment {
    const { store, counters } = this.#context;
    const table = new TableWriter({ processorId: this.processorId, settings, store, counters });
    return { batch: new Batch(), settings, table };
  }

  #due(nowMs: number): { segment: Segment; reason: FlushReason } | null {
    const segment = this.#segments[0];
    if (segment === undefined || segment.batch.isEmpty) return null;
    const sealed = this.#segments.length > 1;
    const reason = sealed
      ? "settings"
      : segment.batch.dueReason(nowMs, segment.settings, this.#context.flushCap) ?? this.#forced;
    return reason === null ? null : { segment, reason };
  }

  /** Flushes as long as something is due. */
  async #run(): Promise<void> {
    const { clock, stopped } = this.#context;
    for (;;) {
      const due = this.#due(clock.monotonic());
      if (due === null || stopped.aborted) return;
      const waitMs = await this.#flush(due.segment, due.reason);
      if (due.segment.batch.isEmpty) this.#forced = null;
      if (this.#segments.length > 1 && due.segment.batch.isEmpty) this.#segments.shift();
      if (waitMs > 0) await clock.delay(waitMs, stopped).catch(() => undefined);
    }
  }

  /** One flush, or one failed try; returns how long to wait before the next. */
  async #flush(segment: Segment, reason: FlushReason): Promise<number> {
    const { gate, clock, counters, flushCap, stopped } = this.#context;
    using turn = await this.#takeTurn();
    if (turn === null) return 0;
    const deliveries = segment.batch.take(flushCap);
    this.#flushing = deliveries;
    const startedMs = clock.monotonic();
    try {
      const report = await this.#context.withBuffer((buffer: RowBuffer) =>
        segment.table.flush(deliveries, buffer, this.#notes)
      );
      turn.succeeded();
      this.#attempts = 0;
      this.#circuit = null;
      counters.countFlush(reason);
      this.#committed(segment, deliveries, report, { reason, startedMs });
      return 0;
    } catch (error) {
      segment.batch.restore(deliveries);
      if (error instanceof StoreUnavailableError) {
        turn.failed(error);
        counters.storeRetries++;
        if (gate.isOutage || stopped.aborted) return 0;
        return backoffDelayMs(++this.#attempts);
      }
      turn.succeeded();
      if (error instanceof TableUnavailableError) return this.#tableFailed(segment, error);
      throw error;
    } finally {
      this.#flushing = [];
    }
  }

  async #takeTurn(): Promise<Awaited<ReturnType<WriterContext["gate"]["take"]>> | null> {
    try {
      return await this.#context.gate.take(this.#context.stopped);
    } catch (error) {
      if (this.#context.stopped.aborted) return null;
      throw error;
    }
  }

  /** The rows are durable: report and settle, without holding up the next flush. */
  #committed(
    segment: Segment,
    deliveries: readonly Delivery[],
    report: FlushReport,
    flush: { readonly reason: FlushReason; readonly startedMs: number },
  ): void {
    const { flow, log, clock } = this.#context;
    for (const delivery of deliveries) flow.release(heldBytes(delivery));
    log.debug("Flushed", {
      processor_id: this.processorId,
      table: segment.table.tableName,
      reason: flush.reason,
      messages: deliveries.length,
      rows: report.rowsWritten,
      duration_ms: Math.round(clock.monotonic() - flush.startedMs),
    });
    this.#context.track(this.#settle(deliveries, report));
  }

  async #settle(deliveries: readonly Delivery[], report: FlushReport): Promise<void> {
    await reportStatuses(report.statuses, this.#context);
    // One synchronous loop: the acks of a flush share socket writes.
    for (const { message } of deliveries) message.ack();
  }

  /** Opens the circuit, or keeps it open; returns how long to wait before the next try. */
  #tableFailed(segment: Segment, error: TableUnavailableError): number {
    const { log, counters, reporter } = this.#context;
    counters.tableRetries++;
    const delayMs = backoffDelayMs(++this.#attempts, TABLE_BACKOFF);
    if (this.#circuit?.kind !== error.kind) {
      log.warn("A table cannot be written; holding its rows and trying again", {
        processor_id: this.processorId,
        table: error.table,
        kind: error.kind,
        reason: error.message,
        sql_state: error.sqlState,
      });
      if (error.kind === "refused") {
        this.#context.track(reporter.report(refusedStatuses(segment.batch, error)));
      }
    }
    this.#circuit = error;
    return delayMs;
  }

  #isBeyondShare(): boolean {
    return this.waitingBytes >= this.#context.heldBytesMax * UNAVAILABLE_SHARE;
  }

  #giveBack(deliveries: readonly Delivery[], delayMs: number): void {
    for (const delivery of deliveries) {
      this.#context.flow.release(heldBytes(delivery));
      delivery.message.nak(delayMs);
    }
    this.#context.counters.naks += deliveries.length;
  }

  #logFaults(): void {
    for (const fault of this.#notes) {
      this.#context.log.warn("A processor has a malformed property; the last good value holds", {
        processor_id: this.processorId,
        fault,
      });
    }
  }
}

/** FAILED for each route whose rows wait for a table that refuses them. */
function refusedStatuses(batch: Batch, error: TableUnavailableError): Parameters<
  WriterContext["reporter"]["report"]
>[0] {
  const routes = new Set<string>();
  for (const { routeId } of batch) if (routeId !== null) routes.add(routeId);
  return [...routes].map((routeId) => ({
    routeId,
    status: "FAILED",
    exception: `The table '${error.table}' cannot be written: ${error.message}`,
    data: null,
    messageId: null,
  }));
}
