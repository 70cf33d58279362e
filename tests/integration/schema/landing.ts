/**
 * Where records land: one processor's table writer, in this process, on a real store. What is written
 * is given as JSON text, message by message; what landed is read back as text, column by column, with
 * the rejects beside it.
 */
import type postgres from "postgres";
import { wholePayload } from "../../../lib/encoder/encodable_delivery.ts";
import { systemClock } from "../../../lib/clock.ts";
import type { Clock } from "../../../lib/clock.ts";
import { FastEncoder } from "../../../lib/encoder/fast_encoder.ts";
import { RowBuffer } from "../../../lib/encoder/row_buffer.ts";
import { Counters } from "../../../lib/ingest/counters.ts";
import type { Delivery } from "../../../lib/ingest/delivery.ts";
import { readEnvelope } from "../../../lib/ingest/envelope.ts";
import type { TableStore } from "../../../lib/ingest/ports.ts";
import { parseProcessorSettings } from "../../../lib/ingest/processor_settings.ts";
import { type FlushReport, TableWriter } from "../../../lib/ingest/table_writer.ts";
import { RECEIVED_AT_MS } from "../../support/encoding.ts";
import { recordedMessage } from "../../support/deliveries.ts";
import type { PostgresAccess } from "../../../dev/servers/postgres_server.ts";
import { sharedPostgres } from "../../support/servers.ts";
import { openStore, type Store } from "../../../lib/store/store.ts";
import {
  openFixture,
  RecordingLog,
  type StoreFixture,
  storeOptions,
  type StoreOverrides,
} from "../store/store_fixture.ts";

/** The processor, and so the table. */
export const TABLE = "t";

/** How a landing differs from the usual one. */
export interface LandingOptions {
  readonly server?: PostgresAccess;
  /** Properties of the processor; `includeTimestamp` is off unless they say. */
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly store?: StoreOverrides;
  /** The writer's store works as this role, which is made; the schema `state_tables` is its own. */
  readonly role?: string;
  readonly clock?: Clock;
}

/** A row as text, by column. */
export type TextRow = Readonly<Record<string, string | null>>;

/** What was kept of a record or message that could not land. */
export interface KeptReject {
  readonly seq: number;
  readonly ordinal: number;
  readonly sqlstate: string | null;
  readonly column: string | null;
  readonly reason: string;
  readonly record: string | null;
}

/** Deliveries in stream order, by the JSON text of their `query_state`. */
export class Messages {
  #sequence = 0;

  next(queryState: string): Delivery {
    const payload = new TextEncoder().encode(`{"route_id":"r","query_state":${queryState}}`);
    const envelope = readEnvelope(payload);
    if (envelope.kind === "bad") throw new Error(`${envelope.reason}: ${queryState.slice(0, 200)}`);
    return {
      ...envelope,
      ...wholePayload(payload),
      receivedAtMs: RECEIVED_AT_MS,
      heldSinceMs: 0,
      message: recordedMessage(++this.#sequence, payload),
    };
  }
}

/** A table writer with settings as `properties` ask for them. */
export function openWriter(
  store: TableStore,
  properties: Readonly<Record<string, unknown>>,
  options: { readonly log: RecordingLog; readonly clock?: Clock; readonly counters?: Counters },
): TableWriter {
  const { settings, faults } = parseProcessorSettings({
    tableName: "",
    includeTimestamp: false,
    ...properties,
  });
  if (faults.length > 0) throw new Error(faults.join("; "));
  return new TableWriter({
    processorId: TABLE,
    settings,
    store,
    counters: options.counters ?? new Counters(),
    fastEncoder: new FastEncoder(),
    clock: options.clock ?? systemClock,
    log: options.log,
  });
}

/** See the head of this file. */
export class Landing implements AsyncDisposable {
  readonly sql: postgres.Sql;
  readonly store: TableStore;
  readonly log = new RecordingLog();
  readonly counters = new Counters();
  readonly messages = new Messages();
  readonly #resources: AsyncDisposableStack;
  readonly #fixture: StoreFixture;
  readonly #buffer = new RowBuffer();
  readonly #clock: Clock;
  #writer: TableWriter;

  private constructor(
    fixture: StoreFixture,
    store: TableStore,
    { properties, clock }: LandingOptions,
    resources: AsyncDisposableStack,
  ) {
    this.#resources = resources;
    this.#fixture = fixture;
    this.sql = fixture.sql;
    this.store = store;
    this.#clock = clock ?? systemClock;
    this.#writer = this.#open(properties ?? {});
  }

