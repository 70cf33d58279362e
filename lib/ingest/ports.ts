/**
 * What the core needs of the outside: interfaces that the adapters in `store/` and `nats/`
 * implement. The core imports no adapter; the adapters import these types.
 */
import type { CopyFormat } from "../schema/copy_format.ts";
import type { ColumnType } from "../schema/column_type.ts";
import type { TableDescription } from "../schema/table_description.ts";
import type { EncodedRows } from "../encoder/encoded_batch.ts";
import type { IncomingMessage, MessageIdentity, StreamOrigin } from "./delivery.ts";

// --- tables --------------------------------------------------------------------------------------

/** Which table a processor's rows go to, before anybody looked which of the names exists. */
export interface TableIdentity {
  /** Full name, of any length: `<processor id>_<tableName>`, or the id alone. */
  readonly fullName: string;
  /** Used instead when it exists: the Go service's default name (contract §5). */
  readonly legacyName: string | null;
}

/** A column that is wanted for a key. */
export interface WantedColumn {
  /** The key as it stands in the records, of any length. */
  readonly key: string;
  readonly type: ColumnType;
}

/** A column that should accept more than it does. */
export interface WantedWidening {
  /** Name of the column, as the catalog spells it. */
  readonly columnName: string;
  /** The narrowest type that accepts what the column holds and what came. */
  readonly type: ColumnType;
}

/** A change a table needs before rows fit: create it, add columns, widen columns. */
export interface TableChange {
  readonly table: TableIdentity;
  /** In the order of their first appearance. */
  readonly columns: readonly WantedColumn[];
  /** Columns to be changed in place, where that is safe (design §8). */
  readonly widenings: readonly WantedWidening[];
  /** The table needs the column `_overflow` (jsonb). */
  readonly overflow: boolean;
  /** Keys to be indexed when the table is created; those without a column are left out. */
  readonly indexKeys: readonly string[];
  /** Why, for `schema_change`. */
  readonly reason: string;
  /** The message that first asked for it, if it has an identity. */
  readonly cause: MessageIdentity | null;
}

/** A part of a change that was not made, while the rest was. */
export interface RefusedChange {
  readonly kind: "column" | "widening" | "overflow";
  /** Key of the wanted column, name of the column to be widened, or `_overflow`. */
  readonly name: string;
  /** Why, in words: not ours, too large, a view depends on it, locked, not permitted. */
  readonly reason: string;
}

/** A table after a change. */
export interface ChangedTable {
  readonly table: TableDescription;
  readonly refused: readonly RefusedChange[];
}

/**
 * The messages of a flush, in stream order. A list for each property, not an object for each message:
 * there are thousands, and all would live as long as the flush.
 */
export interface FlushMessages {
  /** Of each message; distinct. Null under core NATS: no ledger entry. */
  readonly identities: readonly (MessageIdentity | null)[];
  /**
   * Index of each message's first row in `rows`, and behind the last message their number: one that
   * has no rows begins where the next does.
   */
  readonly firstRows: Uint32Array;
  /**
   * By index of the message, the id of the reject that it replays, instead of an identity: the reject
   * is deleted in the same transaction, or keeps its new reason; rows of a reject that is not there
   * any more are skipped.
   */
  readonly replays: ReadonlyMap<number, string>;
}

/** A row that can never land, or a message that is none: kept in `state_tables.rejected`. */
export interface Reject {
  readonly identity: MessageIdentity | null;
  /** Id of the reject that was replayed in vain; see {@linkcode FlushMessages.replays}. */
  readonly replayOf?: string | undefined;
  /** It is a whole message that waits for its table (design §7), not for a person. */
  readonly isParked?: boolean | undefined;
  /** Position of the record in its message, from 0; -1 for the whole message. */
  readonly ordinal: number;
  /** Records that it stands for: 1 when it is one, all of the message's when `ordinal` is -1. */
  readonly recordCount: number;
  readonly routeId: string | null;
  readonly processorId: string | null;
  /** Table it was meant for, as the catalog spells it; null when none was found. */
  readonly tableName: string | null;
  /** SQLSTATE when PostgreSQL refused it; null when we did. */
  readonly sqlState: string | null;
  /** Column concerned, when one is. */
  readonly columnName: string | null;
  /** Constraint that refused it, when one did. */
  readonly constraintName: string | null;
  /** What was wrong, in words, with what to do where that is known. */
  readonly reason: string;
  /** The record's JSON text, or the message's raw bytes when `ordinal` is -1. */
  readonly payload: Uint8Array;
  /** Time of receipt, milliseconds since the Unix epoch. */
  readonly receivedAtMs: number;
}

