/**
 * The core put together: messages of one source in at one end, settlements out at the other. Owns
 * every writer and wait in between, says when a mistake in the program shows itself, and ends in
 * order: what is held is written, or given back when the grace is over.
 */
import type { Clock } from "../clock.ts";
import { StoreUnavailableError } from "../errors.ts";
import { FastEncoder } from "../encoder/fast_encoder.ts";
import { RowBuffer } from "../encoder/row_buffer.ts";
import type { Log } from "../log.ts";
import { Background } from "./background.ts";
import type { FlushCap } from "./batch.ts";
import { Counters } from "./counters.ts";
import { FlowControl } from "./flow_control.ts";
import { Intake } from "./intake.ts";
import type { Source, StatusPublisher, TableStore } from "./ports.ts";
import type { ProcessorCatalog, ProcessorRecord } from "./processor_catalog.ts";
import type { RejectShelf } from "./kept_reject.ts";
import { ProcessorDirectory } from "./processor_directory.ts";
import { DEFAULT_PROCESSOR_SETTINGS, type SchemaDefaults } from "./processor_settings.ts";
import { RejectWriter } from "./reject_writer.ts";
import { StatusReporter } from "./status_reporter.ts";
import { StoreGate, withTurn } from "./store_gate.ts";
import { WriterCache } from "./writer_cache.ts";
import type { WriterContext } from "./writer_context.ts";

/** How often the log says what happened, in milliseconds. */
const SUMMARY_MS = 60_000;

/** Wait before parked rows are looked for again when the database was away, in milliseconds. */
const RESUME_RETRY_MS = 5_000;

/** How often a drain looks whether everything has gone, in milliseconds. */
const DRAIN_POLL_MS = 20;

/** What a flush under way may still take when the grace is over, in milliseconds. */
const ABORTED_FLUSH_MS = 500;

/** Bounds of the core. */
export interface PipelineBounds {
  readonly heldBytesMax: number;
  readonly flushCap: FlushCap;
  /** Flushes and look-ups at once: the size of the connection pool. */
  readonly turnsMax: number;
  readonly idleWriterMs: number;
  readonly catalogCacheMs: number;
}

/** What the core is wired to. */
export interface PipelineOptions {
  readonly store: TableStore;
  readonly rejects: RejectShelf;
  readonly catalog: ProcessorCatalog;
  readonly source: Source;
  /** Null when there is no monitor route: nobody is told. */
  readonly publisher: StatusPublisher | null;
  readonly bounds: PipelineBounds;
  /** Choices where a processor's properties make none; the program's own unless given. */
  readonly schemaDefaults?: SchemaDefaults;
  readonly clock: Clock;
  readonly log: Log;
}

