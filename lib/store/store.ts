/**
 * The store as the rest of the program sees it: one pool of connections, and on it the catalog, the
 * tables, the ledger and the rejects. Opening it connects, makes sure that the schema `state_tables`
 * is there, and resolves where tables go; it does not wait for a database that is away.
 */
import type { Clock } from "../clock.ts";
import type { DatabaseTarget } from "../config/dsn.ts";
import { ConfigurationError } from "../errors.ts";
import type {
  ChangedTable,
  Flush,
  FlushOutcome,
  FlushPace,
  KnownMessage,
  Ledger,
  LedgerKeeper,
  Reject,
  TableChange,
  TableIdentity,
  TableStore,
} from "../ingest/ports.ts";
import type { RejectShelf } from "../ingest/kept_reject.ts";
import type { Log } from "../log.ts";
import { LookupLane } from "../lookup_lane.ts";
import type { TableDescription } from "../schema/table_description.ts";
import { PostgresCatalog } from "./catalog.ts";
import { FlushGroups } from "./flush_groups.ts";
import { FlushWriter } from "./flush_writer.ts";
import { GroupWriter } from "./group_writer.ts";
import { IndexBuilder } from "./index_builder.ts";
import { PostgresLedger } from "./ledger.ts";
import { LedgerGuard } from "./ledger_guard.ts";
import { LedgerPruner } from "./ledger_pruner.ts";
import { LedgerVacuum } from "./ledger_vacuum.ts";
import { ensureSchema } from "./migrations.ts";
import { openSession } from "./open_session.ts";
import { PostgresRejectShelf } from "./reject_shelf.ts";
import type { Session } from "./session.ts";
import { SessionPool } from "./session_pool.ts";
import { SessionWatch } from "./session_watch.ts";
import type { TlsSettings } from "./socket.ts";
import { SourceIds } from "./source_ids.ts";
import { SpanEnds } from "./span_ends.ts";
import { storeUnavailable } from "./statement_error.ts";
import { missingRoles, TableChanger } from "./table_changer.ts";
import { descriptionOf, readTables } from "./table_reader.ts";
import type { TransactionTimeouts } from "./transaction.ts";

/** Bounds of the connection pool. */
export interface PoolBounds {
  /** Connections at most, from 1. */
  readonly openMax: number;
  /** Connections kept while unused. */
  readonly idleMax: number;
  /** Age at which a connection is replaced, between two uses; Infinity for never. */
  readonly lifetimeMs: number;
  /** Time unused after which a connection is closed; Infinity for never. */
  readonly idleMs: number;
  /** Longest wait for a connection. */
  readonly acquireTimeoutMs: number;
}

/** What a store is opened with. */
export interface StoreOptions {
  readonly target: DatabaseTarget;
  readonly pool: PoolBounds;
  /** Named prepared statements; false behind a pooler in transaction mode. */
  readonly prepare: boolean;
  readonly timeouts: TransactionTimeouts;
  /** Roles that may read the tables we create. */
  readonly tableGrants: readonly string[];
  /** Tables larger than this, with indexes, are not rewritten to widen a column; 64 MiB if absent. */
  readonly rewriteBytesMax?: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Reads a PEM file. */
  readonly readFile: (path: string) => string;
}

/** An open store. */
export interface Store {
  readonly catalog: PostgresCatalog;
  readonly tables: TableStore;
  readonly ledger: Ledger;
  readonly pruner: LedgerKeeper;
  readonly rejects: RejectShelf;
  /** Schema that tables go to. */
  readonly schema: string;
  /** Waits up to `graceMs` for work under way, then ends all connections. */
  close(graceMs: number): Promise<void>;
}

const REWRITE_BYTES_MAX_DEFAULT = 64 * 1024 * 1024;

/** PostgreSQL 16 is the first whose COPY knows a marker for DEFAULT. */
const DEFAULT_MARKER_SINCE = 160_000;