/** Rows of a flush that stand together and send the same columns. */
export interface FlushRun {
  /** Index of its first row in `rows`. */
  readonly firstRow: number;
  /** At least 1. */
  readonly rowCount: number;
  /** Names of the columns sent, in the order of the encoded values; may be empty. */
  readonly columns: readonly string[];
}

/** Why PostgreSQL refused one row. */
export interface RowRefusal {
  readonly sqlState: string;
  readonly columnName: string | null;
  readonly constraintName: string | null;
  /** PostgreSQL's message; holds no row data beyond what the message text itself quotes. */
  readonly reason: string;
}

/** One flush: everything that becomes durable together, in one transaction. */
export interface Flush {
  /** Null when there are no rows and no table: only the ledger is written. */
  readonly table: TableDescription | null;
  /**
   * In row order, back to back, covering all of `rows`: one in the usual case, none without rows.
   * Without {@linkcode TableStore.supportsDefaultMarker} a column with a DEFAULT is left out of the
   * runs in which its key is absent.
   */
  readonly runs: readonly FlushRun[];
  /**
   * What stands, unquoted and whole, for a value that takes the column's DEFAULT, `\D` for example;
   * null when no value does. Other values must not be spelled so. Only with
   * {@linkcode TableStore.supportsDefaultMarker}.
   */
  readonly defaultMarker: string | null;
  readonly rows: EncodedRows;
  /** Of `rows`. Binary only where every run sends columns, and without a `defaultMarker`. */
  readonly format: CopyFormat;
  readonly messages: FlushMessages;
  /**
   * False: the ledger is neither asked nor written, so that no message is known. Identities still
   * name the rejects, each of which is kept once.
   */
  readonly usesLedger: boolean;
  /** Rejects that encoding found, of messages in this flush. */
  readonly rejects: readonly Reject[];
  /** Makes the reject of a row that PostgreSQL refuses; `row` is an index into `rows`. */
  readonly rejectRow: (row: number, refusal: RowRefusal) => Reject;
}

/** What became of a flush. */
export type FlushOutcome =
  | {
    readonly kind: "committed";
    /** Rows written now. */
    readonly rowsWritten: number;
    /** Rejects written now, those found by PostgreSQL included. */
    readonly rejects: readonly Reject[];
    /**
     * Indexes of those messages that the ledger knew already: their rows were not written
     * again. With each, what `rejected` holds of it (design §4: the status repeats what was true).
     */
    readonly known: readonly KnownMessage[];
    /** Ids of rejects to be replayed that are not there any more, or that another replay has. */
    readonly gone: readonly string[];
  }
  /** The table is not what `table` says any more. Nothing was written: describe and encode again. */
  | { readonly kind: "plan-stale" }
  /** Nothing was written, as {@linkcode FlushPace.mayWrite} said. */
  | { readonly kind: "called-off" };

/**
 * How a flush follows the one before it of the same table, whose COMMIT may be under way: it may
 * prepare everything, but rows land in their order.
 */
export interface FlushPace {
  /** The flush before it of the same table is still under way. */
  readonly follows: boolean;
  /**
   * Resolves to whether rows may be written: all before are durable. False calls the flush off. True,
   * and need not be asked, when it follows none.
   */
  readonly mayWrite: Promise<boolean>;
  /** All rows are on their way and COMMIT behind them; never called where that cannot be told. */
  readonly onSent: () => void;
  /** A try failed: what follows has to wait until it is known what becomes of this flush. */
  readonly onSetback: () => void;
}

