/**
 * The way of rows whose table cannot be written for the moment (design §7): beyond the share that its
 * writer may hold they are parked, that is committed into `rejected` with state `parked` and into the
 * ledger, so that they can be acked and nobody else waits. When the table is back they are written
 * first, in order, by the code of every flush. Rows behind parked ones are parked too until then.
 */
import { StoreUnavailableError, type TableUnavailableError } from "../errors.ts";
import type { RowBuffer } from "../encoder/row_buffer.ts";
import { heldBytes } from "./batch.ts";
import type { Delivery } from "./delivery.ts";
import { keptDelivery, messageParts } from "./kept_delivery.ts";
import { ANY_REJECT, type RejectFilter } from "./kept_reject.ts";
import type { Reject } from "./ports.ts";
import type { Segments } from "./segments.ts";
import { StatusTally } from "./status.ts";
import { SeldomLog } from "./seldom_log.ts";
import { withTurn } from "./store_gate.ts";
import type { FlushReport, TableWriter } from "./table_writer.ts";
import type { WriterContext } from "./writer_context.ts";

/** Messages written back in one flush at most. */
const MESSAGES_PER_FLUSH = 500;

/** Their payload bytes at most. */
const BYTES_PER_FLUSH = 4 * 1024 * 1024;

/** The highest id there can be: parked rows that come later are taken as well. */
const ANY_ID = "9223372036854775807";

/** The parked rows of one processor. */
export class Parking {
  readonly #processorId: string;
  readonly #context: WriterContext;
  readonly #seldom: SeldomLog;
  #isOccupied = false;
  #underWay: readonly Delivery[] = [];

  constructor(processorId: string, context: WriterContext) {
    this.#processorId = processorId;
    this.#context = context;
    this.#seldom = new SeldomLog(context.log, context.clock);
  }

  /** True while there are parked rows, as far as this instance knows: others must go behind them. */
  get isOccupied(): boolean {
    return this.#isOccupied;
  }

  /** There are parked rows of an earlier run. */
  occupy(): void {
    this.#isOccupied = true;
  }

  /** Taken out of the batch and not yet parked. */
  get underWay(): readonly Delivery[] {
    return this.#underWay;
  }

  /** Parks all that waits; what cannot be parked, because the store is away, waits on. */
  async parkAll(segments: Segments, error: TableUnavailableError): Promise<void> {
    const { flushCap, flow, stopped } = this.#context;
    while (!stopped.aborted) {
      const deliveries = segments.takeAny(flushCap);
      if (deliveries.length === 0) return;
      this.#underWay = deliveries;
      try {
        await this.#park(deliveries, error);
        for (const delivery of deliveries) flow.release(heldBytes(delivery));
        // Hundreds of parkings a minute are one event: the summary counts them.
        this.#seldom.warn("parked", "Parked rows of a table that cannot be written", {
          processor_id: this.#processorId,
          table: error.table,
          messages: deliveries.length,
        });
      } catch (failure) {
        segments.first.batch.restore(deliveries);
        if (stopped.aborted || failure instanceof StoreUnavailableError) return;
        throw failure;
      } finally {
        this.#underWay = [];
      }
    }
  }

  /**
   * Commits the messages as parked, says FAILED and acks them.
   *
   * @throws {StoreUnavailableError} nothing happened, or the commit is unknown: park them again
   */
  async #park(deliveries: readonly Delivery[], error: TableUnavailableError): Promise<void> {
    this.#isOccupied = true;
    const { store, gate, stopped, counters } = this.#context;
    const reason = `Parked until the table can be written again: ${error.message}`;
    const parked = deliveries.map((delivery) => this.#parked(delivery, error, reason));
    await withTurn(gate, () => store.writeRejects(parked), stopped);
    counters.parkedMessages += deliveries.length;
    this.#context.track(this.#settle(deliveries, reason));
  }

  /** Writes the oldest parked rows; null when there are none left. */
  async writeSome(table: TableWriter, buffer: RowBuffer): Promise<FlushReport | null> {
    const { rejects, clock, counters } = this.#context;
    const filter: RejectFilter = { ...ANY_REJECT, processorId: this.#processorId, state: "parked" };
    const kept = await rejects.read(filter, {
      afterId: "0",
      lastId: ANY_ID,
      rowsMax: MESSAGES_PER_FLUSH,
      bytesMax: BYTES_PER_FLUSH,
    });
    if (kept.length === 0) {
      this.#isOccupied = false;
      return null;
    }
    const deliveries = kept.map((reject): Delivery => {
      const parts = messageParts(reject);
      // It was a good message when it was parked, and bytes do not change.
      if ("fault" in parts) throw new TypeError(`Cannot read a parked message: ${parts.fault}`);
      return keptDelivery(reject, parts, clock);
    });
    const report = await table.flush(deliveries, buffer, []);
    counters.unparkedMessages += deliveries.length;
    return report;
  }

  #parked(delivery: Delivery, error: TableUnavailableError, reason: string): Reject {
    return {
      identity: delivery.message.identity,
      isParked: true,
      ordinal: -1,
      recordCount: delivery.recordCount,
      routeId: delivery.routeId,
      processorId: this.#processorId,
      tableName: error.table,
      sqlState: error.sqlState ?? null,
      columnName: null,
      constraintName: null,
      reason,
      payload: delivery.payload,
      receivedAtMs: delivery.receivedAtMs,
    };
  }

  async #settle(deliveries: readonly Delivery[], reason: string): Promise<void> {
    const tally = new StatusTally();
    for (const { routeId, recordCount, message } of deliveries) {
      tally.countMessage(routeId, recordCount, message.identity);
      tally.countParked(routeId, recordCount, reason);
    }
    await this.#context.reporter.reportInTime(tally.statuses([]));
    for (const { message } of deliveries) message.ack();
  }
}
