/**
 * Replays rejects: reads them again as what they are, records or whole messages, and writes what fits
 * now by the code of every flush. A reject leaves `rejected` in the transaction that writes its rows,
 * so replays may run at once, be repeated and be killed. Nobody is told of statuses: there is no
 * message to settle.
 */
import { JsonScanner } from "../encoder/json_scanner.ts";
import { RowBuffer } from "../encoder/row_buffer.ts";
import type { Clock } from "../clock.ts";
import { TableUnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import { Counters } from "./counters.ts";
import type { Delivery } from "./delivery.ts";
import { unknownReason } from "./intake.ts";
import { keptDelivery, type KeptParts, messageParts } from "./kept_delivery.ts";
import type { KeptReject, RejectFilter, RejectShelf } from "./kept_reject.ts";
import type { Flush, FlushOutcome, TableStore } from "./ports.ts";
import type { ProcessorCatalog, ProcessorRecord } from "./processor_catalog.ts";
import {
  DEFAULT_PROCESSOR_SETTINGS,
  parseProcessorSettings,
  type SchemaDefaults,
} from "./processor_settings.ts";
import { TableWriter } from "./table_writer.ts";

/**
 * Rejects in one flush. Most of them may still be refused, and isolating that many takes fewer probes
 * than the store's verdict "it is the table and not the rows".
 */
const REJECTS_PER_FLUSH = 64;

/** Payload bytes read at once. */
const PAGE_BYTES_MAX = 8 * 1024 * 1024;

/** Containers around a record in its message: the message and the list. */
const RECORD_DEPTH = 2;

/** What a replay needs. */
export interface ReplayOptions {
  readonly catalog: ProcessorCatalog;
  readonly store: TableStore;
  readonly rejects: RejectShelf;
  readonly clock: Clock;
  readonly log: Log;
  /** Choices where a processor's properties make none; the program's own unless given. */
  readonly schemaDefaults?: SchemaDefaults;
  /** Ends the replay between two flushes. */
  readonly stop: AbortSignal;
  /** Told why rejects stay as they are: a table that cannot be written, malformed properties. */
  readonly onLeft: (sentence: string) => void;
}

/** What a replay did. */
export interface ReplayCounts {
  /** Rejects that are rows now, and the rows. */
  readonly moved: number;
  readonly rows: number;
  /** Rejects that still do not fit; with a message that was kept whole, some of its records. */
  readonly stayed: number;
  /** Rejects that somebody else replayed or purged meanwhile. */
  readonly gone: number;
}

interface Tally {
  moved: number;
  rows: number;
  stayed: number;
  gone: number;
}

/** A reject with what it needs to become rows. */
interface Replayable {
  readonly record: ProcessorRecord;
  readonly delivery: Delivery;
}

/**
 * Replays what the filter chooses of the rejects that are there now, the oldest first, at most
 * `rejectsMax`; parked rows are left alone.
 *
 * @throws {StoreUnavailableError} the database cannot be used; what was moved stays moved
 */
export async function replayRejects(
  filter: RejectFilter,
  rejectsMax: number,
  options: ReplayOptions,
): Promise<ReplayCounts> {
  const chosen: RejectFilter = { ...filter, state: "rejected" };
  const { lastId } = await options.rejects.count(chosen);
  const run = new ReplayRun(options);
  let afterId = "0";
  for (let left = rejectsMax; left > 0 && !options.stop.aborted;) {
    const rowsMax = Math.min(left, REJECTS_PER_FLUSH);
    const page = { afterId, lastId, rowsMax, bytesMax: PAGE_BYTES_MAX };
    const rejects = await options.rejects.read(chosen, page);
    const last = rejects.at(-1);
    if (last === undefined) break;
    await run.replay(rejects);
    afterId = last.id;
    left -= rejects.length;
  }
  return run.tally;
}

class ReplayRun {
  readonly tally: Tally = { moved: 0, rows: 0, stayed: 0, gone: 0 };
  readonly #options: ReplayOptions;
  readonly #buffer = new RowBuffer();

  constructor(options: ReplayOptions) {
    this.#options = options;
  }

  async replay(rejects: readonly KeptReject[]): Promise<void> {
    const byProcessor = new Map<string, Replayable[]>();
    for (const reject of rejects) {
      const replayable = await this.#read(reject);
      if (replayable === null) continue;
      const { processorId } = replayable.record;
      const group = byProcessor.get(processorId);
      if (group === undefined) byProcessor.set(processorId, [replayable]);
      else group.push(replayable);
    }
    for (const group of byProcessor.values()) await this.#write(group);
  }

  /** Null when it can be no row's message yet; then its reason is said anew. */
  async #read(reject: KeptReject): Promise<Replayable | null> {
    const { routeId, processorId } = reject;
    const parts = reject.ordinal < 0
      ? messageParts(reject)
      : recordParts(reject, { routeId, processorId });
    if ("fault" in parts) return await this.#stay(reject, parts.fault);
    // A row goes where it was meant to go, whatever its route leads to by now.
    const lookUpRoute = reject.ordinal < 0 ? parts.routeId : null;
    const record = await this.#options.catalog.findProcessor(lookUpRoute, parts.processorId);
    if (record === null) {
      const key = { routeId: lookUpRoute, processorId: parts.processorId };
      return await this.#stay(reject, unknownReason(key));
    }
    return { record, delivery: keptDelivery(reject, parts, this.#options.clock) };
  }

  async #stay(reject: KeptReject, reason: string): Promise<null> {
    await this.#options.rejects.restate(reject.id, reason);
    this.tally.stayed++;
    return null;
  }

  async #write(group: readonly Replayable[]): Promise<void> {
    const [first] = group;
    if (first === undefined) return;
    const { processorId, properties } = first.record;
    const { store, clock, log, schemaDefaults } = this.#options;
    const { settings, faults: [fault] } = parseProcessorSettings(properties, {
      defaults: { ...DEFAULT_PROCESSOR_SETTINGS, ...schemaDefaults },
    });
    // The service has last good settings; here a default might name another table.
    if (fault !== undefined) {
      return this.#leave(group, `Cannot replay into the table of ${processorId} as its ${fault}`);
    }
    const recorder = new OutcomeRecorder(store);
    const writer = new TableWriter({
      processorId,
      settings,
      store: recorder.store,
      counters: new Counters(),
      fastEncoder: null,
      clock,
      log,
    });
    try {
      await writer.flush(group.map(({ delivery }) => delivery), this.#buffer, []);
    } catch (error) {
      if (!(error instanceof TableUnavailableError)) throw error;
      return this.#leave(group, error.message);
    }
    this.#count(group, recorder.committed);
  }

  #leave(group: readonly Replayable[], sentence: string): void {
    this.tally.stayed += group.length;
    this.#options.onLeft(sentence);
  }

  #count(group: readonly Replayable[], outcome: Committed | null): void {
    if (outcome === null) throw new TypeError("Cannot count a flush that was not committed");
    const gone = new Set(outcome.gone);
    const stayed = new Set(outcome.rejects.map(({ replayOf }) => replayOf));
    this.tally.rows += outcome.rowsWritten;
    for (const { delivery: { replayOf } } of group) {
      if (replayOf !== undefined && gone.has(replayOf)) this.tally.gone++;
      else if (stayed.has(replayOf)) this.tally.stayed++;
      else this.tally.moved++;
    }
  }
}