/** Queries at once that describe tables: each is for all that wait. */
const DESCRIPTIONS_AT_ONCE = 2;

/** A statement is given up this long after the server should have ended it. */
const STATEMENT_SLACK_MS = 15_000;

/** A statement that takes so much longer than a lock may be waited for is looked at. */
const SUSPECT_SLACK_MS = 3_000;

/**
 * Opens the store.
 *
 * @throws {ConfigurationError} a file is missing, the role lacks rights, no schema for tables
 * @throws {StoreUnavailableError} the database cannot be used at the moment
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { target, pool: bounds, timeouts, clock, prepare } = options;
  const tls = readTls(target, options.readFile);
  const open = (): Promise<Session> => openSession({ ...target, tls, prepare, clock });
  const suspectMs = timeouts.lockMs + SUSPECT_SLACK_MS;
  const watch = new SessionWatch({ open, suspectMs, clock, log: options.log });
  const pool = new SessionPool({
    ...bounds,
    clock,
    open: () => watch.open(),
    watch,
    statementMaxMs: timeouts.statementMs + STATEMENT_SLACK_MS,
  });
  try {
    const database = await prepareDatabase(pool, options);
    return assemble({ pool, database, open, options });
  } catch (error) {
    await pool.close(0);
    throw error;
  }
}

/** What is asked once, at the start. */
interface DatabaseFacts {
  /** Where tables go. */
  readonly schema: string | null;
  /** `server_version_num`. */
  readonly version: number;
}

async function prepareDatabase(
  pool: SessionPool,
  options: StoreOptions,
): Promise<DatabaseFacts & { readonly schema: string }> {
  using lease = await pool.acquire("lookup");
  const { session } = lease;
  await ensureSchema(session, options.timeouts);
  try {
    const database = await readDatabase(session);
    const missing = await missingRoles(session, options.tableGrants);
    if (missing.length === 0) return database;
    throw new ConfigurationError([{
      key: "TABLE_GRANTS",
      rule: "every role must exist in the database",
      value: missing.join(", "),
    }]);
  } catch (error) {
    throw storeUnavailable(error, "look at the database");
  }
}

async function readDatabase(
  session: Session,
): Promise<DatabaseFacts & { readonly schema: string }> {
  const [row] = await session.queryOnce<DatabaseFacts>(
    `SELECT pg_catalog.current_schema() AS schema,
       pg_catalog.current_setting('server_version_num')::int4 AS version`,
  );
  const schema = row?.schema ?? null;
  if (row !== undefined && schema !== null) return { ...row, schema };
  throw new ConfigurationError([{
    key: "DSN",
    rule: "the role's search_path must name a schema that exists, as tables go to the first one",
  }]);
}

