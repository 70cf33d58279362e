/**
 * Owns one processor's batch and its flushes: decides when, takes turns at the store, repeats what
 * failed for a passing reason, parks rows whose table cannot be written, reports status and settles
 * the deliveries. Every delivery handed in is settled exactly once: acked after its commit, or given
 * back at shutdown.
 */
import { StoreUnavailableError, TableUnavailableError } from "../errors.ts";
import { backoffDelayMs } from "../retry.ts";
import { type FlushReason, heldBytes } from "./batch.ts";
import { type Delivery, extendAll } from "./delivery.ts";
import { FlushSequence } from "./flush_sequence.ts";
import { IndexUpkeep } from "./index_upkeep.ts";
import { Parking } from "./parking.ts";
import { parseProcessorSettings, type ProcessorSettings } from "./processor_settings.ts";
import type { FlushStart, RunningFlush } from "./running_flush.ts";
import { type Segment, Segments } from "./segments.ts";
import { refusedStatuses } from "./status.ts";
import type { StoreTurn } from "./store_gate.ts";
import { type FlushReport, TableWriter } from "./table_writer.ts";
import { TroubleLog } from "./trouble_log.ts";
import type { WriterContext } from "./writer_context.ts";

/**
 * Wait between tries at a table: a lock goes as suddenly as it came, a refusal takes somebody. Fresh
 * rows have to land within five seconds after either has ended.
 */
const TABLE_BACKOFF = {
  locked: { initialMs: 100, maxMs: 1_000 },
  refused: { initialMs: 100, maxMs: 4_000 },
} as const;

/** Share of bytes and pending messages that a table which cannot be written may hold (design §7). */
const UNAVAILABLE_SHARE = 0.25;

/** One processor's writer. */
export class BatchWriter {
  readonly processorId: string;
  readonly #context: WriterContext;
  readonly #segments: Segments;
  readonly #sequence: FlushSequence;
  readonly #parking: Parking;
  readonly #indexes: IndexUpkeep;
  readonly #trouble: TroubleLog;
  #notes: readonly string[] = [];
  #propertiesText: string;
  #settingsAtMs: number;
  #usedAtMs: number;
  #forced: FlushReason | null = null;
  #isStopping = false;
  #loop: Promise<void> | null = null;
  #parkingWork: Promise<void> | null = null;
  /** Why the table cannot be written at the moment; null while it can. */
  #circuit: TableUnavailableError | null = null;
  #attempts = 0;

  constructor(processorId: string, properties: unknown, context: WriterContext) {
    this.processorId = processorId;
    this.#context = context;
    const { settings, faults } = parseProcessorSettings(properties, {
      defaults: context.processorDefaults,
    });
    this.#propertiesText = JSON.stringify(properties);
    this.#notes = faults;
    this.#segments = new Segments(settings, (one) => this.#tableWriter(one));
    this.#sequence = new FlushSequence(context, this.#segments);
    this.#parking = new Parking(processorId, context);
    this.#indexes = new IndexUpkeep(processorId, context);
    this.#trouble = new TroubleLog(processorId, context);
    this.#settingsAtMs = context.clock.monotonic();
    this.#usedAtMs = this.#settingsAtMs;
    this.#logFaults();
  }

  /** Monotonic time at which the settings were last looked up. */
  get settingsAtMs(): number {
    return this.#settingsAtMs;
  }

  get isBusy(): boolean {
    return this.#loop !== null || this.#parkingWork !== null || this.#parking.isOccupied ||
      !this.#segments.isEmpty;
  }

  /** Monotonic time of the last delivery, settings or flush. */
  get usedAtMs(): number {
    return this.#usedAtMs;
  }

  /** Monotonic time of receipt of the oldest delivery that waits; Infinity when none does. */
  get oldestMs(): number {
    return this.#segments.oldestMs;
  }

  get waitingMessages(): number {
    return this.#segments.messages;
  }

