/**
 * What the store's tests share: a store on a database of its own, messages and rows to write, and
 * the number of the backend that holds a transaction, for tests that end it.
 */
import type postgres from "postgres";
import { type Clock, systemClock } from "../../../lib/clock.ts";
import { parseDsn } from "../../../lib/config/dsn.ts";
import type { EncodedRows } from "../../../lib/encoder/encoded_batch.ts";
import type { MessageIdentity, StreamOrigin } from "../../../lib/ingest/delivery.ts";
import type {
  Flush,
  FlushOutcome,
  FlushRun,
  Reject,
  TableIdentity,
} from "../../../lib/ingest/ports.ts";
import type { Log, LogFields } from "../../../lib/log.ts";
import type { TableDescription } from "../../../lib/schema/table_description.ts";
import { openSession } from "../../../lib/store/open_session.ts";
import type { Session } from "../../../lib/store/session.ts";
import { openStore, type Store, type StoreOptions } from "../../../lib/store/store.ts";
import { createCatalog } from "../../../dev/servers/catalog.ts";
import type { PostgresAccess } from "../../../dev/servers/postgres_server.ts";
import { type FreshDatabase, freshDatabase, sharedPostgres } from "../../support/servers.ts";

const BOTH = [
  ["18", await sharedPostgres("18")],
  ["15", await sharedPostgres("15")],
] as const;

/** A store on a fresh database that has the catalog's tables. */
export interface StoreFixture extends AsyncDisposable {
  readonly database: FreshDatabase;
  /** Another client of the same database. */
  readonly sql: postgres.Sql;
  readonly store: Store;
  readonly log: RecordingLog;
}

/** Options that a test changes. */
export type StoreOverrides = Partial<Omit<StoreOptions, "pool">> & {
  readonly pool?: Partial<StoreOptions["pool"]>;
};

/** Opens a store on a database of its own. */
export async function openFixture(
  server: PostgresAccess,
  overrides: StoreOverrides = {},
): Promise<StoreFixture> {
  const database = await freshDatabase(server);
  await createCatalog(database.sql);
  const log = new RecordingLog();
  const store = await openStore(storeOptions(database.dsn, { log, ...overrides }));
  return {
    database,
    sql: database.sql,
    store,
    log,
    async [Symbol.asyncDispose](): Promise<void> {
      await store.close(5_000);
      await database[Symbol.asyncDispose]();
    },
  };
}

/** Options for a store on `dsn`. */
export function storeOptions(dsn: string, overrides: StoreOverrides = {}): StoreOptions {
  const { pool, ...others } = overrides;
  return {
    target: parseDsn(dsn),
    prepare: true,
    timeouts: { lockMs: 5_000, statementMs: 30_000 },
    tableGrants: [],
    clock: systemClock,
    log: new RecordingLog(),
    readFile: (path) => Deno.readTextFileSync(path),
    ...others,
    pool: {
      openMax: 4,
      idleMax: 4,
      lifetimeMs: Infinity,
      idleMs: Infinity,
      acquireTimeoutMs: 20_000,
      ...pool,
    },
  };
}

/** A session outside of any store. */
export async function openTestSession(
  dsn: string,
  clock: Clock = systemClock,
): Promise<Session> {
  return await openSession({
    ...parseDsn(dsn),
    tls: { mode: "disable", roots: null, certificate: null, key: null },
    prepare: true,
    clock,
  });
}

/** Keeps what was logged. */
export class RecordingLog implements Log {
  readonly lines: { readonly message: string; readonly fields: LogFields }[] = [];

  debug(message: string, fields: LogFields = {}): void {
    this.lines.push({ message, fields });
  }
  info(message: string, fields: LogFields = {}): void {
    this.lines.push({ message, fields });
  }
  warn(message: string, fields: LogFields = {}): void {
    this.lines.push({ message, fields });
  }
  error(message: string, fields: LogFields = {}): void {
    this.lines.push({ message, fields });
  }
}

/** A stream as a consumer reads it. */
export const ORIGIN: StreamOrigin = {
  consumer: "processor_transformer_state_tables",
  filter: "",
  stream: "processor_transformer_state_tables",
  created: "2026-11-24T10:00:00.123456789Z",
  consumerCreated: "2026-11-24T10:00:01Z",
};

