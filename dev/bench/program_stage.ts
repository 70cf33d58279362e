/**
 * The whole program in a database of its own: catalog, processors, routing file, and one or more
 * instances of the program as subprocesses with exactly its production permissions, ledger on.
 * Everything but the database goes when it is disposed.
 */
import { join } from "node:path";
import postgres from "postgres";
import { addProcessor, createCatalog } from "../servers/catalog.ts";
import { type ServiceProcess, startService } from "../servers/service_process.ts";
import type { BenchStage } from "./bench_stage.ts";
import { routeOf } from "./filled_stream.ts";
import type { RowShape } from "./row_shapes.ts";
import { createShapeTable } from "./table_checksum.ts";

/** How the program is run. */
export interface ProgramOptions {
  readonly stream: string;
  readonly subject: string;
  /** Durable consumer that it attaches to, or makes. */
  readonly consumer: string;
  /** Processors in the catalog, named as {@linkcode routeOf} names them. */
  readonly processors: number;
  /** Properties of each of them. */
  readonly properties: Readonly<Record<string, unknown>>;
  /** Settings besides DSN and routing file. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Instances of the program that share the consumer; 1 when absent. */
  readonly instances?: number;
  /** Where a CPU profile goes; null makes none. */
  readonly profileFolder?: string | null;
  /** Database that the program ran in before; a new one when absent. */
  readonly database?: string;
}

/** The program, consuming; figures of several instances are those of all together. */
export interface ProgramStage extends AsyncDisposable {
  /** Its instances. */
  readonly services: readonly ServiceProcess[];
  /** Its database. */
  readonly database: string;
  /** To the program's database. */
  readonly sql: postgres.Sql;
  /** Names of the processors' tables. */
  readonly tables: readonly string[];
  /** Milliseconds from its start until the first instance consumed. */
  readonly readyMs: number;
  /** Stops it in order; rejects when an exit code is not 0. */
  stop(): Promise<void>;
}

/**
 * What the web UI writes unless told otherwise: write at once. Under load what arrives during a flush
 * is the next batch, so batches grow by themselves.
 */
export const INSTANT_PROPERTIES = {
  batchSize: 1,
  batchWindowTTL: 0,
  includeTimestamp: false,
} as const;

const LOG_END_LINES = 15;

/** Starts the program and waits until it consumes. */
export async function openProgram(
  stage: BenchStage,
  options: ProgramOptions,
): Promise<ProgramStage> {
  await using resources = new AsyncDisposableStack();
  const database = options.database ?? await stage.createDatabase();
  const sql = resources.adopt(
    postgres(stage.postgres.url(database), { max: 1, onnotice: () => {} }),
    (client) => client.end({ timeout: 1 }),
  );
  if (options.database === undefined) await fillCatalog(sql, options);
  await stage.sql`checkpoint`;
  const startedAtMs = performance.now();
  const first = resources.use(await startProgram(stage, options, { database, instance: 0 }));
  await first.ready;
  const readyMs = performance.now() - startedAtMs;
  const services = [first];
  for (let instance = 1; instance < (options.instances ?? 1); instance++) {
    const next = resources.use(await startProgram(stage, options, { database, instance }));
    await next.ready;
    services.push(next);
  }
  const owned = resources.move();
  return {
    services,
    database,
    sql,
    tables: processorIds(options),
    readyMs,
    stop: async () => {
      for (const service of services) await stop(service);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Makes the tables of all processors, as the program would with its first rows. */
export async function createTables(
  { sql, tables }: Pick<ProgramStage, "sql" | "tables">,
  shape: RowShape,
): Promise<void> {
  for (const table of tables) await createShapeTable(sql, table, shape);
}

async function fillCatalog(sql: postgres.Sql, options: ProgramOptions): Promise<void> {
  const { properties } = options;
  await createCatalog(sql);
  await sql.begin(async (transaction) => {
    for (const [index, processorId] of processorIds(options).entries()) {
      await addProcessor(transaction as unknown as postgres.Sql, {
        processorId,
        properties,
        routes: [routeOf(index)],
      });
    }
  });
}

/** Tables have their processors' names. */
function processorIds({ processors }: ProgramOptions): readonly string[] {
  return Array.from({ length: processors }, (_, index) => {
    const route = routeOf(index);
    return route.slice(route.indexOf(":") + 1);
  });
}

async function startProgram(
  stage: BenchStage,
  options: ProgramOptions,
  { database, instance }: { readonly database: string; readonly instance: number },
): Promise<ServiceProcess> {
  const { nats, postgres: server, folder } = stage;
  const routingFile = join(folder, `${options.consumer}.yaml`);
  await Deno.writeTextFile(routingFile, routing(nats.url, options));
  return await startService({
    settings: {
      DSN: server.dsn(database),
      ROUTING_FILE: routingFile,
      LOG_FORMAT: "json",
      ...options.settings,
    },
    hosts: [`127.0.0.1:${nats.port}`, `${server.host}:${server.port}`],
    readable: [routingFile],
    // Whether it is ready is read in its log: no other start may have written there.
    logFile: join(folder, `${options.consumer}-${instance}-${crypto.randomUUID()}.log`),
    runtimeFlags: profileFlags(options.profileFolder ?? null),
  });
}

function routing(url: string, { stream, consumer, subject }: ProgramOptions): string {
  const routes = [
    {
      selector: "data/transformers/mixer/state-tables-1.0",
      name: stream,
      queue: consumer,
      subject,
      url,
    },
    {
      selector: "processor/monitor",
      name: "bench_monitor",
      queue: "bench_monitor",
      subject: "bench.monitor",
      url,
    },
  ];
  // JSON is YAML.
  return JSON.stringify({ messageConfig: { routes } });
}

function profileFlags(folder: string | null): string[] {
  return folder === null ? [] : ["--cpu-prof", `--cpu-prof-dir=${folder}`];
}

async function stop(service: ServiceProcess): Promise<void> {
  const code = await service.stop();
  if (code === 0) return;
  const log = (await service.log()).trimEnd().split("\n").slice(-LOG_END_LINES);
  throw new Error(`Cannot count the run: the program ended with ${code}:\n${log.join("\n")}`);
}