  /** Takes a delivery over; it counts as held until it is settled or its rows are durable. */
  add(delivery: Delivery): void {
    this.#usedAtMs = delivery.heldSinceMs;
    this.#segments.open.batch.add(delivery);
    if (this.#circuit !== null && this.#isBeyondShare()) this.#park(this.#circuit);
    else this.poke(delivery.heldSinceMs);
  }

  /** Applies what the catalog says now; what waits is still written under the old table's name. */
  configure(properties: unknown): void {
    this.#settingsAtMs = this.#context.clock.monotonic();
    const text = JSON.stringify(properties);
    if (text === this.#propertiesText) return;
    this.#propertiesText = text;
    const { settings, faults } = parseProcessorSettings(properties, {
      defaults: this.#context.processorDefaults,
      lastGood: this.#segments.open.settings,
    });
    this.#notes = faults;
    this.#logFaults();
    this.#context.log.info("Settings of a processor changed", {
      processor_id: this.processorId,
      batch_rows: settings.batchRows,
      batch_window_ms: settings.batchWindowMs,
    });
    this.#segments.configure(settings);
    this.#indexes.lookSoon();
    this.poke(this.#settingsAtMs);
  }

  /** There are parked rows of an earlier run: writes them. */
  resumeParked(): void {
    this.#parking.occupy();
    this.poke(this.#context.clock.monotonic());
  }

  /** Flushes if something is due at `nowMs` (monotonic) and nothing under way is in the way. */
  poke(nowMs: number): void {
    this.#sayQueued(nowMs);
    this.#sequence.nudge(nowMs);
    if (this.#loop !== null || this.#dueReason(nowMs) === null) return;
    this.#loop = this.#run().catch(this.#context.onBug).finally(() => {
      this.#loop = null;
      this.#usedAtMs = this.#context.clock.monotonic();
      if (!this.#context.stopped.aborted) this.poke(this.#usedAtMs);
    });
  }

  /** Makes whatever waits due now. At a stop, rows whose table cannot be written are parked. */
  force(reason: "pressure" | "stop"): void {
    this.#isStopping ||= reason === "stop";
    if (this.#segments.isEmpty) return;
    this.#forced = this.#isStopping ? "stop" : reason;
    if (this.#isStopping && this.#circuit !== null) this.#park(this.#circuit);
    else this.poke(this.#context.clock.monotonic());
  }

  /** Restarts `ack_wait` of everything received before `beforeMs` (monotonic). */
  extend(beforeMs: number): void {
    let extended = this.#segments.extend(beforeMs);
    extended += this.#sequence.extend(beforeMs);
    extended += extendAll(this.#parking.underWay, beforeMs);
    this.#context.counters.extensions += extended;
  }

  /** Gives payloads that wait since before `beforeMs` (monotonic) buffers of their own. */
  copyPayloads(beforeMs: number): void {
    this.#segments.copyPayloads(beforeMs);
  }

  /** Gives everything that waits back to the server; for shutdown, when the grace is over. */
  abandon(): void {
    for (;;) {
      const deliveries = this.#segments.takeAny(this.#context.flushCap);
      if (deliveries.length === 0) return;
      for (const delivery of deliveries) {
        this.#context.flow.release(heldBytes(delivery));
        delivery.message.nak(0);
      }
      this.#context.counters.naks += deliveries.length;
    }
  }

  /** Resolves when no flush is under way. */
  async idle(): Promise<void> {
    while (this.#loop !== null || this.#parkingWork !== null) {
      await Promise.all([this.#loop, this.#parkingWork]);
    }
  }

  #tableWriter(settings: ProcessorSettings): TableWriter {
    const { store, counters, fastEncoder, clock, log } = this.#context;
    const { processorId } = this;
    return new TableWriter({ processorId, settings, store, counters, fastEncoder, clock, log });
  }

  #dueReason(nowMs: number): FlushReason | null {
    const { flushCap } = this.#context;
    if (this.#parking.isOccupied && !(this.#isStopping && this.#segments.isEmpty)) return "parked";
    if (this.#segments.first.batch.isEmpty) return null;
    return this.#segments.dueReason(nowMs, flushCap) ?? this.#forced;
  }

  /** Flushes as long as something is due. */
  async #run(): Promise<void> {
    const { clock, stopped } = this.#context;
    for (;;) {
      const { first } = this.#sequence;
      const waitMs = first === null ? await this.#begin() : await this.#goOn(first);
      if (waitMs === null) return;
      if (waitMs > 0) await clock.delay(waitMs, stopped).catch(() => undefined);
    }
  }

  /** Begins what is due; returns how long to wait before the next step, or null if nothing is due. */
  async #begin(): Promise<number | null> {
    const { clock, stopped } = this.#context;
    await this.#parkingWork;
    const reason = this.#dueReason(clock.monotonic());
    if (reason === null || stopped.aborted) return null;
    const segment = this.#segments.first;
    const turn = await this.#takeTurn(reason !== "parked" && segment.batch.isSmall);
    if (turn === null) return 0;
    if (reason === "parked") {
      const waitMs = await this.#writeParked(segment, turn);
      this.#leaveEmpty();
      return waitMs;
    }
    if (segment.batch.isEmpty) turn[Symbol.dispose](); // parked meanwhile
    else {
      const { sent } = this.#sequence.begin(segment, { reason, turn, notes: this.#notes });
      this.#relieve();
      await sent;
    }
    return 0;
  }

  /**
   * A flush has sent its data or is over. Begins the next behind it, if one is due and may; else waits
   * for its end, or for something to become due; returns as {@linkcode #begin}.
   */
  async #goOn(first: RunningFlush): Promise<number> {
    const sequence = this.#sequence;
    // A writer in trouble goes one step at a time.
    const isWell = this.#circuit === null && this.#attempts === 0 && !this.#parking.isOccupied;
    const next = isWell ? sequence.beginBehind(this.#notes) : null;
    if (next !== null) this.#relieve();
    const result = next === null ? await sequence.endOrNudge(first) : await first.over();
    if (result === null) return 0;
    if (result.kind === "committed") {
      sequence.leaveFirst();
      this.#committed(first.start, result.report);
      if (next === null) this.#leaveEmpty();
      else await next.sent;
      return 0;
    }
    await sequence.giveBack();
    if (first.start.reason === "pressure") this.#forced ??= "pressure";
    using turn = first.start.turn;
    // The one before it had a setback and landed by other means; nothing is in the way any more.
    if (result.kind === "called-off") return 0;
    return this.#failed(result.error, turn, first.start.segment);
  }

  /** A flush took what was pressed; what comes behind it would make one of few rows. */
  #relieve(): void {
    if (this.#forced === "pressure") this.#forced = null;
    this.#sayQueued(this.#context.clock.monotonic());
  }

  /** While the table cannot be written, others have all of the memory but this one's share. */
  #sayQueued(nowMs: number): void {
    this.#context.flow.queue(this, this.#circuit === null ? this.#sequence.queuedBytes(nowMs) : 0);
  }

  /** Nothing is under way: leaves settings behind whose rows are written. */
  #leaveEmpty(): void {
    if (this.#segments.first.batch.isEmpty) this.#forced = null;
    this.#segments.advance();
  }

  /** Writes parked rows that were there before what waits now; returns how long to wait. */
  async #writeParked(segment: Segment, turn: StoreTurn): Promise<number> {
    using _turn = turn;
    try {
      const report = await this.#context.withBuffer((buffer) =>
        this.#parking.writeSome(segment.table, buffer)
      );
      this.#succeeded(turn);
      if (report === null) return 0;
      this.#context.counters.countFlush("parked");
      this.#context.log.info("Wrote parked rows", {
        processor_id: this.processorId,
        table: segment.table.tableName,
        rows: report.rowsWritten,
      });
      this.#context.track(this.#context.reporter.reportInTime(report.statuses));
      return 0;
    } catch (error) {
      return this.#failed(error, turn, segment);
    }
  }

  async #takeTurn(isSmall: boolean): Promise<StoreTurn | null> {
    try {
      return await this.#context.gate.take(this.#context.stopped, isSmall);
    } catch (error) {
      if (this.#context.stopped.aborted) return null;
      throw error;
    }
  }

  #succeeded(turn: StoreTurn): void {
    turn.succeeded();
    this.#attempts = 0;
    this.#circuit = null;
  }

