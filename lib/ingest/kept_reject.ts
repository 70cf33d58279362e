/**
 * Rejects as they are kept in `state_tables.rejected`: what a row of it holds, how rows are chosen,
 * and what the core and the command line need of the place that keeps them. The store implements it.
 */

/** `rejected` waits for a person; `parked` rows are written by the program itself (design §7). */
export const REJECT_STATES = ["rejected", "parked"] as const;

/** One of {@linkcode REJECT_STATES}. */
export type RejectState = typeof REJECT_STATES[number];

/** Which rejects; what is null does not narrow the choice. */
export interface RejectFilter {
  /** Ids, decimal digits. */
  readonly ids: readonly string[] | null;
  readonly processorId: string | null;
  readonly tableName: string | null;
  readonly routeId: string | null;
  /** Part of the reason, in any case. */
  readonly reasonPart: string | null;
  readonly state: RejectState | null;
  /** Kept for at least so long, in milliseconds. */
  readonly ageMinMs: number | null;
  /** Kept for at most so long, in milliseconds. */
  readonly ageMaxMs: number | null;
}

/** Every reject. */
export const ANY_REJECT: RejectFilter = {
  ids: null,
  processorId: null,
  tableName: null,
  routeId: null,
  reasonPart: null,
  state: null,
  ageMinMs: null,
  ageMaxMs: null,
};

/** Where a kept message came from. */
export interface RejectOrigin {
  readonly stream: string;
  readonly consumer: string;
  /** The stream's creation time, the server's text verbatim. */
  readonly streamCreated: string;
  /** Decimal digits. */
  readonly sequence: string;
  /** Nanoseconds since the Unix epoch, decimal digits. */
  readonly storedNs: string;
}

/** A reject without its payload. */
export interface RejectSummary {
  /** Decimal digits; ids grow. */
  readonly id: string;
  readonly keptAt: Date;
  readonly receivedAt: Date;
  readonly state: RejectState;
  /** Null under core NATS. */
  readonly origin: RejectOrigin | null;
  /** Position of the record in its message, from 0; -1 for the whole message. */
  readonly ordinal: number;
  readonly routeId: string | null;
  readonly processorId: string | null;
  readonly tableName: string | null;
  readonly sqlState: string | null;
  readonly columnName: string | null;
  readonly constraintName: string | null;
  readonly reason: string;
  readonly payloadBytes: number;
}

/** A reject with everything that is kept of it. */
export interface KeptReject extends RejectSummary {
  /** The record's JSON text, or the message's raw bytes when `ordinal` is -1. */
  readonly payload: Uint8Array;
}

/** A bound on what is read at once; the first reject is read whatever its size. */
export interface RejectPage {
  /** Only ids behind this one; decimal digits. */
  readonly afterId: string;
  /** Only ids up to this one; decimal digits. */
  readonly lastId: string;
  readonly rowsMax: number;
  readonly bytesMax: number;
}

/** What a choice amounts to. */
export interface RejectCount {
  readonly rejects: number;
  /** The highest id; "0" when there is none. Later ones are no part of the choice. */
  readonly lastId: string;
}

/** Bounds within which rejects are kept; parked rows do not count and never go. */
export interface RejectBounds {
  readonly ageMaxMs: number;
  /** Payloads and reasons together, as they are stored. */
  readonly bytesMax: number;
}

/** What a trim dropped. */
export interface TrimmedRejects {
  readonly forAge: number;
  readonly forSize: number;
}

/** The place that keeps rejects. All methods may throw {@linkcode StoreUnavailableError}. */
export interface RejectShelf {
  /** The newest first. */
  list(filter: RejectFilter, rowsMax: number): Promise<readonly RejectSummary[]>;
  /** The oldest first, with payloads. */
  read(filter: RejectFilter, page: RejectPage): Promise<readonly KeptReject[]>;
  count(filter: RejectFilter): Promise<RejectCount>;
  /** Ids of the processors that have parked rows. */
  parkedProcessors(): Promise<readonly string[]>;
  /**
   * Deletes the oldest of the choice, one chunk in one transaction; answers with how many, 0 when
   * none is left. Rejects that a replay holds are left to it.
   */
  purge(filter: RejectFilter, bounds: { lastId: string; rowsMax: number }): Promise<number>;
  /** Keeps a reject as it is but for a new reason; nothing happens when it is not there any more. */
  restate(id: string, reason: string): Promise<void>;
  /**
   * Drops rejects beyond the bounds, the oldest first, in chunks, behind flushes; does nothing while
   * another instance is at it. An abort ends it between two chunks.
   */
  trim(bounds: RejectBounds, stop: AbortSignal): Promise<TrimmedRejects>;
}