/** The running core. */
export class Pipeline {
  readonly counters = new Counters();
  /** Rejects with the first error that only a mistake in the program explains. */
  readonly broken: Promise<never>;
  readonly #options: PipelineOptions;
  readonly #stopped = new AbortController();
  readonly #background = new Background();
  readonly #buffers: RowBuffer[] = [];
  readonly #fastEncoder: FastEncoder;
  readonly #context: WriterContext;
  readonly #directory: ProcessorDirectory;
  readonly #flow: FlowControl;
  readonly #reporter: StatusReporter;
  readonly #rejects: RejectWriter;
  readonly #writers: WriterCache;
  readonly #intake: Intake;
  readonly #summary: Disposable;
  readonly #breakdown = Promise.withResolvers<never>();
  #summarised: Record<string, number> = {};

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.broken = this.#breakdown.promise;
    // Whoever runs the service races against it; a breakdown after that has nobody left to tell.
    this.broken.catch(() => undefined);
    const { bounds, clock, log, source, publisher } = options;
    const counters = this.counters;
    this.#fastEncoder = new FastEncoder({
      counts: counters.encoding,
      onTrap: (error) => log.error("The fast encoder failed, the exact one took over", { error }),
    });
    this.#flow = new FlowControl(
      {
        heldBytesMax: bounds.heldBytesMax,
        ackPendingMax: source.limits?.maxAckPending ?? Infinity,
      },
      source,
      () => this.#writers.press(this.#flow.excess),
    );
    this.#reporter = new StatusReporter({ publisher, clock, log, counters });
    const context = this.#makeContext();
    this.#context = context;
    this.#rejects = new RejectWriter(context);
    const directory = this.#makeDirectory();
    this.#directory = directory;
    this.#writers = new WriterCache({
      context,
      idleMs: bounds.idleWriterMs,
      settingsMs: bounds.catalogCacheMs,
      ackWaitMs: source.limits?.ackWaitMs ?? null,
      ackPending: () => source.ackPending(),
      refreshSettings: (processorId) => directory.refreshProcessor(processorId),
      extendOthers: (beforeMs) => {
        this.#intake.extend(beforeMs);
        this.#rejects.extend(beforeMs);
      },
    });
    this.#intake = new Intake({
      clock,
      log,
      counters,
      fastEncoder: this.#fastEncoder,
      flow: this.#flow,
      directory,
      writers: this.#writers,
      rejects: this.#rejects,
      stopped: this.#stopped.signal,
      onBug: context.onBug,
    });
    this.#summary = clock.every(SUMMARY_MS, () => this.#summarise());
  }

  /**
   * Begins to write rows that an earlier run parked, then to take messages, which go behind them.
   * When the database is away just now, parked rows are looked for again in the background.
   */
  async start(): Promise<void> {
    const isFound = await this.#resumeParked();
    if (!isFound) this.#context.track(this.#resumeParkedLater());
    this.#options.source.start(this.#intake.accept, () => this.#flow.room);
  }

  /**
   * Stops taking messages, writes what is held, reports and settles it; after `graceMs` gives the
   * rest back. Returns whether everything was written.
   */
  async drain(graceMs: number): Promise<boolean> {
    const { clock, source } = this.#options;
    const deadlineMs = clock.monotonic() + graceMs;
    await source.stop();
    const grace = new AbortController();
    const written = await Promise.race([
      this.#settleAll().then(() => true),
      clock.delay(graceMs, grace.signal).then(() => false, () => false),
    ]);
    grace.abort();
    this.#stopped.abort(new Error("The service stopped"));
    await Promise.race([this.#idle(), clock.delay(ABORTED_FLUSH_MS)]);
    this.#intake.abandon();
    this.#writers.abandon();
    this.#rejects.abandon();
    this.#writers[Symbol.dispose]();
    this.#summary[Symbol.dispose]();
    await this.#reporter.drain(Math.max(0, deadlineMs - clock.monotonic()));
    await this.#background.idle();
    this.#summarise();
    return written;
  }

  #makeContext(): WriterContext {
    const { store, rejects, bounds, clock, log, source, schemaDefaults } = this.#options;
    return {
      store,
      rejects,
      gate: new StoreGate({ turnsMax: bounds.turnsMax, clock, log }),
      flow: this.#flow,
      reporter: this.#reporter,
      counters: this.counters,
      fastEncoder: this.#fastEncoder,
      clock,
      log,
      flushCap: bounds.flushCap,
      heldBytesMax: bounds.heldBytesMax,
      processorDefaults: { ...DEFAULT_PROCESSOR_SETTINGS, ...schemaDefaults },
      ackPendingMax: source.limits?.maxAckPending ?? Infinity,
      stopped: this.#stopped.signal,
      withBuffer: (work) => this.#withBuffer(work),
      track: (work) => this.#background.add(work.catch((error) => this.#breakdown.reject(error))),
      onBug: (error) => this.#breakdown.reject(error),
    };
  }

  #makeDirectory(): ProcessorDirectory {
    const { catalog, clock, log, bounds } = this.#options;
    return new ProcessorDirectory({
      catalog,
      lookupsMax: Math.max(1, Math.floor(bounds.turnsMax / 2)),
      clock,
      log,
      counters: this.counters,
      cacheMs: bounds.catalogCacheMs,
      onRecord: (record: ProcessorRecord) => this.#writers.configure(record),
      onBug: (error) => this.#breakdown.reject(error),
      stopped: this.#stopped.signal,
    });
  }

  /**
   * Occupies the writers of parked rows; false when the database could not be asked. A processor that
   * is gone from the catalog leaves its parked rows to the operator.
   */
  async #resumeParked(): Promise<boolean> {
    const { rejects, log } = this.#options;
    const { gate } = this.#context;
    const { signal } = this.#stopped;
    try {
      const processorIds = await withTurn(gate, () => rejects.parkedProcessors(), signal);
      for (const processorId of processorIds) {
        const record = await this.#directory.lookUp({ routeId: null, processorId });
        if (record !== null) this.#writers.writer(record).resumeParked();
        else log.warn("Parked rows of a processor that is not in the catalog", { processorId });
      }
      return true;
    } catch (error) {
      if (signal.aborted || error instanceof StoreUnavailableError) return false;
      throw error;
    }
  }

  async #resumeParkedLater(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#options.clock.delay(RESUME_RETRY_MS, signal).catch(() => undefined);
      if (await this.#resumeParked()) return;
    }
  }

  async #withBuffer<T>(work: (buffer: RowBuffer) => Promise<T>): Promise<T> {
    const buffer = this.#buffers.pop() ?? new RowBuffer();
    try {
      return await work(buffer);
    } finally {
      // Small flushes take many buffers at once: of those that grew no more are kept than usual.
      const isKept = this.#buffers.length < this.#options.bounds.turnsMax || buffer.isSmall;
      if (isKept) this.#buffers.push(buffer);
    }
  }

  /** Writes until nothing is held: look-ups may still bring deliveries to writers. */
  async #settleAll(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stopped.signal.aborted) {
      await this.#writers.drain();
      await this.#rejects.idle();
      if (this.#flow.heldMessages === 0) break;
      await clock.delay(DRAIN_POLL_MS);
    }
    await this.#background.idle();
  }

  async #idle(): Promise<void> {
    await this.#writers.idle();
    await this.#rejects.idle();
  }

  #summarise(): void {
    const now = this.counters.snapshot();
    const before = this.#summarised;
    this.#summarised = now;
    const changed = Object.entries(now)
      .map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
      .filter(([, count]) => count > 0);
    if (changed.length === 0 && this.#flow.heldMessages === 0) return;
    this.#options.log.info("Summary", {
      ...Object.fromEntries(changed),
      writers: this.#writers.size,
      held_messages: this.#flow.heldMessages,
      held_bytes: this.#flow.heldBytes,
    });
  }
}
