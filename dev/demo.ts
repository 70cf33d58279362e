/**
 * The first command of the README: the main job end to end, on a PostgreSQL and a nats-server of its
 * own. Starts both in a temporary folder and the service as a subprocess with its production
 * permissions, publishes the messages of a small workflow, waits for the statuses, and prints what
 * became of them. `--keep` leaves everything running until Ctrl-C.
 */
import { join } from "node:path";
import postgres from "postgres";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { DEMO_PROCESSORS, demoMessages } from "./demo/workflow.ts";
import { printRejects, printStatuses, printTables, say } from "./demo/report.ts";
import { addProcessor, createCatalog } from "./servers/catalog.ts";
import { type NatsServer, startNats } from "./servers/nats_server.ts";
import { type PostgresServer, startPostgres } from "./servers/postgres_server.ts";
import { removeFolder } from "./servers/server_process.ts";
import { type ServiceProcess, startService } from "./servers/service_process.ts";

/** Messages of the demo. */
const MESSAGES = 4_000;

/** The whole run may take this long after the downloads, in milliseconds. */
const DEADLINE_MS = 120_000;

const STREAM = "processor_transformer_state_tables";
const SUBJECT = "processor.transformer.state.tables";
const MONITOR_STREAM = "processor_monitor";
const MONITOR_SUBJECT = "processor.monitor";

/** What the demo has running. */
interface Stage {
  readonly nats: NatsServer;
  readonly postgres: PostgresServer;
  readonly folder: string;
  readonly routingFile: string;
}

if (import.meta.main) {
  const keep = Deno.args.includes("--keep");
  const unknown = Deno.args.filter((argument) => argument !== "--keep");
  if (unknown.length > 0) {
    say(`Unknown argument ${unknown[0]}. Usage: deno task demo [--keep]`);
    Deno.exit(2);
  }
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interrupted.abort(new Error("Interrupted")));
  }
  try {
    await demo(keep, interrupted.signal);
    Deno.exit(0);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    Deno.exit(interrupted.signal.aborted ? 130 : 1);
  }
}

async function demo(keep: boolean, signal: AbortSignal): Promise<void> {
  await using resources = new AsyncDisposableStack();
  say("state-tables demo: JSON on NATS becomes typed rows in PostgreSQL\n");
  const stage = await openStage(resources, signal);
  const sql = resources.adopt(
    postgres(stage.postgres.url("demo"), { onnotice: () => {} }),
    (client) => client.end({ timeout: 1 }),
  );
  await createCatalog(sql);
  for (const { processorId, properties, routeIds } of DEMO_PROCESSORS) {
    await addProcessor(sql, { processorId, properties, routes: routeIds });
  }
  const service = resources.use(
    await startService({
      settings: { DSN: stage.postgres.dsn("demo"), ROUTING_FILE: stage.routingFile },
      hosts: [`127.0.0.1:${stage.nats.port}`, `127.0.0.1:${stage.postgres.port}`],
      readable: [stage.routingFile],
      logFile: join(stage.folder, "state-tables.log"),
    }),
  );
  await race(service.ready, service, signal);
  say("  state-tables     running, with its production permissions\n");
  const connection = resources.adopt(
    await connect({ servers: stage.nats.url }),
    (client) => client.close(),
  );
  await race(publishAndWait(connection, sql, service), service, signal);
  await printTables(sql, DEMO_PROCESSORS);
  await printStatuses(connection, MONITOR_STREAM);
  await printRejects(sql);
  sayWhereNext(stage, keep);
  if (keep) await untilInterrupted(signal, service);
  say("\nStopping ...");
}