  static async open(options: LandingOptions = {}): Promise<Landing> {
    const server = options.server ?? await sharedPostgres();
    await using resources = new AsyncDisposableStack();
    const fixture = resources.use(await openFixture(server, options.store));
    const { role } = options;
    const store = role === undefined
      ? fixture.store
      : resources.adopt(await openStoreAs(fixture, role), (opened) => opened.close(5_000));
    return new Landing(fixture, store.tables, options, resources.move());
  }

  /** The database, for stores of other instances. */
  get dsn(): string {
    return this.#fixture.database.dsn;
  }

  /** Goes on with other properties, as after a change of the catalog. */
  configure(properties: Readonly<Record<string, unknown>>): void {
    this.#writer = this.#open(properties);
  }

  /** One flush of messages. */
  async write(...queryStates: readonly string[]): Promise<FlushReport> {
    return await this.flush(queryStates.map((queryState) => this.messages.next(queryState)));
  }

  /** One flush of deliveries. */
  async flush(deliveries: readonly Delivery[]): Promise<FlushReport> {
    return await this.#writer.flush(deliveries, this.#buffer, []);
  }

  /** Column names and types, in order. */
  async columns(): Promise<Record<string, string>> {
    const columns = await this.sql`
      select attname, format_type(atttypid, atttypmod) as type from pg_attribute
      where attrelid = to_regclass(${TABLE}) and attnum > 0 and not attisdropped order by attnum`;
    return Object.fromEntries(columns.map(({ attname, type }) => [attname, type]));
  }

  /** All rows in the order they were written; columns that are NULL are left out. */
  async rows(): Promise<TextRow[]> {
    const columns = Object.keys(await this.columns());
    const { sql } = this;
    const rows = [];
    // A select list ends at 1,664 columns, a row of a result at its page.
    for (const row of await sql`select ctid::text as at from ${sql(TABLE)} order by ctid`) {
      const texts: Record<string, string | null> = {};
      for (const [index, value] of (await this.#texts(columns, row["at"])).entries()) {
        const name = columns[index];
        if (name !== undefined && value !== null) texts[name] = value;
      }
      rows.push(texts);
    }
    return rows;
  }

  /** One column's values as text, in the order of the rows. */
  async values(column: string): Promise<(string | null)[]> {
    const { sql } = this;
    const rows = await sql`select ${sql(column)}::text as value from ${sql(TABLE)} order by ctid`;
    return rows.map(({ value }) => value);
  }

  async rejects(): Promise<KeptReject[]> {
    return [
      ...await this.sql<KeptReject[]>`
      select seq::int, ordinal, sqlstate, column_name as column, reason, record
      from state_tables.rejected order by seq, ordinal`,
    ];
  }

  async #texts(columns: readonly string[], at: unknown): Promise<(string | null)[]> {
    if (columns.length === 0) return [];
    const quoted = columns.map((name) => `"${name.replaceAll('"', '""')}"::text`);
    const [row] = await this.sql.unsafe(
      `select json_build_array(${quoted.slice(0, 50).join(",")})::text as texts
       from ${TABLE} where ctid = '${at}'`,
    );
    const texts: (string | null)[] = JSON.parse(String(row?.["texts"]));
    return quoted.length <= 50 ? texts : [...texts, ...await this.#texts(columns.slice(50), at)];
  }

  #open(properties: Readonly<Record<string, unknown>>): TableWriter {
    const { log, counters } = this;
    return openWriter(this.store, properties, { log, counters, clock: this.#clock });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** A store of a role that owns nothing but what it makes. */
async function openStoreAs({ sql, database }: StoreFixture, role: string): Promise<Store> {
  await sql.unsafe(
    `create role ${role} login; grant usage on schema public, state_tables to ${role};
    grant all on all tables in schema state_tables to ${role};
    grant all on all sequences in schema state_tables to ${role}`,
  );
  return await openStore(storeOptions(database.dsn.replace(/user=\w+/, `user=${role}`)));
}

const BOTH = [
  ["18", await sharedPostgres("18")],
  ["15", await sharedPostgres("15")],
] as const;

/** A test on the current PostgreSQL and on the oldest one that tests run. */
export function testOnBoth(
  name: string,
  options: Omit<LandingOptions, "server">,
  body: (landing: Landing) => Promise<void>,
): void {
  for (const [version, server] of BOTH) {
    Deno.test(`${name} (PostgreSQL ${version})`, async () => {
      await using landing = await Landing.open({ ...options, server });
      await body(landing);
    });
  }
}
