/**
 * Makes the deliveries of one processor's table durable: encodes them by the table's column plan,
 * has the table changed where they need it, writes everything in one transaction, and says what to
 * tell the monitor. It neither waits nor retries a passing failure: the batch writer does.
 */
import { DEFAULT_MARKER, encodeBatch, type EncodedBatch } from "../encoder/exact_encoder.ts";
import type { FastEncoder } from "../encoder/fast_encoder.ts";
import { recordText } from "../encoder/record_text.ts";
import type { RowBuffer } from "../encoder/row_buffer.ts";
import type { Clock } from "../clock.ts";
import { TableUnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { TableDescription } from "../schema/table_description.ts";
import type { Counters } from "./counters.ts";
import type { Delivery } from "./delivery.ts";
import { type DistinctDeliveries, distinctInStreamOrder } from "./distinct_deliveries.ts";
import {
  ALONE,
  type Flush,
  type FlushOutcome,
  type FlushPace,
  type Reject,
  type RouteStatus,
  type RowRefusal,
  type TableIdentity,
  type TableStore,
} from "./ports.ts";
import type { ProcessorSettings } from "./processor_settings.ts";
import { StatusTally } from "./status.ts";
import { TablePlan } from "./table_plan.ts";

/**
 * Times that one flush is encoded again because the table changed under it. Each needs somebody
 * else's change, or one of ours: when several instances meet new keys one by one, that may be one for
 * each column. More than this is a table that cannot be written.
 */
const PLANS_MAX = 100;

/** What a flush did. */
export interface FlushReport {
  readonly rowsWritten: number;
  readonly statuses: readonly RouteStatus[];
}

/** What a writer works with. */
export interface TableWriterOptions {
  readonly processorId: string;
  readonly settings: ProcessorSettings;
  readonly store: TableStore;
  readonly counters: Counters;
  /** Takes what it can before the exact encoder; null for that one alone. */
  readonly fastEncoder: FastEncoder | null;
  readonly clock: Clock;
  readonly log: Log;
}

/** Writes one processor's table under one set of settings. */
export class TableWriter {
  readonly #options: TableWriterOptions;
  readonly #identity: TableIdentity;
  readonly #plan: TablePlan;
  #isReplacementLogged = false;

  constructor(options: TableWriterOptions) {
    this.#options = options;
    this.#identity = tableIdentity(options.processorId, options.settings.tableName);
    this.#plan = new TablePlan({ ...options, identity: this.#identity });
  }

  /** The table as it was last seen, or the name it will have. */
  get tableName(): string {
    return this.#plan.table?.name ?? this.#identity.fullName;
  }

  /**
   * Makes the deliveries durable. May throw what {@linkcode TableStore} throws; then nothing, or an
   * unknown commit, happened, and the same deliveries are to be flushed again.
   */
  async flush(
    deliveries: readonly Delivery[],
    buffer: RowBuffer,
    notes: readonly string[],
  ): Promise<FlushReport> {
    const report = await this.flushInPace(deliveries, buffer, { notes, pace: ALONE });
    if (report === null) throw new TypeError("Cannot call off a flush that follows none");
    return report;
  }

  /** The same for a flush that follows another, or is to be followed; null when it is called off. */
  async flushInPace(
    deliveries: readonly Delivery[],
    buffer: RowBuffer,
    { notes, pace }: { readonly notes: readonly string[]; readonly pace: FlushPace },
  ): Promise<FlushReport | null> {
    const { store, settings, counters, fastEncoder } = this.#options;
    const distinct = distinctInStreamOrder(deliveries);
    for (let plans = 0; plans < PLANS_MAX; plans++) {
      const planned = await this.#plan.current();
      const encoded = encodeBatch(planned.plan, distinct.deliveries, buffer, {
        onInvalidText: settings.onInvalidText,
        defaults: store.supportsDefaultMarker ? "marker" : "runs",
        fast: fastEncoder,
      });
      this.#plan.keep(planned, encoded.plan);
      const wanted = this.#plan.wanted(encoded);
      if (wanted !== null) {
        // The flush before holds the table's lock as long as it is under way.
        if (!await pace.mayWrite) return null;
        await this.#plan.change(wanted, distinct.identities[0] ?? null);
        continue;
      }
      const outcome = await store.write(this.#flushOf(planned.table, encoded, distinct), pace);
      if (outcome.kind === "called-off") return null;
      if (outcome.kind === "committed") return this.#report(outcome, encoded, distinct, notes);
      counters.stalePlans++;
      this.#plan.forget();
    }
    throw new TableUnavailableError(
      `Cannot write the table as it changed ${PLANS_MAX} times during one flush`,
      { table: this.tableName, kind: "refused" },
    );
  }

  #flushOf(
    table: TableDescription | null,
    encoded: EncodedBatch,
    distinct: DistinctDeliveries,
  ): Flush {
    return {
      table,
      runs: encoded.runs,
      defaultMarker: encoded.usesMarker ? DEFAULT_MARKER : null,
      rows: encoded.rows,
      format: encoded.plan.format,
      messages: {
        identities: distinct.identities,
        firstRows: encoded.firstRows,
        replays: replaysOf(distinct.deliveries),
      },
      usesLedger: this.#options.settings.deliveryMode === "exactlyOnce",
      rejects: this.#rejectsOf(encoded, distinct),
      rejectRow: (row, refusal) =>
        this.#reject(distinct, encoded.deliveryOf(row), encoded.ordinalOf(row), refusal),
    };
  }

  #rejectsOf(encoded: EncodedBatch, distinct: DistinctDeliveries): Reject[] {
    return encoded.rejects.map(({ delivery, ordinal, columnName, reason }) =>
      this.#reject(distinct, delivery, ordinal, {
        sqlState: null,
        columnName,
        constraintName: null,
        reason,
      })
    );
  }

  #reject(
    distinct: DistinctDeliveries,
    index: number,
    ordinal: number,
    why: Omit<RowRefusal, "sqlState"> & { readonly sqlState: string | null },
  ): Reject {
    const delivery = distinct.deliveries[index];
    if (delivery === undefined) throw new RangeError(`Cannot find delivery ${index} of the flush`);
    return {
      ...why,
      identity: distinct.identities[index] ?? null,
      replayOf: delivery.replayOf,
      ordinal,
      routeId: delivery.routeId,
      processorId: this.#options.processorId,
      tableName: this.tableName,
      recordCount: ordinal < 0 ? delivery.recordCount : 1,
      payload: ordinal < 0 ? delivery.payload : recordText(delivery, ordinal),
      receivedAtMs: delivery.receivedAtMs,
    };
  }

  #report(
    outcome: Extract<FlushOutcome, { kind: "committed" }>,
    encoded: EncodedBatch,
    distinct: DistinctDeliveries,
    notes: readonly string[],
  ): FlushReport {
    const { counters } = this.#options;
    counters.rows += outcome.rowsWritten;
    counters.ledgerDrops += outcome.known.length;
    counters.textReplacements += encoded.textReplacements;
    counters.overflowValues += encoded.overflowValues;
    const tally = new StatusTally();
    distinct.deliveries.forEach(({ routeId, recordCount }, index) => {
      tally.countMessage(routeId, recordCount, distinct.identities[index] ?? null);
    });
    for (const { routeId, ordinal, recordCount, reason } of outcome.rejects) {
      if (ordinal < 0) counters.rejectedMessages++;
      else counters.rejectedRows++;
      tally.countRejects(routeId, recordCount, [reason]);
    }
    for (const known of outcome.known) {
      const routeId = distinct.deliveries[known.index]?.routeId ?? null;
      tally.countRejects(routeId, known.rejectCount, known.reasons);
    }
    this.#logReplacement(encoded);
    return { rowsWritten: outcome.rowsWritten, statuses: tally.statuses(notes) };
  }

  #logReplacement({ replacedKey, textReplacements }: EncodedBatch): void {
    if (this.#isReplacementLogged || textReplacements === 0) return;
    this.#isReplacementLogged = true;
    this.#options.log.warn("Text that PostgreSQL cannot hold was replaced by U+FFFD", {
      processor_id: this.#options.processorId,
      table: this.tableName,
      key: replacedKey,
      count: textReplacements,
    });
  }
}

/** By index of the delivery, the reject that it replays. */
function replaysOf(deliveries: readonly Delivery[]): ReadonlyMap<number, string> {
  const replays = new Map<number, string>();
  deliveries.forEach(({ replayOf }, index) => {
    if (replayOf !== undefined) replays.set(index, replayOf);
  });
  return replays;
}

/** Which table the rows of a processor go to (contract §5). */
export function tableIdentity(processorId: string, tableName: string | null): TableIdentity {
  return {
    fullName: tableName === null || tableName === "" ? processorId : `${processorId}_${tableName}`,
    // The Go service wrote here where the property was absent.
    legacyName: tableName === null ? `${processorId}_hello_world` : null,
  };
}