/** The pace of a flush that follows none, and that none follows. */
export const ALONE: FlushPace = {
  follows: false,
  mayWrite: Promise.resolve(true),
  onSent: () => {},
  onSetback: () => {},
};

/** A message that an earlier flush made durable. */
export interface KnownMessage {
  /** Index of the message in its flush, or into the rejects handed over. */
  readonly index: number;
  /** Its rows in `rejected`: count, and the first three reasons. */
  readonly rejectCount: number;
  readonly reasons: readonly string[];
}

/** Tables, ledger and rejects. All methods may throw {@linkcode StoreUnavailableError}. */
export interface TableStore {
  /** The table as it is now, or null when it does not exist. Never changes anything. */
  describe(table: TableIdentity): Promise<TableDescription | null>;
  /** COPY takes {@linkcode Flush.defaultMarker}: the server is PostgreSQL 16 or later. */
  readonly supportsDefaultMarker: boolean;
  /**
   * Creates the table, adds or widens columns, safe against other instances, in transactions of its
   * own; does nothing where what is wanted is there already. What cannot be had is refused while the
   * rest is done: a widening that is not safe or whose lock is not had in time, columns of a table
   * that the role may not alter.
   *
   * @throws {TableUnavailableError} the table cannot be created, is no table, or stayed locked while
   *   a column was to be added
   */
  change(change: TableChange): Promise<ChangedTable>;
  /**
   * Makes indexes for keys of a table that exists, one at a time, without keeping writers out; keys
   * without a column and columns that lead an index already are left out. Meant for the background:
   * it may take as long as reading the table takes, uses a connection beside the pool's, and leaves
   * the work to another instance that is at it. What cannot be had is logged and left; call it again
   * later.
   */
  ensureIndexes(table: TableIdentity, keys: readonly string[]): Promise<void>;
  /**
   * Writes a flush in one transaction: ledger, plan check, COPY, rejects.
   *
   * @param pace for a flush that follows another, or that is to be followed
   * @throws {TableUnavailableError} the table is locked, or refuses as a whole
   */
  write(flush: Flush, pace?: FlushPace): Promise<FlushOutcome>;
  /**
   * Keeps messages that belong to no table: `rejected` and ledger in one transaction. All have
   * ordinal -1. Answers with those known already; their index is into `rejects`.
   */
  writeRejects(rejects: readonly Reject[]): Promise<readonly KnownMessage[]>;
}

/** How far a consumer that another program made was settled while we shared it. */
export interface SharedFloor {
  /** Every message up to this stream sequence is settled; 0 before the first. */
  readonly sequence: number;
  /** When that message was stored, the server's text; null when it was not there any more. */
  readonly storedAt: string | null;
}

/** The end of what was pruned from the ledger. */
export interface PrunedFloor {
  readonly sequence: number;
  /** When the last entry at or below it was stored; nanoseconds, as in {@linkcode MessageIdentity}. */
  readonly storedNs: string;
}

/** What the ledger remembers of a stream. */
export interface LedgerPosition {
  /** The ledger has seen this origin (whatever incarnation of the consumer). */
  readonly isKnown: boolean;
  /** Where the consumer was told to begin when it was first created; null when nobody knows. */
  readonly begins: StartPosition | null;
  /** Set instead of `begins` when the last consumer was another program's. */
  readonly shared: SharedFloor | null;
  /** Entries at and below this one were pruned; null while none was. */
  readonly prunedFloor: PrunedFloor | null;
}

/** What the start needs to know of the store. */
export interface Ledger {
  position(origin: Omit<StreamOrigin, "consumerCreated">): Promise<LedgerPosition>;
  /** Remembers where a consumer of ours begins, unless that is known already. */
  recordStart(origin: Omit<StreamOrigin, "consumerCreated">, start: StartPosition): Promise<void>;
  /** A table of some processor of the catalog exists already. */
  hasProcessorTables(): Promise<boolean>;
}

