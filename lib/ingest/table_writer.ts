/**
 * Makes the deliveries of one processor's table durable: encodes them by the table's column plan,
 * has the table changed where they need it, writes everything in one transaction, and says what to
 * tell the monitor. It neither waits nor retries a passing failure: the batch writer does.
 */
import { type ColumnPlan, compilePlan } from "../schema/column_plan.ts";
import type { TableDescription } from "../schema/table_description.ts";
import { inferColumnType } from "../schema/inference.ts";
import { encodeBatch, type EncodedBatch } from "../encoder/exact_encoder.ts";
import { recordText } from "../encoder/record_text.ts";
import type { RowBuffer } from "../encoder/row_buffer.ts";
import { TableUnavailableError } from "../errors.ts";
import type { Counters } from "./counters.ts";
import { type Delivery, type MessageIdentity, messageName } from "./delivery.ts";
import type {
  Flush,
  FlushMessage,
  FlushOutcome,
  Reject,
  RouteStatus,
  RowRefusal,
  TableIdentity,
  TableStore,
  WantedColumn,
} from "./ports.ts";
import type { ProcessorSettings } from "./processor_settings.ts";
import { StatusTally } from "./status.ts";

/**
 * Times that one flush is encoded again because the table changed under it. Each needs somebody
 * else's change, or one of ours; more than this is a table that cannot be written.
 */
const PLANS_MAX = 8;

/** The key of the receipt time (contract §5). */
const TIMESTAMP_KEY = "_timestamp";

/** What a flush did. */
export interface FlushReport {
  readonly rowsWritten: number;
  readonly statuses: readonly RouteStatus[];
}

/** Deliveries of one flush, each message once. */
interface DistinctDeliveries {
  readonly deliveries: readonly Delivery[];
  readonly identities: readonly (MessageIdentity | null)[];
}

/** Writes one processor's table under one set of settings. */
export class TableWriter {
  readonly #processorId: string;
  readonly #settings: ProcessorSettings;
  readonly #store: TableStore;
  readonly #counters: Counters;
  readonly #identity: TableIdentity;
  #plan: ColumnPlan | null = null;
  #table: TableDescription | null = null;

  constructor(options: {
    processorId: string;
    settings: ProcessorSettings;
    store: TableStore;
    counters: Counters;
  }) {
    this.#processorId = options.processorId;
    this.#settings = options.settings;
    this.#store = options.store;
    this.#counters = options.counters;
    this.#identity = tableIdentity(options.processorId, options.settings.tableName);
  }

  /** The table as it was last seen, or the name it will have. */
  get tableName(): string {
    return this.#table?.name ?? this.#identity.fullName;
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
    const distinct = distinctInStreamOrder(deliveries);
    for (let plans = 0; plans < PLANS_MAX; plans++) {
      const plan = this.#plan ??= await this.#compile();
      const encoded = encodeBatch(plan, distinct.deliveries, buffer);
      const wanted = this.#wantedColumns(plan, encoded);
      if (wanted.length > 0 || (this.#table === null && encoded.rows.count > 0)) {
        await this.#change(wanted, distinct);
        continue;
      }
      const rejects = this.#rejectsOf(encoded, distinct);
      const flush = this.#flushOf(encoded, distinct, rejects);
      const outcome = await this.#store.write(flush);
      if (outcome.kind === "plan-stale") {
        this.#counters.stalePlans++;
        this.#forget();
        continue;
      }
      return this.#report(outcome, encoded, distinct, notes);
    }
    throw new TableUnavailableError(
      `Cannot write the table as it changed ${PLANS_MAX} times during one flush`,
      { table: this.tableName, kind: "refused" },
    );
  }

  async #compile(): Promise<ColumnPlan> {
    this.#table ??= await this.#store.describe(this.#identity);
    return compilePlan(this.#table, { includeTimestamp: this.#settings.includeTimestamp });
  }

  #forget(): void {
    this.#table = null;
    this.#plan = null;
  }

