/**
 * The column plan of one processor's table, and what has to change about the table before a batch
 * fits (design §8): new columns, wider ones, `_overflow`. It decides by the processor's settings, asks
 * the store, remembers what was refused, and says each decision once in the log. It encodes and writes
 * nothing.
 */
import type { Clock } from "../clock.ts";
import type { EncodedBatch } from "../encoder/exact_encoder.ts";
import type { Log } from "../log.ts";
import { type ColumnPlan, compilePlan, TIMESTAMP_KEY } from "../schema/column_plan.ts";
import { ownTypeOf } from "../schema/column_type.ts";
import { OVERFLOW_COLUMN, tableNames } from "../schema/identifiers.ts";
import { inferColumnType } from "../schema/inference.ts";
import type { TableDescription } from "../schema/table_description.ts";
import { widen } from "../schema/widening.ts";
import type { Counters } from "./counters.ts";
import type { MessageIdentity } from "./delivery.ts";
import type {
  RefusedChange,
  TableChange,
  TableIdentity,
  TableStore,
  WantedColumn,
  WantedWidening,
} from "./ports.ts";
import type { ProcessorSettings } from "./processor_settings.ts";
import { RefusedChanges } from "./refused_changes.ts";

/**
 * Columns of a table beyond which new keys go to `_overflow`: PostgreSQL stops at 1,600, and a row of
 * 1,018 bigints does not fit its page any more.
 */
export const COLUMNS_MAX = 500;

/** Under this name the refusal of new columns is remembered: it is the table's, whatever the key. */
const ANY_COLUMN = "";

/** What a plan is kept with. */
export interface TablePlanOptions {
  readonly processorId: string;
  readonly identity: TableIdentity;
  readonly settings: ProcessorSettings;
  readonly store: TableStore;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a change of the table is to bring. */
type Wanted = Pick<TableChange, "columns" | "widenings" | "overflow">;

/** A table as it was seen, and the plan made for it: rows by this plan go to no other state of it. */
export interface PlannedTable {
  /** Null when it does not exist. */
  readonly table: TableDescription | null;
  readonly plan: ColumnPlan;
}

/** See the head of this file. Two flushes may use it by turns, one behind the other. */
export class TablePlan {
  readonly #options: TablePlanOptions;
  readonly #refused: RefusedChanges;
  #table: TableDescription | null = null;
  #planned: PlannedTable | null = null;
  #isClaimed = false;
  #sendDefaults: ReadonlySet<string> = new Set();

  constructor(options: TablePlanOptions) {
    this.#options = options;
    this.#refused = new RefusedChanges(options.clock);
  }

  /** The table as it was last seen; null while nobody looked or it does not exist. */
  get table(): TableDescription | null {
    return this.#table;
  }

  /** The plan for the table as it was last seen; looks when nobody did. */
  async current(): Promise<PlannedTable> {
    const { identity, settings, store } = this.#options;
    this.#table ??= await store.describe(identity);
    const closed = this.#closedReason();
    const overflowRefusal = this.#refused.reason("overflow", OVERFLOW_COLUMN);
    const planned = this.#planned;
    const options = planned?.plan.options;
    if (
      planned !== null && planned.table === this.#table && options?.closed === closed &&
      options.overflowRefusal === overflowRefusal
    ) return planned;
    const plan = compilePlan(this.#table, {
      includeTimestamp: settings.includeTimestamp,
      sendDefaults: this.#sendDefaults,
      prefersBinary: true,
      misfits: settings.onTypeConflict === "reject" ? "reject" : "overflow",
      closed,
      overflowRefusal,
    });
    return this.#planned = { table: this.#table, plan };
  }

