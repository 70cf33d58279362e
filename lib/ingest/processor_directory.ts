/**
 * Finds the processor a message belongs to: a cache before the catalog. An answer is good for half a
 * minute, then it is used once more while a fresh one is fetched, because people change settings
 * while data flows; concurrent look-ups of one key share one answer; a miss is remembered briefly.
 */
import type { Clock } from "../clock.ts";
import { StoreUnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import { LookupLane } from "../lookup_lane.ts";
import type { Counters } from "./counters.ts";
import type { ProcessorCatalog, ProcessorKey, ProcessorRecord } from "./processor_catalog.ts";

/** Answers kept at most; beyond it the oldest goes. */
const ENTRIES_MAX = 50_000;

/** A miss is good for this long, in milliseconds: the row may be created a moment later. */
const MISS_MS = 2_000;

/** A failing catalog is mentioned again after this long, in milliseconds. */
const REMINDER_MS = 60_000;

/** Wait before an answer is fetched anew that could not be fetched, in milliseconds. */
const REFRESH_RETRY_MS = 5_000;

interface Entry {
  readonly record: ProcessorRecord | null;
  readonly foundAtMs: number;
}

/** What the directory needs. */
export interface DirectoryOptions {
  readonly catalog: ProcessorCatalog;
  /** Queries at once: they must leave connections to the flushes. */
  readonly lookupsMax: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
  /** How long an answer is good, in milliseconds. */
  readonly cacheMs: number;
  /** Told of every answer, so that a writer's settings follow the catalog. */
  readonly onRecord: (record: ProcessorRecord) => void;
  /** Told of an error that is no outage. */
  readonly onBug: (error: unknown) => void;
  /** Ends waiting for the store. */
  readonly stopped: AbortSignal;
}

/** The cache. */
export class ProcessorDirectory {
  readonly #options: DirectoryOptions;
  readonly #entries = new Map<string, Entry>();
  /** Keys whose refresh failed, and when to try again (monotonic). */
  readonly #refreshAfterMs = new Map<string, number>();
  readonly #underWay = new Map<string, Promise<ProcessorRecord | null>>();
  readonly #lane: LookupLane<ProcessorKey, ProcessorRecord>;
  #remindAtMs = 0;

  constructor(options: DirectoryOptions) {
    this.#options = options;
    this.#lane = new LookupLane(options.lookupsMax, (keys) => {
      options.stopped.throwIfAborted();
      options.counters.lookups += keys.length;
      return options.catalog.findProcessors(keys);
    });
  }

  /**
   * The processor if the cache knows it, null for a fresh miss, undefined when it must be looked up.
   * An answer past its time is given once more and fetched anew meanwhile. `nowMs` is monotonic.
   *
   * @param key is the caller's again afterwards
   */
  peek(key: ProcessorKey, nowMs: number): ProcessorRecord | null | undefined {
    const name = keyName(key);
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    const ageMs = nowMs - entry.foundAtMs;
    if (entry.record === null) return ageMs < MISS_MS ? null : undefined;
    const { routeId, processorId } = key;
    if (ageMs >= this.#options.cacheMs) this.#refresh({ routeId, processorId });
    return entry.record;
  }

  /**
   * Asks the catalog, sharing a query that is under way.
   *
   * @throws {StoreUnavailableError} the catalog cannot be asked at the moment
   */
  lookUp(key: ProcessorKey): Promise<ProcessorRecord | null> {
    const name = keyName(key);
    const underWay = this.#underWay.get(name);
    if (underWay !== undefined) return underWay;
    const lookup = this.#ask(name, key).finally(() => this.#underWay.delete(name));
    this.#underWay.set(name, lookup);
    return lookup;
  }

  /** Fetches an answer anew, in the background. An outage leaves the old answer in force. */
  refreshProcessor(processorId: string): void {
    this.#refresh({ routeId: null, processorId });
  }

  #refresh(key: ProcessorKey): void {
    const name = keyName(key);
    const nowMs = this.#options.clock.monotonic();
    if (this.#underWay.has(name) || nowMs < (this.#refreshAfterMs.get(name) ?? 0)) return;
    this.lookUp(key).then(() => this.#refreshAfterMs.delete(name), (error) => {
      if (this.#refreshAfterMs.size >= ENTRIES_MAX) this.#refreshAfterMs.clear();
      this.#refreshAfterMs.set(name, this.#options.clock.monotonic() + REFRESH_RETRY_MS);
      if (this.#options.stopped.aborted) return;
      if (!(error instanceof StoreUnavailableError)) return this.#options.onBug(error);
      this.#logFailure(error);
    });
  }

  #logFailure(error: StoreUnavailableError): void {
    const { clock, log } = this.#options;
    if (clock.monotonic() < this.#remindAtMs) return;
    this.#remindAtMs = clock.monotonic() + REMINDER_MS;
    log.warn("Cannot look processors up again; their last settings hold", {
      reason: error.message,
      sql_state: error.sqlState,
    });
  }

  async #ask(name: string, key: ProcessorKey): Promise<ProcessorRecord | null> {
    const { clock, onRecord } = this.#options;
    const record = await this.#lane.find(key);
    this.#refreshAfterMs.delete(name);
    this.#entries.delete(name);
    if (this.#entries.size >= ENTRIES_MAX) {
      const oldest = this.#entries.keys().next();
      if (!oldest.done) this.#entries.delete(oldest.value);
    }
    this.#entries.set(name, { record, foundAtMs: clock.monotonic() });
    if (record !== null) onRecord(record);
    return record;
  }
}

/** One text per key; a route id cannot hold NUL, which PostgreSQL refuses. */
export function keyName(key: ProcessorKey): string {
  return key.processorId === null ? key.routeId ?? "" : `${key.routeId ?? ""}\0${key.processorId}`;
}
