/**
 * Finds the processor a message belongs to: a cache before the catalog. An answer is good for half a
 * minute, then it is used once more while a fresh one is fetched, because people change settings
 * while data flows; concurrent look-ups of one key share one query; a miss is remembered briefly.
 */
import type { Clock } from "../clock.ts";
import { StoreUnavailableError } from "../errors.ts";
import type { Counters } from "./counters.ts";
import type { ProcessorCatalog, ProcessorRecord } from "./ports.ts";
import { type StoreGate, withTurn } from "./store_gate.ts";

/** Answers kept at most; beyond it the oldest goes. */
const ENTRIES_MAX = 50_000;

/** A miss is good for this long, in milliseconds: the row may be created a moment later. */
const MISS_MS = 2_000;

/** How a message names its processor. */
export interface ProcessorKey {
  readonly routeId: string | null;
  readonly processorId: string | null;
}

interface Entry {
  readonly record: ProcessorRecord | null;
  readonly foundAtMs: number;
}

/** What the directory needs. */
export interface DirectoryOptions {
  readonly catalog: ProcessorCatalog;
  readonly gate: StoreGate;
  readonly clock: Clock;
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
  readonly #underWay = new Map<string, Promise<ProcessorRecord | null>>();

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  /**
   * The processor if the cache knows it, null for a fresh miss, undefined when it must be looked up.
   * An answer past its time is given once more and fetched anew meanwhile.
   */
  peek(key: ProcessorKey): ProcessorRecord | null | undefined {
    const name = keyName(key);
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    const ageMs = this.#options.clock.monotonic() - entry.foundAtMs;
    if (entry.record === null) return ageMs < MISS_MS ? null : undefined;
    if (ageMs >= this.#options.cacheMs) this.#refresh(key);
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
    if (this.#options.gate.isOutage || this.#underWay.has(keyName(key))) return;
    this.lookUp(key).catch((error) => {
      if (error instanceof StoreUnavailableError || this.#options.stopped.aborted) return;
      this.#options.onBug(error);
    });
  }

  async #ask(name: string, key: ProcessorKey): Promise<ProcessorRecord | null> {
    const { catalog, gate, clock, counters, onRecord, stopped } = this.#options;
    const record = await withTurn(gate, () => {
      counters.lookups++;
      return catalog.findProcessor(key.routeId, key.processorId);
    }, stopped);
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