type Committed = Extract<FlushOutcome, { kind: "committed" }>;

/** The store, and what it answered to the last flush: the writer's report speaks of routes only. */
class OutcomeRecorder {
  committed: Committed | null = null;
  readonly store: TableStore;

  constructor(store: TableStore) {
    this.store = {
      ...store,
      write: async (flush: Flush): Promise<FlushOutcome> => {
        const outcome = await store.write(flush);
        if (outcome.kind === "committed") this.committed = outcome;
        return outcome;
      },
    };
  }
}

type Parts = KeptParts | { readonly fault: string };

const scanner = new JsonScanner();

/** Somebody may have mended the record by hand: it is looked at like one that just came. */
function recordParts(
  { payload }: KeptReject,
  key: { readonly routeId: string | null; readonly processorId: string | null },
): Parts {
  scanner.open(payload);
  try {
    const recordsStart = scanner.skipSpace(0);
    const recordsEnd = scanner.scanValue(recordsStart, RECORD_DEPTH);
    if (recordsEnd !== -1 && scanner.skipSpace(recordsEnd) < payload.length) {
      scanner.fail("something stands behind the record", recordsEnd);
    }
    if (scanner.fault !== "") {
      return { fault: `Cannot read the record as it is not valid JSON: ${scanner.fault}` };
    }
    return { ...key, recordsStart, recordsEnd, isList: false, recordCount: 1 };
  } finally {
    scanner.close();
  }
}
