/**
 * What a scenario runs on: a nats-server and a PostgreSQL of its own that may be killed, a fault
 * proxy before each, a catalog with processors, and instances of the program with its production
 * permissions, which know the proxies only. Disposing it ends everything.
 */
import { join } from "node:path";
import postgres from "postgres";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { ConsumerInfo, JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { addProcessor, createCatalog } from "../servers/catalog.ts";
import { type NatsServer, startNats } from "../servers/nats_server.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres_server.ts";
import { removeFolder } from "../servers/server_process.ts";
import { type ServiceProcess, startService } from "../servers/service_process.ts";
import { EXIT_AT_FAILPOINT, type FailpointChoice } from "./failpoints.ts";
import { FaultProxy } from "./fault_proxy.ts";
import type { LoadTarget } from "./load.ts";
import { NatsDrops } from "./nats_filter.ts";
import { PostgresCuts } from "./postgres_filter.ts";
import type { Random } from "./random.ts";

/** In every connection string; may never stand in a log. */
export const PASSWORD_CANARY = "password-that-no-log-may-show";

/** Names on the bed's nats-server. */
export const STREAM = "fault_rows";
export const SUBJECT = "fault.rows";
export const MONITOR_STREAM = "fault_monitor";
export const MONITOR_SUBJECT = "fault.monitor";

/** How a bed differs from the usual one. */
export interface BedOptions {
  readonly processors: number;
  /** Properties of every processor. */
  readonly properties: Readonly<Record<string, unknown>>;
  /** Fields added to the consume route. */
  readonly route: Readonly<Record<string, string | number | boolean>>;
  /** Settings added to the usual ones. */
  readonly settings: Readonly<Record<string, string>>;
  readonly postgresSettings: Readonly<Record<string, string>>;
  /** The program runs as a role `writer` with no more rights than it needs, not as superuser. */
  readonly isPlainRole: boolean;
  /** Source file of the program, from the repository's root. */
  readonly entry: string;
  /** Exactly this version of nats-server; null for a recent one. */
  readonly natsVersion: string | null;
}

/** A processor that is written to, with its one route. */
export interface BedTarget extends LoadTarget {
  readonly processorId: string;
}

/** A running or ended instance of the program. */
export interface Instance {
  readonly process: ServiceProcess;
  /** Largest resident memory seen, in bytes. */
  peakBytes: number;
  /** How it was ended; `running` while nobody did; `crashed` at a failpoint of its own. */
  end: "running" | "killed" | "stopped" | "crashed";
  exitCode: number | null;
}

const PLAIN_ROLE = "writer";

const MEMORY_POLL_MS = 100;

/** The program with failpoints, from the repository's root. */
const FAILPOINT_PROGRAM = "dev/faults/failpoint_program.ts";

/** A failpoint has to be reached within this, in milliseconds. */
const CRASH_MAX_MS = 45_000;

/** The bed. */
export class Bed implements AsyncDisposable {
  readonly nats: NatsServer;
  readonly postgres: PostgresServer;
  readonly natsProxy: FaultProxy;
  readonly postgresProxy: FaultProxy;
  readonly drops: NatsDrops;
  readonly cuts: PostgresCuts;
  /** A client that goes to PostgreSQL without the proxy; another one after a failover. */
  sql: postgres.Sql;
  readonly connection: NatsConnection;
  readonly stream: JetStreamClient;
  readonly targets: readonly BedTarget[];
  readonly instances: Instance[] = [];
  readonly #options: BedOptions;
  readonly #folder: string;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    parts: Pick<
      Bed,
      "nats" | "postgres" | "natsProxy" | "postgresProxy" | "drops" | "cuts" | "sql" | "connection"
    >,
    own: {
      options: BedOptions;
      folder: string;
      targets: readonly BedTarget[];
      resources: AsyncDisposableStack;
    },
  ) {
    this.nats = parts.nats;
    this.postgres = parts.postgres;
    this.natsProxy = parts.natsProxy;
    this.postgresProxy = parts.postgresProxy;
    this.drops = parts.drops;
    this.cuts = parts.cuts;
    this.sql = parts.sql;
    this.connection = parts.connection;
    this.stream = jetstream(parts.connection);
    this.targets = own.targets;
    this.#options = own.options;
    this.#folder = own.folder;
    this.#resources = own.resources;
  }

  /** Starts the servers, makes stream, monitor and catalog; starts no instance. */
  static async open(options: BedOptions, random: Random): Promise<Bed> {
    await using resources = new AsyncDisposableStack();
    const folder = resources.adopt(
      await Deno.makeTempDir({ prefix: "state-tables-faults-" }),
      (path) => removeFolder(path),
    );
    const server = resources.use(
      await startPostgres({
        settings: { max_connections: "200", ...options.postgresSettings },
        hbaLines: [`host all ${PLAIN_ROLE} 127.0.0.1/32 scram-sha-256`],
      }),
    );
    const nats = resources.use(
      await startNats(options.natsVersion === null ? {} : { version: options.natsVersion }),
    );
    const cuts = new PostgresCuts();
    const drops = new NatsDrops(random);
    drops.confirmedSubject = MONITOR_SUBJECT;
    const postgresProxy = resources.use(
      await FaultProxy.open({ targetPort: server.port, filter: () => cuts.filter() }),
    );
    const natsProxy = resources.use(
      await FaultProxy.open({ targetPort: nats.port, filter: () => drops.filter() }),
    );
    await server.createDatabase("faults");
    const sql = resources.adopt(openClient(server), (client) => client.end({ timeout: 1 }));
    await createCatalog(sql);
    await sql.unsafe(`
      create role ${PLAIN_ROLE} login password '${PASSWORD_CANARY}';
      grant create on database faults to ${PLAIN_ROLE};
      grant create, usage on schema public to ${PLAIN_ROLE};
      grant select on processor, processor_state to ${PLAIN_ROLE}`);
    const targets = await addTargets(sql, options);
    const connection = resources.adopt(
      await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 }),
      (client) => client.close(),
    );
    await makeStreams(connection);
    return new Bed(
      { nats, postgres: server, natsProxy, postgresProxy, drops, cuts, sql, connection },
      { options, folder, targets, resources: resources.move() },
    );
  }

  /** Starts one instance that ends itself at a failpoint; resolves when it has. */
  async crashInstance({ failpoint, occurrence }: FailpointChoice): Promise<Instance> {
    const instance = await this.startInstance(FAILPOINT_PROGRAM, [`${failpoint}:${occurrence}`]);
    const timer = setTimeout(() => instance.process.signal("SIGABRT"), CRASH_MAX_MS);
    instance.exitCode = await instance.process.ended;
    clearTimeout(timer);
    instance.end = "crashed";
    if (instance.exitCode !== EXIT_AT_FAILPOINT) {
      const said = (await instance.process.log()).trim().split("\n").slice(-3).join(" | ");
      throw new Error(`The program never came to ${failpoint} (${instance.exitCode}): ${said}`);
    }
    return instance;
  }

  /** Starts one instance; does not wait until it consumes. */
  async startInstance(
    entry = this.#options.entry,
    args: readonly string[] = [],
  ): Promise<Instance> {
    const routingFile = join(this.#folder, "routing.yaml");
    await Deno.writeTextFile(routingFile, this.#routing());
    const process = await startService({
      entry,
      args,
      settings: {
        DSN: `host=127.0.0.1 port=${this.postgresProxy.port} ` +
          `user=${this.#options.isPlainRole ? PLAIN_ROLE : "postgres"} ` +
          `password=${PASSWORD_CANARY} dbname=faults sslmode=disable`,
        ROUTING_FILE: routingFile,
        LOG_LEVEL: "DEBUG",
        LOG_FORMAT: "json",
        DB_MAX_OPEN_CONNS: "4",
        DB_MAX_IDLE_CONNS: "4",
        ...this.#options.settings,
      },
      hosts: [`127.0.0.1:${this.natsProxy.port}`, `127.0.0.1:${this.postgresProxy.port}`],
      readable: [routingFile],
      logFile: join(this.#folder, `service-${this.instances.length}.log`),
    });
    const instance: Instance = { process, peakBytes: 0, end: "running", exitCode: null };
    this.instances.push(instance);
    watchMemory(instance);
    return instance;
  }

  /** Starts one instance and waits until it consumes. */
  async runInstance(): Promise<Instance> {
    const instance = await this.startInstance();
    await instance.process.ready;
    return instance;
  }

  /**
   * Lets the program's connections to PostgreSQL, and ours, go to another server from now on; its
   * owner ends it.
   */
  failOverTo(server: PostgresServer): void {
    this.postgresProxy.targetPort = server.port;
    this.postgresProxy.resetAll();
    this.sql = this.#resources.adopt(openClient(server), (client) => client.end({ timeout: 1 }));
  }

  /** Instances that nobody ended. */
  get running(): readonly Instance[] {
    return this.instances.filter(({ end }) => end === "running");
  }

  /** SIGKILL: no instance gets a chance to say anything. */
  async killInstance(instance: Instance): Promise<void> {
    instance.end = "killed";
    instance.process.signal("SIGKILL");
    instance.exitCode = await instance.process.ended;
  }

  /** SIGTERM; resolves at its end. */
  async stopInstance(instance: Instance): Promise<void> {
    instance.end = "stopped";
    instance.exitCode = await instance.process.stop();
  }

  manager(): Promise<JetStreamManager> {
    return jetstreamManager(this.connection);
  }

  /** What the consumer has delivered and not; null while the server cannot be asked. */
  async consumer(): Promise<ConsumerInfo | null> {
    try {
      return await (await this.manager()).consumers.info(STREAM, STREAM);
    } catch {
      return null; // away, or not made yet: the caller asks again
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const instance of this.running) await this.killInstance(instance);
    await Promise.all(this.instances.map(({ process }) => process[Symbol.asyncDispose]()));
    await this.#resources.disposeAsync();
  }

  #routing(): string {
    const url = `nats://127.0.0.1:${this.natsProxy.port}`;
    const consume = {
      selector: "data/transformers/mixer/state-tables-1.0",
      name: STREAM,
      queue: STREAM,
      subject: SUBJECT,
      url,
      ...this.#options.route,
    };
    const monitor = {
      selector: "processor/monitor",
      name: MONITOR_STREAM,
      queue: MONITOR_STREAM,
      subject: MONITOR_SUBJECT,
      url,
    };
    return JSON.stringify({ messageConfig: { routes: [consume, monitor] } }); // JSON is YAML
  }
}

function openClient(server: PostgresServer): postgres.Sql {
  return postgres(server.url("faults"), { max: 6, onnotice: () => {}, connect_timeout: 2 });
}

async function addTargets(sql: postgres.Sql, options: BedOptions): Promise<BedTarget[]> {
  const targets: BedTarget[] = [];
  for (let index = 0; index < options.processors; index++) {
    const processorId = `processor-${index}`;
    const routeId = `state-${index}:${processorId}`;
    await addProcessor(sql, { processorId, properties: options.properties, routes: [routeId] });
    targets.push({ processorId, routeId, table: processorId });
  }
  return targets;
}

async function makeStreams(connection: NatsConnection): Promise<void> {
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: STREAM, subjects: [SUBJECT] });
  await manager.streams.add({ name: MONITOR_STREAM, subjects: [MONITOR_SUBJECT] });
}

/** The kernel keeps the peak itself; it is gone with the process, so it is read all along. */
function watchMemory(instance: Instance): void {
  const timer = setInterval(async () => {
    if (instance.end !== "running") return clearInterval(timer);
    const status = await Deno.readTextFile(`/proc/${instance.process.pid}/status`)
      .catch(() => "");
    const kilobytes = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0);
    instance.peakBytes = Math.max(instance.peakBytes, kilobytes * 1024);
  }, MEMORY_POLL_MS);
  instance.process.ended.then(() => clearInterval(timer));
}