  /** Returns how long to wait before the next try; throws what only a mistake explains. */
  #failed(error: unknown, turn: StoreTurn, segment: Segment): number {
    const { gate, counters, stopped } = this.#context;
    if (error instanceof StoreUnavailableError) {
      turn.failed(error);
      counters.storeRetries++;
      if (gate.isOutage || stopped.aborted) return 0;
      const attempts = ++this.#attempts;
      this.#trouble.failedAgain(error, { table: segment.table.tableName, attempts });
      return backoffDelayMs(attempts);
    }
    turn.succeeded();
    if (error instanceof TableUnavailableError) return this.#tableFailed(segment, error);
    throw error;
  }

  /** The rows are durable: report and settle, without holding up the next flush. */
  #committed(
    { segment, deliveries, reason, startedMs, turn }: FlushStart,
    report: FlushReport,
  ): void {
    using _turn = turn;
    const { flow, log, clock, counters } = this.#context;
    this.#succeeded(turn);
    counters.countFlush(reason);
    deliveries.forEach((delivery) => flow.release(heldBytes(delivery)));
    log.debug("Flushed", {
      processor_id: this.processorId,
      table: segment.table.tableName,
      reason,
      messages: deliveries.length,
      rows: report.rowsWritten,
      duration_ms: Math.round(clock.monotonic() - startedMs),
    });
    this.#context.track(this.#settle(deliveries, report));
    this.#indexes.look(segment.settings);
  }

  async #settle(deliveries: readonly Delivery[], report: FlushReport): Promise<void> {
    await this.#context.reporter.reportInTime(report.statuses);
    // One synchronous loop: the acks of a flush share socket writes.
    deliveries.forEach(({ message }) => message.ack());
  }

  /** Opens the circuit, or keeps it open; returns how long to wait before the next try. */
  #tableFailed(segment: Segment, error: TableUnavailableError): number {
    const { counters, reporter } = this.#context;
    counters.tableRetries++;
    if (this.#circuit?.kind !== error.kind) {
      this.#trouble.tableUnavailable(error);
      if (error.kind === "refused") {
        this.#context.track(reporter.report(refusedStatuses(segment.batch, error)));
      }
    }
    this.#circuit = error;
    if (this.#isBeyondShare() || this.#isStopping) this.#park(error);
    return backoffDelayMs(++this.#attempts, TABLE_BACKOFF[error.kind]);
  }

  #isBeyondShare(): boolean {
    const { heldBytesMax, ackPendingMax } = this.#context;
    return this.#segments.bytes >= heldBytesMax * UNAVAILABLE_SHARE ||
      this.#segments.messages >= ackPendingMax * UNAVAILABLE_SHARE;
  }

  /** Parks all that waits, in the background; what fails to be parked waits on. */
  #park(error: TableUnavailableError): void {
    this.#parkingWork ??= this.#parking.parkAll(this.#segments, error)
      .catch(this.#context.onBug)
      .finally(() => this.#parkingWork = null);
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
