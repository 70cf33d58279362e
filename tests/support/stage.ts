/**
 * A stage for the whole program: a database with the catalog, a stream of its own on a real
 * nats-server, a monitor that remembers what it heard, and the program as a subprocess with exactly
 * its production permissions.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type postgres from "postgres";
import {
  type ConsumerInfo,
  jetstream,
  type JetStreamClient,
  type JetStreamManager,
  jetstreamManager,
  type RetentionPolicy,
} from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { addProcessor, createCatalog } from "../../dev/servers/catalog.ts";
import { removeFolder } from "../../dev/servers/server_process.ts";
import {
  type ServiceOptions,
  type ServiceProcess,
  startService,
} from "../../dev/servers/service_process.ts";
import {
  type FreshDatabase,
  freshDatabase,
  type SharedNats,
  type SharedPostgres,
  uniqueName,
  waitFor,
} from "./servers.ts";

/** How a stage differs from the usual one. */
export interface StageOptions {
  readonly nats: SharedNats;
  readonly postgres: SharedPostgres;
  /** Retention of the stream; the program creates it when absent. */
  readonly retention?: RetentionPolicy;
  /** Fields of the consume route over the usual ones; null leaves a field out. */
  readonly route?: Readonly<Record<string, string | number | boolean | null>>;
}

/** A processor of the stage, with its one route. */
export interface StageProcessor {
  readonly processorId: string;
  readonly routeId: string;
  /** Name of its table. */
  readonly table: string;
}

/** What the monitor heard. */
export interface HeardStatus {
  readonly type: string;
  readonly route_id: string;
  readonly status: string;
  readonly exception?: string;
  readonly data: unknown;
}

/** Records as they are published. */
export type Records = unknown;

/** The stage; disposing it ends every service on it. */
export class Stage implements AsyncDisposable {
  readonly database: FreshDatabase;
  readonly connection: NatsConnection;
  readonly stream: string;
  readonly subject: string;
  readonly statuses: HeardStatus[] = [];
  readonly #options: StageOptions;
  readonly #folder: string;
  readonly #resources: AsyncDisposableStack;
  readonly #services: ServiceProcess[] = [];

  private constructor(
    parts: {
      options: StageOptions;
      database: FreshDatabase;
      connection: NatsConnection;
      folder: string;
      resources: AsyncDisposableStack;
    },
  ) {
    this.#options = parts.options;
    this.database = parts.database;
    this.connection = parts.connection;
    this.#folder = parts.folder;
    this.#resources = parts.resources;
    this.stream = uniqueName("stream");
    this.subject = `test.${this.stream}`;
  }

  /** Opens a stage: catalog made, monitor listening, stream made when its retention is given. */
  static async open(options: StageOptions): Promise<Stage> {
    await using resources = new AsyncDisposableStack();
    const folder = resources.adopt(
      await Deno.makeTempDir({ prefix: "state-tables-test-" }),
      (path) => removeFolder(path),
    );
    // An executable may run as somebody else.
    await Deno.chmod(folder, 0o755);
    const database = resources.use(await freshDatabase(options.postgres));
    await createCatalog(database.sql);
    const connection = resources.adopt(
      await connect({ servers: options.nats.url }),
      (client) => client.close(),
    );
    const parts = { options, database, connection, folder, resources: resources.move() };
    const stage = new Stage(parts);
    await stage.#listen();
    return stage;
  }

  get sql(): postgres.Sql {
    return this.database.sql;
  }

  get js(): JetStreamClient {
    return jetstream(this.connection);
  }

  manager(): Promise<JetStreamManager> {
    return jetstreamManager(this.connection);
  }

  /** Adds a processor with one route. */
  async addProcessor(properties: unknown = {}): Promise<StageProcessor> {
    const processorId = crypto.randomUUID();
    const routeId = `${crypto.randomUUID().slice(0, 8)}:${processorId}`;
    await addProcessor(this.sql, { processorId, properties, routes: [routeId] });
    const suffix = (properties as { tableName?: string } | null)?.tableName ?? "";
    return {
      processorId,
      routeId,
      table: suffix === "" ? processorId : `${processorId}_${suffix}`,
    };
  }

  /** Changes a processor's properties. */
  async configure(processorId: string, properties: unknown): Promise<void> {
    await this.sql`
      update processor set properties = ${JSON.stringify(properties)}::text::jsonb
      where id = ${processorId}`;
  }