function assemble(parts: {
  readonly pool: SessionPool;
  readonly database: { readonly schema: string; readonly version: number };
  readonly open: () => Promise<Session>;
  readonly options: StoreOptions;
}): Store {
  const { pool, open, options } = parts;
  const { schema, version } = parts.database;
  const { timeouts, tableGrants, clock, log, prepare } = options;
  const sourceIds = new SourceIds();
  const ledger = new PostgresLedger(pool, timeouts, sourceIds, schema);
  const writing = { pool, timeouts, sourceIds, spanEnds: new SpanEnds(clock) };
  const writer = new FlushWriter(writing);
  const groups = new GroupWriter(writing);
  const flushes = new FlushGroups({
    writeOne: (flush, pace) => writer.write(flush, pace),
    writeGroup: (small) => groups.write(small),
    atOnceMax: options.pool.openMax,
    clock,
  });
  const rewriteBytesMax = options.rewriteBytesMax ?? REWRITE_BYTES_MAX_DEFAULT;
  const changer = new TableChanger({
    pool,
    timeouts,
    sourceIds,
    schema,
    tableGrants,
    rewriteBytesMax,
    clock,
    log,
  });
  const descriptions = new LookupLane<TableIdentity, TableDescription>(
    DESCRIPTIONS_AT_ONCE,
    (tables) => describe(pool, schema, tables),
  );
  const openOwn = prepare ? open : null;
  const indexes = new IndexBuilder({ pool, open: openOwn, schema, clock, log });
  const vacuum = new LedgerVacuum({ open: openOwn, clock, log });
  const pruner = new LedgerPruner({ pool, timeouts, sourceIds, vacuum });
  const guard = new LedgerGuard({ pool, timeouts, sourceIds, log });
  return {
    catalog: new PostgresCatalog(pool, timeouts),
    ledger: guardedLedger(guard, ledger),
    pruner: guardedKeeper(guard, pruner),
    rejects: new PostgresRejectShelf(pool, timeouts, guard),
    schema,
    tables: {
      supportsDefaultMarker: version >= DEFAULT_MARKER_SINCE,
      describe: (table: TableIdentity): Promise<TableDescription | null> =>
        descriptions.find(table),
      change: (change: TableChange): Promise<ChangedTable> =>
        guard.run(() => changer.change(change)),
      ensureIndexes: (table: TableIdentity, keys: readonly string[]): Promise<void> =>
        indexes.ensure(table, keys),
      write: (flush: Flush, pace?: FlushPace): Promise<FlushOutcome> =>
        guard.run(() => flushes.write(flush, pace)),
      writeRejects: (rejects: readonly Reject[]): Promise<readonly KnownMessage[]> =>
        guard.run(() => ledger.writeRejects(rejects)),
    },
    close: async (graceMs: number): Promise<void> => {
      await Promise.all([indexes.close(), pool.close(graceMs)]);
    },
  };
}

function guardedLedger(guard: LedgerGuard, ledger: Ledger): Ledger {
  return {
    position: (origin) => guard.run(() => ledger.position(origin)),
    recordStart: (origin, start) => guard.run(() => ledger.recordStart(origin, start)),
    hasProcessorTables: () => ledger.hasProcessorTables(),
  };
}

function guardedKeeper(guard: LedgerGuard, keeper: LedgerKeeper): LedgerKeeper {
  return {
    recordFloor: (floor) => guard.run(() => keeper.recordFloor(floor)),
    prune: (origin, ageMs) => guard.run(() => keeper.prune(origin, ageMs)),
    reclaim: (signal) => guard.run(() => keeper.reclaim(signal)),
  };
}

async function describe(
  pool: SessionPool,
  schema: string,
  tables: readonly TableIdentity[],
): Promise<readonly (TableDescription | null)[]> {
  // A flush waits for it.
  using lease = await pool.acquire("flush");
  try {
    const found = await readTables(lease.session, schema, tables);
    return found.map((table) => table === null ? null : descriptionOf(table));
  } catch (error) {
    const [first] = tables;
    const others = tables.length > 1 ? ` and ${tables.length - 1} others` : "";
    throw storeUnavailable(error, `look at the table ${first?.fullName}${others}`);
  }
}

function readTls(target: DatabaseTarget, readFile: (path: string) => string): TlsSettings {
  const { sslRootCertificate, sslCertificate, sslKey } = target;
  return {
    mode: target.sslMode,
    roots: sslRootCertificate === "system"
      ? "system"
      : readPem("sslrootcert", sslRootCertificate, readFile),
    certificate: readPem("sslcert", sslCertificate, readFile),
    key: readPem("sslkey", sslKey, readFile),
  };
}

function readPem(
  keyword: string,
  path: string | null,
  readFile: (path: string) => string,
): string | null {
  if (path === null) return null;
  try {
    return readFile(path);
  } catch (cause) {
    throw new ConfigurationError(
      [{ key: "DSN", rule: `${keyword} must name a file that can be read`, value: path }],
      { cause },
    );
  }
}
