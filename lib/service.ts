/**
 * Composition root: opens the store and the connections, wires the core to them, and shuts everything
 * down in order (design §10). Servers that are away at the start are waited for. It decides nothing
 * about rows.
 */
import type { Clock } from "./clock.ts";
import type { Configuration } from "./config/configuration.ts";
import type { Route } from "./config/routing.ts";
import { ConfigurationError, StoreUnavailableError } from "./errors.ts";
import { Janitor } from "./ingest/janitor.ts";
import { Pipeline, type PipelineOptions } from "./ingest/pipeline.ts";
import type { ChooseStart, StatusPublisher } from "./ingest/ports.ts";
import { RejectCap } from "./ingest/reject_cap.ts";
import { parseProcessorSettings } from "./ingest/processor_settings.ts";
import { startAdvice } from "./ingest/start_advice.ts";
import { chooseStartPosition, isPrunedUnchanged, isUnchanged } from "./ingest/start_position.ts";
import type { Log, LogFields } from "./log.ts";
import { type Connection, openConnection } from "./nats/connection.ts";
import type { NatsSource } from "./nats/nats_source.ts";
import { openSource } from "./nats/source.ts";
import { openStatusPublisher } from "./nats/status_publisher.ts";
import { retry } from "./retry.ts";
import { openStore, type Store, type StoreOptions } from "./store/store.ts";

/** Everything the service is started with. */
export interface ServiceOptions extends Configuration {
  readonly log: Log;
  readonly clock: Clock;
  /** Reads certificates, keys and credentials that settings name by path; throws when it cannot. */
  readonly readTextFile: (path: string) => string;
  /** Stop gracefully within `settings.shutdownGraceMs`. */
  readonly stop: AbortSignal;
}

/** What the core reaches the outside through. */
export type Ports = Pick<
  PipelineOptions,
  "store" | "rejects" | "catalog" | "source" | "publisher"
>;

/**
 * Puts something of its own between the core and its ports. The program has none; tests end the
 * process there, between a commit and its ack for example.
 */
export type DecoratePorts = (ports: Ports) => Ports;

/** What is told of a server that is away at the start: first, then once this long. */
const REMINDER_MS = 60_000;

/** Wait between tries at the start. */
const START_BACKOFF = { initialMs: 200, maxMs: 5_000 };

/** Wait for a connection of the pool at most: flushes take turns before they ask. */
const ACQUIRE_TIMEOUT_MS = 60_000;

/** The store's connections may take this long to end, in milliseconds. */
const STORE_CLOSE_MS = 2_000;

/** How often the consumer's health is looked at, in milliseconds. */
const HEALTH_MS = 30_000;

/**
 * Runs until `stop` is aborted, and resolves when everything is closed.
 *
 * Rejects with a ConfigurationError when what it finds at start forbids to run, and with anything
 * else for a mistake in the program.
 */
export async function runService(
  options: ServiceOptions,
  decorate: DecoratePorts = (ports) => ports,
): Promise<void> {
  try {
    await using resources = new AsyncDisposableStack();
    await serve(options, { resources, decorate });
  } catch (error) {
    // Told to stop while waiting for a server at the start: there is nothing to give back.
    if (!options.stop.aborted || error !== options.stop.reason) throw error;
  }
}