  /** Starts the program; `settings` are added to the usual ones. */
  async startService(
    settings: Record<string, string> = {},
    options: Partial<ServiceOptions> = {},
  ): Promise<ServiceProcess> {
    const routingFile = join(this.#folder, "routing.yaml");
    await Deno.writeTextFile(routingFile, this.#routing());
    const { nats, postgres } = this.#options;
    const service = await startService({
      settings: {
        DSN: this.database.dsn,
        ROUTING_FILE: routingFile,
        LOG_LEVEL: "DEBUG",
        LOG_FORMAT: "json",
        ...settings,
      },
      hosts: [`127.0.0.1:${nats.port}`, `${postgres.host}:${postgres.port}`],
      readable: [routingFile],
      logFile: join(this.#folder, `service-${this.#services.length}.log`),
      ...options,
    });
    this.#services.push(service);
    return service;
  }

  /** Starts the program and waits until it consumes. */
  async runService(settings: Record<string, string> = {}): Promise<ServiceProcess> {
    const service = await this.startService(settings);
    await service.ready;
    return service;
  }

  /** Publishes one message; JetStream stores it before this resolves. */
  async publish(routeId: string, records: Records, extra: object = {}): Promise<void> {
    await this.publishRaw(JSON.stringify({
      type: "query_state",
      route_id: routeId,
      query_state: records,
      ...extra,
    }));
  }

  async publishRaw(payload: string | Uint8Array): Promise<void> {
    await this.js.publish(this.subject, payload);
  }

  /** Publishes many messages, a few hundred on their way at once. */
  async publishAll(messages: Iterable<{ routeId: string; records: Records }>): Promise<number> {
    let waiting: Promise<void>[] = [];
    let count = 0;
    for (const { routeId, records } of messages) {
      waiting.push(this.publish(routeId, records));
      count++;
      if (waiting.length < 300) continue;
      await Promise.all(waiting);
      waiting = [];
    }
    await Promise.all(waiting);
    return count;
  }

  /** Waits until the consumer has delivered everything and nothing is unsettled. */
  async settled(timeoutMs = 20_000): Promise<ConsumerInfo> {
    const manager = await this.manager();
    return await waitFor(async () => {
      const info = await manager.consumers.info(this.stream, this.stream);
      return info.num_pending === 0 && info.num_ack_pending === 0 ? info : null;
    }, { what: "every message to be settled", timeoutMs });
  }

  /** Rows of a table in the order they were written; none while the table does not exist. */
  async rows(table: string): Promise<Record<string, unknown>[]> {
    const [found] = await this.sql`select to_regclass(${`"${table}"`}) is not null as found`;
    if (found?.found !== true) return [];
    return [...await this.sql`select * from ${this.sql(table)} order by ctid`];
  }

  /** Waits until a table has exactly so many rows, and returns them. */
  async waitForRows(table: string, count: number): Promise<Record<string, unknown>[]> {
    let last = -1;
    const rows = await waitFor(async () => {
      const now = await this.rows(table);
      last = now.length;
      return now.length >= count ? now : null;
    }, { what: `${count} rows in ${table}`, timeoutMs: 20_000 }).catch((error) => {
      throw new Error(`${error.message}; there are ${last}`);
    });
    assert.equal(rows.length, count);
    return rows;
  }

  /** Column names and types of a table, in order. */
  async columns(table: string): Promise<Record<string, string>> {
    const columns = await this.sql`
      select attname, format_type(atttypid, atttypmod) as type from pg_attribute
      where attrelid = ${`"${table}"`}::regclass and attnum > 0 and not attisdropped
      order by attnum`;
    return Object.fromEntries(columns.map(({ attname, type }) => [attname, type]));
  }

  /** Waits for the statuses of a route. */
  async waitForStatuses(routeId: string, count: number): Promise<HeardStatus[]> {
    return await waitFor(() => {
      const heard = this.statuses.filter(({ route_id }) => route_id === routeId);
      return heard.length >= count ? heard : null;
    }, { what: `${count} statuses of ${routeId}` });
  }

  /** Ends a service and asserts that it stopped in order. */
  async stopService(service: ServiceProcess): Promise<void> {
    const code = await service.stop();
    if (code !== 0) assert.fail(`exit code ${code}:\n${await service.log()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // First the services: they would make the streams again.
    await Promise.all(this.#services.map((service) => service[Symbol.asyncDispose]()));
    const manager = await this.manager();
    await manager.streams.delete(`${this.stream}_monitor`);
    await manager.streams.delete(this.stream).catch(() => undefined); // a test may have done so
    await this.#resources.disposeAsync();
  }

  async #listen(): Promise<void> {
    const { retention } = this.#options;
    const manager = await this.manager();
    await manager.streams.add({ name: `${this.stream}_monitor`, subjects: [this.#monitorSubject] });
    if (retention !== undefined) {
      await manager.streams.add({ name: this.stream, subjects: [this.subject], retention });
    }
    const subscription = this.connection.subscribe(this.#monitorSubject);
    (async () => {
      for await (const message of subscription) this.statuses.push(message.json());
    })();
  }

  get #monitorSubject(): string {
    return `test.monitor.${this.stream}`;
  }

  #routing(): string {
    const { url } = this.#options.nats;
    const consume: Record<string, string | number | boolean | null> = {
      selector: "data/transformers/mixer/state-tables-1.0",
      name: this.stream,
      queue: this.stream,
      subject: this.subject,
      url,
      ...this.#options.route,
    };
    const monitor = {
      selector: "processor/monitor",
      name: `${this.stream}_monitor`,
      queue: `${this.stream}_monitor`,
      subject: this.#monitorSubject,
      url,
    };
    // JSON is YAML.
    const routes = [consume, monitor].map((route) =>
      Object.fromEntries(Object.entries(route).filter(([, value]) => value !== null))
    );
    return JSON.stringify({ messageConfig: { routes } });
  }
}