  /**
   * Goes on with a plan that an encoder made of the current one, as it sends more columns; not when
   * another flush has left the current one behind.
   */
  keep(before: PlannedTable, plan: ColumnPlan): void {
    if (this.#planned !== before || before.plan === plan) return;
    this.#planned = { ...before, plan };
    this.#sendDefaults = plan.options.sendDefaults ?? this.#sendDefaults;
  }

  /** Somebody else changed the table. */
  forget(): void {
    this.#table = null;
    this.#planned = null;
    this.#refused.forget();
  }

  /** What has to change before the batch is written; null when it may be written as it is. */
  wanted(encoded: EncodedBatch): Wanted | null {
    const room = COLUMNS_MAX - this.#columnCount;
    const all = encoded.plan.options.closed === null ? this.#wantedColumns(encoded) : [];
    const columns = all.slice(0, room);
    const widenings = this.#wantedWidenings(encoded);
    const lacksOverflow = all.length > room ||
      (encoded.lacksOverflow && columns.length === 0 && widenings.length === 0);
    const overflow = lacksOverflow && encoded.plan.overflow === null &&
      this.#refused.reason("overflow", OVERFLOW_COLUMN) === null;
    const isMissing = this.#table === null && encoded.rows.count > 0;
    if (
      !isMissing && !this.#lacksClaim() && columns.length === 0 && widenings.length === 0 &&
      !overflow
    ) return null;
    return { columns, widenings, overflow };
  }

  /** Has the table changed; what is refused will not be wanted for some time. */
  async change(wanted: Wanted, cause: MessageIdentity | null): Promise<void> {
    const { identity, settings, store, counters } = this.#options;
    const isNew = this.#table === null;
    this.#planned = null;
    const { table, refused } = await store.change({
      ...wanted,
      table: identity,
      indexKeys: settings.indexKeys,
      reason: isNew ? "first rows of the table" : reasonOf(wanted),
      cause,
    });
    this.#table = table;
    this.#isClaimed = true;
    counters.tableChanges++;
    counters.refusedChanges += refused.length;
    counters.widenedColumns += wanted.widenings.length -
      refused.filter(({ kind }) => kind === "widening").length;
    // Even one that was made: should it not have helped, nobody asks again at once.
    for (const widening of wanted.widenings) {
      this.#refused.note("widening", wideningName(widening), "it was made and did not help");
    }
    for (const refusal of refused) this.#refuse(refusal, wanted);
  }

  /**
   * The table has the name that PostgreSQL itself cut, and nobody has written down by now whose it is:
   * the change claims it, or another full name might come to the same table.
   */
  #lacksClaim(): boolean {
    if (this.#table === null || this.#isClaimed) return false;
    const { fullName } = this.#options.identity;
    return this.#table.name === tableNames(fullName).truncated;
  }

  #refuse({ kind, name, reason }: RefusedChange, { widenings }: Wanted): void {
    const widening = widenings.find(({ columnName }) => columnName === name);
    const isNews = kind !== "column" || this.#refused.reason(kind, ANY_COLUMN) === null;
    if (kind === "widening" && widening !== undefined) {
      this.#refused.note(kind, wideningName(widening), reason);
    } else {
      this.#refused.note(kind, kind === "column" ? ANY_COLUMN : name, reason);
    }
    if (!isNews) return;
    this.#options.log.warn(REFUSED_WORDS[kind], {
      processor_id: this.#options.processorId,
      table: this.#table?.name,
      ...(kind === "overflow" ? {} : { column: name }),
      ...(widening === undefined ? {} : { type: widening.type }),
      reason,
    });
  }

  /** Why the table can have no more columns; null while it can. */
  #closedReason(): string | null {
    const refusal = this.#refused.reason("column", ANY_COLUMN);
    if (refusal !== null) return refusal;
    return this.#columnCount < COLUMNS_MAX ? null : `the table has ${COLUMNS_MAX} columns or more`;
  }

  get #columnCount(): number {
    const columns = this.#table?.columns ?? [];
    return columns.filter(({ name }) => name !== OVERFLOW_COLUMN).length;
  }

  /** Columns that the rows need and the table lacks: `_timestamp`, then by first appearance. */
  #wantedColumns({ plan, rows, newKeys }: EncodedBatch): WantedColumn[] {
    const { settings } = this.#options;
    const wanted: WantedColumn[] = [];
    for (const { key, kinds } of newKeys) {
      const type = inferColumnType(kinds, settings);
      if (type !== null) wanted.push({ key, type });
    }
    if (plan.lacksTimestamp && rows.count > 0) {
      const type = settings.schemaMode === "text" ? "text" : "timestamptz";
      // Behind the keys, or else the last that there is room for.
      wanted.splice(COLUMNS_MAX - 1 - this.#columnCount, 0, { key: TIMESTAMP_KEY, type });
    }
    return wanted;
  }

  /** What columns of ours should become so that they hold what came. */
  #wantedWidenings({ plan, misfits }: EncodedBatch): WantedWidening[] {
    const { settings } = this.#options;
    if (settings.onTypeConflict !== "widen") return [];
    return misfits.flatMap(({ column: index, kinds }): WantedWidening[] => {
      const columnName = plan.columns[index]?.name;
      const column = this.#table?.columns.find(({ name }) => name === columnName);
      const current = column === undefined ? null : ownTypeOf(column);
      const inferred = inferColumnType(kinds, settings);
      // What jsonb does not hold is text, and text does not tell JSON strings from other values.
      if (column === undefined || current === null || current === "jsonb" || inferred === null) {
        return [];
      }
      const widening = { columnName: column.name, type: widen(current, inferred) };
      const refusal = this.#refused.reason("widening", wideningName(widening));
      return refusal === null ? [widening] : [];
    });
  }
}

const REFUSED_WORDS: Readonly<Record<RefusedChange["kind"], string>> = {
  column: "A table can have no new columns; values of new keys go to _overflow or make rejects",
  widening: "A column cannot be widened; values that it does not hold go to _overflow",
  overflow: "A table can have no column _overflow; rows that need it are rejected",
};

function wideningName({ columnName, type }: WantedWidening): string {
  return `${columnName} ${type}`;
}

function reasonOf({ columns, widenings }: Wanted): string {
  if (widenings.length > 0) return "values that a column does not hold";
  return columns.length > 0 ? "new keys in a batch" : "values that no column takes";
}