async function serve(
  options: ServiceOptions,
  { resources, decorate }: {
    readonly resources: AsyncDisposableStack;
    readonly decorate: DecoratePorts;
  },
): Promise<void> {
  const { settings, clock, log, stop, consumeRoute, monitorRoute } = options;
  const store = resources.adopt(
    await patiently("PostgreSQL", options, () => openStore(storeOptions(options))),
    (opened) => opened.close(STORE_CLOSE_MS),
  );
  await patiently("PostgreSQL", options, () => store.catalog.check());
  const connections = new Connections(options, resources);
  const connection = await connections.of(consumeRoute);
  const publisher = monitorRoute === null ? null : resources.use(
    await openMonitor(monitorRoute, await connections.of(monitorRoute), options),
  );
  const source = resources.use(await openConsumer(options, store, connection));
  const { tables, rejects, catalog } = store;
  const pipeline = new Pipeline({
    ...decorate({ store: tables, rejects, catalog, source, publisher }),
    bounds: {
      heldBytesMax: settings.heldBytesMax,
      flushCap: { rowsMax: settings.flushRowsMax, bytesMax: settings.flushBytesMax },
      turnsMax: settings.database.connectionsMax,
      idleWriterMs: settings.idleEvictionMs,
      catalogCacheMs: settings.catalogCacheMs,
    },
    schemaDefaults: settings.schema,
    clock,
    log,
  });
  using _health = watchHealth(source, options);
  const broken = Promise.withResolvers<never>();
  await using _rejectCap = new RejectCap({
    rejects: store.rejects,
    bounds: settings.rejected,
    clock,
    log,
    onBug: broken.reject,
  });
  await using _janitor = new Janitor({
    keeper: store.pruner,
    ackFloor: () => source.ackFloor(),
    isShared: () => source.isShared,
    floorAgeMs: settings.ledgerFloorAgeMs,
    clock,
    log,
    onBug: broken.reject,
  });
  await giveUpReading(options);
  await pipeline.start();
  // Core NATS keeps nothing for a subscription that it does not know yet.
  await connection.probe();
  await adviseOnce(options, store, source);
  log.info("Ready", { source: source.kind, schema: store.schema, ...limitFields(source) });
  const stopped = Promise.withResolvers<void>();
  if (stop.aborted) stopped.resolve();
  stop.addEventListener("abort", () => stopped.resolve(), { once: true });
  try {
    await Promise.race([stopped.promise, pipeline.broken, broken.promise]);
    log.info("Stopping", { grace_ms: settings.shutdownGraceMs });
  } finally {
    const isWritten = await pipeline.drain(settings.shutdownGraceMs);
    if (!isWritten) log.warn("Stopped before everything was written; the rest comes again");
  }
}

/** What opening the store needs of the service's options. */
export type StoreSurroundings = Pick<
  ServiceOptions,
  "settings" | "clock" | "log" | "readTextFile"
>;

/** Opens the store alone, as the service would; for commands that need no messages. */
export async function openServiceStore(surroundings: StoreSurroundings): Promise<Store> {
  return await openStore(storeOptions(surroundings));
}

function storeOptions({ settings, clock, log, readTextFile }: StoreSurroundings): StoreOptions {
  const { database } = settings;
  return {
    target: database.target,
    pool: {
      openMax: database.connectionsMax,
      idleMax: database.idleConnectionsMax,
      lifetimeMs: database.connectionLifetimeMs ?? Infinity,
      idleMs: database.connectionIdleMs ?? Infinity,
      acquireTimeoutMs: ACQUIRE_TIMEOUT_MS,
    },
    prepare: database.prepare,
    timeouts: { lockMs: database.lockTimeoutMs, statementMs: database.statementTimeoutMs },
    tableGrants: database.tableGrants,
    clock,
    log,
    readFile: readTextFile,
  };
}

/** Connections to NATS, one for each list of servers. */
class Connections {
  readonly #options: ServiceOptions;
  readonly #resources: AsyncDisposableStack;
  readonly #open = new Map<string, Connection>();

  constructor(options: ServiceOptions, resources: AsyncDisposableStack) {
    this.#options = options;
    this.#resources = resources;
  }

  async of(route: Route): Promise<Connection> {
    const key = route.urls.join(",");
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const { settings, clock, log, readTextFile } = this.#options;
    // Permissions that name hosts do not cover the addresses that a cluster gossips (design §13).
    const { state } = await Deno.permissions.query({ name: "net" });
    const connect = (): Promise<Connection> =>
      openConnection({
        urls: route.urls,
        settings: settings.nats,
        readFile: readTextFile,
        name: "state-tables",
        ignoreClusterUpdates: state !== "granted",
        inboxPrefix: null,
        clock,
        log,
      });
    const opened = this.#resources.use(await patiently("NATS", this.#options, connect));
    this.#open.set(key, opened);
    return opened;
  }
}

async function openMonitor(
  route: Route,
  connection: Connection,
  options: ServiceOptions,
): Promise<StatusPublisher & Disposable> {
  const { clock, log } = options;
  return await patiently(
    "the monitor's stream",
    options,
    () => openStatusPublisher({ connection, route, clock, log }),
  );
}