async function openStage(
  resources: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Stage> {
  const folder = resources.adopt(
    await Deno.makeTempDir({ prefix: "state-tables-demo-" }),
    (path) => removeFolder(path),
  );
  const database = resources.use(await startPostgres());
  signal.throwIfAborted();
  await database.createDatabase("demo");
  say(`  PostgreSQL       ${database.host}:${database.port}`);
  const nats = resources.use(await startNats());
  signal.throwIfAborted();
  say(`  nats-server      ${nats.url}`);
  const routingFile = join(folder, "routing.yaml");
  await Deno.writeTextFile(routingFile, routing(nats.url));
  return { nats, postgres: database, folder, routingFile };
}

function routing(url: string): string {
  return `messageConfig:
  routes:
    - selector: "data/transformers/mixer/state-tables-1.0"
      name: "${STREAM}"
      queue: "${STREAM}"
      subject: "${SUBJECT}"
      url: "${url}"
    - selector: "processor/monitor"
      name: "${MONITOR_STREAM}"
      queue: "${MONITOR_STREAM}_queue"
      subject: "${MONITOR_SUBJECT}"
      url: "${url}"
`;
}

/** Publishes everything and waits until the consumer has nothing left and the monitor has heard. */
async function publishAndWait(
  connection: NatsConnection,
  sql: postgres.Sql,
  service: ServiceProcess,
): Promise<void> {
  const js = jetstream(connection);
  const startedMs = performance.now();
  let published = 0;
  let records = 0;
  let waiting: Promise<unknown>[] = [];
  for (const message of demoMessages(MESSAGES)) {
    waiting.push(js.publish(SUBJECT, message.payload));
    published++;
    records += message.records;
    if (waiting.length < 500) continue;
    await Promise.all(waiting);
    waiting = [];
    progress(`published ${published} messages, ${await rowsWritten(sql)} rows written`);
  }
  await Promise.all(waiting);
  const manager = await jetstreamManager(connection);
  for (;;) {
    const { num_pending, num_ack_pending, delivered } = await manager.consumers.info(
      STREAM,
      STREAM,
    );
    const rows = await rowsWritten(sql);
    progress(`published ${published} messages, ${rows} rows written`);
    if (num_pending === 0 && num_ack_pending === 0 && delivered.stream_seq >= published) break;
    if (performance.now() - startedMs > DEADLINE_MS) {
      throw new Error(
        `Gave up after ${DEADLINE_MS / 1000} s; the service said:\n${await service.log()}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const rows = await rowsWritten(sql);
  endProgress();
  say(
    `  ${published} messages with ${records} records published; ${rows} rows committed and ` +
      `every message settled in ${seconds.toFixed(1)} s (${Math.round(rows / seconds)} rows/s, ` +
      `publishing and the batch window included)\n`,
  );
}

async function rowsWritten(sql: postgres.Sql): Promise<number> {
  let rows = 0;
  for (const { processorId, properties } of DEMO_PROCESSORS) {
    const table = `${processorId}_${properties.tableName}`;
    const [found] = await sql`select to_regclass(${`"${table}"`}) is not null as found`;
    if (found?.found !== true) continue;
    const [count] = await sql`select count(*)::int as count from ${sql(table)}`;
    rows += count?.count ?? 0;
  }
  return rows;
}

function sayWhereNext(stage: Stage, keep: boolean): void {
  const psql = `psql "${stage.postgres.url("demo")}"`;
  if (keep) {
    const example = JSON.stringify({
      route_id: "7b2e1c3a-invoices",
      query_state: { number: 1, customer: "me", total: 9.5, paid: true },
    });
    say("\nEverything is still running. Publish a message of your own:\n");
    say(`  nats --server ${stage.nats.url} pub ${SUBJECT} '${example}'`);
    say("  (or, without the nats command line, from this folder:)");
    say(
      `  npx -y deno@2.9.6 run -A dev/demo/publish.ts ${stage.nats.url} ${SUBJECT} '${example}'\n`,
    );
    say("Query the tables:\n");
    say(`  ${psql} -c 'select * from "${DEMO_PROCESSORS[2]?.processorId}_invoices" limit 5'`);
    say(`  ${psql} -c 'select * from state_tables.rejected'`);
    say("\nCtrl-C stops it and removes everything.");
    return;
  }
  say(
    "\nWhere to go next: `deno task demo --keep` leaves all this running for messages of your own;",
  );
  say("README.md says how to run it against your NATS and PostgreSQL.");
}

async function untilInterrupted(signal: AbortSignal, service: ServiceProcess): Promise<void> {
  if (signal.aborted) return;
  const interrupted = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => interrupted.resolve(), { once: true });
  await Promise.race([interrupted.promise, service.ended]);
}

/** Waits for `work`, but not longer than the service lives or the user has patience. */
async function race<T>(work: Promise<T>, service: ServiceProcess, signal: AbortSignal): Promise<T> {
  const interrupted = Promise.withResolvers<never>();
  const onAbort = (): void => interrupted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const ended = service.ended.then(async (code): Promise<never> => {
      throw new Error(`The service ended with code ${code}:\n${await service.log()}`);
    });
    ended.catch(() => undefined);
    signal.throwIfAborted();
    return await Promise.race([work, ended, interrupted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

const encoder = new TextEncoder();

function progress(line: string): void {
  if (!Deno.stderr.isTerminal()) return;
  Deno.stderr.writeSync(encoder.encode(`\r\x1b[2K  ${line}`));
}

function endProgress(): void {
  if (Deno.stderr.isTerminal()) Deno.stderr.writeSync(encoder.encode("\r\x1b[2K"));
}