/** The identity of a message with this sequence. */
export function identity(sequence: number, origin: StreamOrigin = ORIGIN): MessageIdentity {
  return { origin, sequence, storedSeconds: 1_763_976_000, storedFraction: sequence };
}

/** Rows of COPY text as an encoder would hand them over. */
export function encodeLines(lines: readonly string[]): EncodedRows {
  const encoder = new TextEncoder();
  const parts = lines.map((line) => encoder.encode(`${line}\n`));
  const ends = new Uint32Array(lines.length);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const [index, part] of parts.entries()) {
    bytes.set(part, at);
    ends[index] = at += part.length;
  }
  return { bytes, count: lines.length, ends };
}

/** A flush of messages, each with rows of COPY text. */
export function flushOf(
  table: TableDescription,
  messages: readonly {
    readonly sequence: number | null;
    readonly rows: readonly string[];
    readonly origin?: StreamOrigin;
  }[],
  options: {
    readonly columns?: readonly string[];
    readonly runs?: readonly FlushRun[];
    readonly defaultMarker?: string;
    readonly rejects?: readonly Reject[];
    readonly usesLedger?: boolean;
  } = {},
): Flush {
  const ordinals: { readonly identity: MessageIdentity | null; readonly ordinal: number }[] = [];
  const identities = messages.map(({ sequence, origin }) =>
    sequence === null ? null : identity(sequence, origin)
  );
  const firstRows = new Uint32Array(messages.length + 1);
  for (const [index, { rows }] of messages.entries()) {
    firstRows[index + 1] = (firstRows[index] ?? 0) + rows.length;
    ordinals.push(...rows.map((_, ordinal) => ({ identity: identities[index] ?? null, ordinal })));
  }
  const lines = messages.flatMap(({ rows }) => rows);
  return {
    table,
    runs: options.runs ?? (lines.length === 0 ? [] : [{
      firstRow: 0,
      rowCount: lines.length,
      columns: options.columns ?? table.columns.map((column) => column.name),
    }]),
    defaultMarker: options.defaultMarker ?? null,
    rows: encodeLines(lines),
    format: "text",
    messages: { identities, firstRows, replays: new Map() },
    usesLedger: options.usesLedger ?? true,
    rejects: options.rejects ?? [],
    rejectRow: (row, refusal) => ({
      ...rejectOf(ordinals[row]?.identity ?? null, ordinals[row]?.ordinal ?? 0),
      ...refusal,
      tableName: table.name,
      payload: new TextEncoder().encode(JSON.stringify({ line: lines[row] })),
    }),
  };
}

/** A reject of ours. */
export function rejectOf(id: MessageIdentity | null, ordinal: number): Reject {
  return {
    identity: id,
    ordinal,
    recordCount: 1,
    routeId: "state-1:processor-1",
    processorId: "processor-1",
    tableName: null,
    sqlState: null,
    columnName: null,
    constraintName: null,
    reason: "the record is no object",
    payload: new TextEncoder().encode(ordinal < 0 ? "no json" : "[1]"),
    receivedAtMs: Date.UTC(2026, 10, 24),
  };
}

/** A table without a legacy name. */
export function named(fullName: string): TableIdentity {
  return { fullName, legacyName: null };
}

/** The table as it is now; it must exist. */
export async function describeTable(store: Store, fullName: string): Promise<TableDescription> {
  const table = await store.tables.describe(named(fullName));
  if (table === null) throw new Error(`no table ${fullName}`);
  return table;
}

/** The outcome of a flush that must have been committed. */
export function committed(outcome: FlushOutcome): Extract<FlushOutcome, { kind: "committed" }> {
  if (outcome.kind !== "committed") throw new Error(`outcome is ${outcome.kind}`);
  return outcome;
}

/** An essential test, on the current PostgreSQL and on the oldest one that tests run. */
export function testOnBoth(name: string, body: (fixture: StoreFixture) => Promise<void>): void {
  for (const [version, server] of BOTH) {
    Deno.test(`${name} (PostgreSQL ${version})`, async () => {
      await using fixture = await openFixture(server);
      await body(fixture);
    });
  }
}