async function openConsumer(
  options: ServiceOptions,
  store: Store,
  connection: Connection,
): Promise<NatsSource> {
  const { consumeRoute: route, settings, clock, log } = options;
  let wasAttached = false;
  const chooseStart: ChooseStart = async (stream, storedAt) => {
    const ledger = await store.ledger.position(stream.origin);
    const hasProcessorTables = await store.ledger.hasProcessorTables();
    const start = chooseStartPosition({
      stream,
      ledger,
      startFrom: settings.startFrom,
      hasProcessorTables,
      wasAttached,
      isSharedFloorUnchanged: !wasAttached || ledger.shared === null ||
        await isUnchanged(ledger.shared, stream, storedAt),
      isPrunedFloorUnchanged: ledger.prunedFloor === null ||
        await isPrunedUnchanged(ledger.prunedFloor, stream, storedAt),
    });
    await store.ledger.recordStart(stream.origin, start);
    log.info("Creating the consumer", { stream: stream.origin.stream, begins_at: start });
    return start;
  };
  const source = await patiently(
    "the consumer",
    options,
    () => openSource({ connection, route, chooseStart, clock, log }),
  );
  wasAttached = true;
  return source;
}

/** Says when the consumer delivers nothing and why, once for each change. */
function watchHealth(source: NatsSource, { clock, log }: ServiceOptions): Disposable {
  let last: string | null = null;
  return clock.every(HEALTH_MS, () => {
    source.health().then((sentence) => {
      if (sentence !== null && sentence !== last) log.error(sentence);
      last = sentence;
      // The server does not answer: the connection has said so already.
    }, () => undefined);
  });
}

/**
 * All files are read by now, but for a credentials file, which may be renewed. The permission to
 * read variables stays: the client of PostgreSQL asks for some at each new connection.
 */
async function giveUpReading({ settings }: ServiceOptions): Promise<void> {
  if (settings.nats.credentials?.kind === "credentials-file") return;
  await Deno.permissions.revoke({ name: "read" });
}

/** Says at the start what cannot work well as it is set; never a reason not to run. */
async function adviseOnce(
  { log, consumeRoute }: ServiceOptions,
  store: Store,
  { limits, streamLimits }: NatsSource,
): Promise<void> {
  if (limits === null || streamLimits === null) return;
  try {
    const processors = await store.catalog.listProcessors(consumeRoute.selector);
    const settings = processors.map((one) => parseProcessorSettings(one.properties).settings);
    const facts = { consumer: limits, stream: streamLimits, processors: settings };
    for (const sentence of startAdvice(facts)) log.warn(sentence);
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    log.debug("Cannot look at the processors' settings", { reason: error.message });
  }
}

function limitFields({ limits }: NatsSource): LogFields {
  if (limits === null) return {};
  return {
    ack_wait_ms: limits.ackWaitMs,
    max_ack_pending: limits.maxAckPending,
    max_deliver: limits.maxDeliver,
  };
}

/** Repeats a step of the start until its server is there; logs the first failure and reminders. */
async function patiently<T>(
  what: string,
  { clock, log, stop }: ServiceOptions,
  step: () => Promise<T>,
): Promise<T> {
  let remindAtMs = 0;
  return await retry(() => unlessStopped(step(), stop), {
    clock,
    signal: stop,
    backoff: START_BACKOFF,
    isRetriable: (error) => !(error instanceof ConfigurationError) && isServerError(error),
    onRetry: (error, attempt) => {
      const nowMs = clock.monotonic();
      if (nowMs < remindAtMs) return;
      remindAtMs = nowMs + REMINDER_MS;
      const reason = error instanceof Error ? error.message : String(error);
      log.warn(`Waiting for ${what}`, { reason, tries: attempt });
    },
  });
}

/** Rejects when told to stop, without waiting for a server that does not answer. */
async function unlessStopped<T>(step: Promise<T>, stop: AbortSignal): Promise<T> {
  const stopped = Promise.withResolvers<never>();
  const onStop = (): void => stopped.reject(stop.reason);
  stop.addEventListener("abort", onStop, { once: true });
  try {
    stop.throwIfAborted();
    return await Promise.race([step, stopped.promise]);
  } finally {
    stop.removeEventListener("abort", onStop);
    // Nobody waits any more for a step that was left behind; the process ends.
    step.catch(() => undefined);
  }
}

/** False for what the language throws at a mistake in the program. */
function isServerError(error: unknown): boolean {
  return !(error instanceof TypeError || error instanceof ReferenceError ||
    error instanceof RangeError || error instanceof SyntaxError);
}