/** What the consumer has settled, as one instance saw it. */
export interface AckFloor {
  readonly origin: StreamOrigin;
  /** Every message up to this stream sequence is settled; 0 before the first. */
  readonly sequence: number;
  /** Set while the consumer is another program's, which may take it along. */
  readonly shared?: SharedFloor | undefined;
}

/** Keeps the ledger small. All methods may throw {@linkcode StoreUnavailableError}. */
export interface LedgerKeeper {
  /** Remembers a floor, with the time it was seen; a shared one as the place to go on from, too. */
  recordFloor(floor: AckFloor): Promise<void>;
  /**
   * Deletes a chunk of entries below a floor that the same incarnation of the consumer had reached
   * at least `ageMs` ago: a server that dies may step back, but not so far (design §4, Pruning).
   * Answers with whether there is more to delete; false also while another instance is at it.
   */
  prune(origin: StreamOrigin, ageMs: number): Promise<boolean>;
  /**
   * Makes the space of pruned entries usable again once there is enough of it, and at the first call.
   * May take minutes; ends soon and without an error when the signal is aborted.
   */
  reclaim(signal: AbortSignal): Promise<void>;
}

// --- source --------------------------------------------------------------------------------------

/** Where a consumer that is created begins. */
export type StartPosition =
  | { readonly kind: "all" }
  | { readonly kind: "new" }
  | { readonly kind: "sequence"; readonly sequence: number }
  | { readonly kind: "time"; readonly time: Date };

/** The stream for which a consumer is about to be created. */
export interface StreamState {
  readonly origin: Omit<StreamOrigin, "consumerCreated">;
  readonly retention: "limits" | "interest" | "workqueue";
  readonly messages: number;
  /** First and last stored sequence; 0 in a stream that never had a message. */
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/**
 * When the message of a sequence was stored, the server's text; null when it is not there. Asks the
 * server, and may reject.
 */
export type StoredAt = (sequence: number) => Promise<string | null>;

/** Asked only when the consumer does not exist and must be created. */
export type ChooseStart = (stream: StreamState, storedAt: StoredAt) => Promise<StartPosition>;

/** What the consumer allows, as the server holds it; null under core NATS. */
export interface ConsumerLimits {
  readonly ackWaitMs: number;
  /** Messages delivered and not settled over all instances; Infinity when unlimited. */
  readonly maxAckPending: number;
  /** Deliveries of one message; Infinity when unlimited. */
  readonly maxDeliver: number;
}

/** Where messages come from: JetStream pull or push, or core NATS. */
export interface Source extends AsyncDisposable {
  readonly kind: "pull" | "push" | "core";
  readonly limits: ConsumerLimits | null;
  /** True when `pause` stops the flow (pull); a push source cannot. */
  readonly canPause: boolean;
  /** Begins to hand messages over, one synchronous call each, in order; asks for what has `room`. */
  start(onMessage: (message: IncomingMessage) => void, room?: () => number): void;
  /** Asks for no more; what was asked for may still come. */
  pause(): void;
  resume(): void;
  /** Messages that all instances hold unsettled, asked of the server; null under core NATS. */
  ackPending(): Promise<number | null>;
  /** What the consumer has settled, asked of the server; null under core NATS. */
  ackFloor(): Promise<AckFloor | null>;
  /** Stops asking and hands nothing over any more once it resolves. Settlements still work. */
  stop(): Promise<void>;
}

// --- status --------------------------------------------------------------------------------------

/** What the monitor is told of one route after one flush (contract §6). */
export interface RouteStatus {
  readonly routeId: string;
  readonly status: "COMPLETED" | "FAILED";
  /** In words; left out of the message when empty. */
  readonly exception: string;
  /** Small facts: counts and first reasons; null when there is nothing to say. */
  readonly data: Readonly<Record<string, unknown>> | null;
  /** `Nats-Msg-Id`, so that a repeat is stored once; null under core NATS. */
  readonly messageId: string | null;
}

/** Sends one status to the monitor. */
export interface StatusPublisher {
  /** Resolves when the monitor's stream has stored it (core NATS: when it was sent). */
  publish(status: RouteStatus): Promise<void>;
}