  /** Columns that the rows need and the table lacks, in the order of first appearance. */
  #wantedColumns(plan: ColumnPlan, encoded: EncodedBatch): WantedColumn[] {
    const wanted: WantedColumn[] = [];
    for (const { key, kinds } of encoded.newKeys) {
      const type = inferColumnType(kinds);
      if (type !== null) wanted.push({ key, type });
    }
    if (plan.lacksTimestamp && encoded.rows.count > 0) {
      wanted.push({ key: TIMESTAMP_KEY, type: "timestamptz" });
    }
    return wanted;
  }

  async #change(columns: readonly WantedColumn[], distinct: DistinctDeliveries): Promise<void> {
    this.#plan = null;
    const changed = await this.#store.change({
      table: this.#identity,
      columns,
      widenings: [],
      overflow: false,
      indexKeys: this.#settings.indexKeys,
      reason: this.#table === null ? "first rows of the table" : "new keys in a batch",
      cause: distinct.identities[0] ?? null,
    });
    this.#table = changed.table;
    this.#counters.tableChanges++;
  }

  #flushOf(
    encoded: EncodedBatch,
    distinct: DistinctDeliveries,
    rejects: readonly Reject[],
  ): Flush {
    const messages: FlushMessage[] = distinct.deliveries.map(({ replayOf }, index) => ({
      identity: distinct.identities[index] ?? null,
      firstRow: encoded.firstRow(index),
      rowCount: encoded.rowCount(index),
      replayOf,
    }));
    return {
      table: this.#table,
      runs: encoded.rows.count === 0
        ? []
        : [{ firstRow: 0, rowCount: encoded.rows.count, columns: encoded.columns }],
      defaultMarker: null,
      rows: encoded.rows,
      messages,
      rejects,
      rejectRow: (row, refusal) => this.#rejectOfRow(row, refusal, encoded, distinct),
    };
  }

  #rejectsOf(encoded: EncodedBatch, distinct: DistinctDeliveries): Reject[] {
    return encoded.rejects.map((reject) =>
      this.#reject(distinct, reject.delivery, reject.ordinal, {
        sqlState: null,
        columnName: reject.columnName,
        constraintName: null,
        reason: reject.reason,
      })
    );
  }

  #rejectOfRow(
    row: number,
    refusal: RowRefusal,
    encoded: EncodedBatch,
    distinct: DistinctDeliveries,
  ): Reject {
    return this.#reject(distinct, encoded.deliveryOf(row), encoded.ordinalOf(row), refusal);
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
      processorId: this.#processorId,
      tableName: this.tableName,
      payload: recordText(delivery, ordinal),
      receivedAtMs: delivery.receivedAtMs,
    };
  }

  #report(
    outcome: Extract<FlushOutcome, { kind: "committed" }>,
    encoded: EncodedBatch,
    distinct: DistinctDeliveries,
    notes: readonly string[],
  ): FlushReport {
    this.#counters.rows += outcome.rowsWritten;
    this.#counters.rejectedRows += outcome.rejects.length;
    this.#counters.ledgerDrops += outcome.known.length;
    this.#counters.textReplacements += encoded.textReplacements;
    const tally = new StatusTally();
    for (const [index, delivery] of distinct.deliveries.entries()) {
      tally.countMessage(
        delivery.routeId,
        delivery.recordCount,
        distinct.identities[index] ?? null,
      );
    }
    for (const reject of outcome.rejects) tally.countRejects(reject.routeId, 1, [reject.reason]);
    for (const known of outcome.known) {
      const routeId = distinct.deliveries[known.index]?.routeId ?? null;
      tally.countRejects(routeId, known.rejectCount, known.reasons);
    }
    return { rowsWritten: outcome.rowsWritten, statuses: tally.statuses(notes) };
  }
}

/** Which table the rows of a processor go to (contract §5). */
export function tableIdentity(processorId: string, tableName: string | null): TableIdentity {
  return {
    fullName: tableName === null || tableName === "" ? processorId : `${processorId}_${tableName}`,
    // The Go service wrote here where the property was absent.
    legacyName: tableName === null ? `${processorId}_hello_world` : null,
  };
}

/**
 * Each message once, in stream order: one fetch can hold the same message twice, and a redelivery
 * comes behind later messages.
 */
function distinctInStreamOrder(deliveries: readonly Delivery[]): DistinctDeliveries {
  const distinct = isStrictlyAscending(deliveries)
    ? deliveries
    : withoutCopies(deliveries).sort(byStreamOrder);
  return { deliveries: distinct, identities: distinct.map((one) => one.message.identity) };
}

/** The usual case: messages of one stream, each later than the one before. */
function isStrictlyAscending(deliveries: readonly Delivery[]): boolean {
  let before: MessageIdentity | null = null;
  for (const { message } of deliveries) {
    const { identity } = message;
    if (identity === null) continue;
    if (before !== null) {
      if (identity.sequence <= before.sequence || identity.origin !== before.origin) return false;
    }
    before = identity;
  }
  return true;
}

function withoutCopies(deliveries: readonly Delivery[]): Delivery[] {
  const seen = new Set<string>();
  return deliveries.filter(({ message }) => {
    if (message.identity === null) return true;
    const name = messageName(message.identity);
    if (seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}

/** An older incarnation of the stream first, then by sequence. */
function byStreamOrder(a: Delivery, b: Delivery): number {
  const x = a.message.identity;
  const y = b.message.identity;
  if (x === null || y === null) return 0;
  if (x.origin.created !== y.origin.created) return x.origin.created < y.origin.created ? -1 : 1;
  return x.sequence - y.sequence;
}
