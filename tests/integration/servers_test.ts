/**
 * The servers that every other integration test stands on: they start, keep ports and data over a
 * restart, end, and leave nothing behind.
 */
import assert from "node:assert/strict";
import { connect } from "@nats-io/transport-node";
import postgres from "postgres";
import { startNats } from "../../dev/servers/nats_server.ts";
import { startPostgres } from "../../dev/servers/postgres_server.ts";
import { freshDatabase, sharedNats, sharedPostgres, waitFor } from "../support/servers.ts";

const shared = await sharedPostgres();
const nats = await sharedNats();

Deno.test("sharedNats() accepts connections and has JetStream", async () => {
  const connection = await connect({ servers: nats.url });
  assert.equal(connection.info?.jetstream, true);
  await connection.close();
});

Deno.test("freshDatabase() gives both connection forms to an empty database", async () => {
  await using database = await freshDatabase(shared);
  const [row] = await database.sql`select current_database() as name`;
  assert.equal(row?.name, database.name);
  assert.match(database.dsn, new RegExp(`^host=127.0.0.1 port=${shared.port} .*${database.name}`));
});

Deno.test("startPostgres() keeps port and data when it is killed and restarted", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const sql = postgres(server.url(), { max: 1, onnotice: () => {} });
  await sql`create table kept (id int)`;
  await sql.end();
  const before = { pid: server.pid, port: server.port };
  await server.kill("SIGKILL");
  await server.restart();
  assert.notEqual(server.pid, before.pid);
  assert.equal(server.port, before.port);
  const again = postgres(server.url(), { max: 1, onnotice: () => {} });
  assert.equal((await again`select count(*)::int as count from kept`)[0]?.count, 0);
  await again.end();
});

Deno.test("startPostgres() runs version 15 when asked", async () => {
  await using server = await startPostgres({ version: "15", settings: { fsync: "off" } });
  const sql = postgres(server.url(), { max: 1 });
  const [row] = await sql`show server_version_num`;
  assert.match(String(row?.server_version_num), /^15/);
  await sql.end();
});

Deno.test("startNats() keeps its ports when it is killed and restarted", async () => {
  await using server = await startNats({ websocket: true });
  const { url, websocketUrl } = server;
  await server.kill("SIGKILL");
  await server.restart();
  assert.deepEqual({ url: server.url, websocketUrl: server.websocketUrl }, { url, websocketUrl });
  const connection = await connect({ servers: server.url });
  await connection.close();
});

Deno.test("startNats() runs a named version when asked", async () => {
  await using server = await startNats({ version: "2.10.25" });
  const connection = await connect({ servers: server.url });
  assert.equal(connection.info?.version, "2.10.25");
  await connection.close();
});

Deno.test("startNats() rejects with the server's words when its configuration is wrong", async () => {
  await assert.rejects(
    startNats({ configLines: ["max_payload: nonsense"] }),
    /Cannot start nats-server, it ended: .*nats-server\.conf:1/,
  );
});

Deno.test("startPostgres() and startNats() leave nothing behind when their parent is killed", async () => {
  const program = `
    import { startNats } from ${
    JSON.stringify(import.meta.resolve("../../dev/servers/nats_server.ts"))
  };
    import { startPostgres } from ${
    JSON.stringify(import.meta.resolve("../../dev/servers/postgres_server.ts"))
  };
    const nats = await startNats();
    const postgres = await startPostgres({ settings: { fsync: "off" } });
    console.log(JSON.stringify([nats, postgres].map(({ pid, logFile }) => ({ pid, logFile }))));
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-lock",
      "--config",
      "../../deno.json",
      `data:application/typescript,${encodeURIComponent(program)}`,
    ],
    cwd: import.meta.dirname ?? ".",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await reader.read();
  await reader.cancel();
  const servers = JSON.parse(value) as { pid: number; logFile: string }[];
  child.kill("SIGKILL");
  await child.status;
  for (const { pid, logFile } of servers) {
    await waitFor(() => !isRunning(pid), { what: `the end of process ${pid}` });
    await waitFor(() => !exists(logFile), { what: `the removal of ${logFile}` });
  }
});

function isRunning(pid: number): boolean {
  try {
    // Signal 0 is not to be had; SIGCONT does nothing to a process that runs.
    Deno.kill(pid, "SIGCONT");
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
