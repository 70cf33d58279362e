/** The real process: exit codes, signals, and the permissions of production while it starts. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type ServiceProcess, startService } from "../../../dev/servers/service_process.ts";
import { waitFor } from "../../support/servers.ts";

const CANARY = "canary7f3a9";

/** A server that takes connections and never says a word, and a folder with a routing file. */
class SilentServer implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections: Deno.Conn[] = [];
  readonly #accepting: Promise<void>;
  readonly host = `127.0.0.1:${this.#listener.addr.port}`;
  readonly folder = Deno.makeTempDirSync();
  readonly routingFile = join(this.folder, "routing.yaml");

  constructor() {
    this.#accepting = this.#accept();
    Deno.writeTextFileSync(
      this.routingFile,
      `messageConfig: {routes: [{selector: data/transformers/mixer/state-tables-1.0, ` +
        `subject: s, url: "nats://u:${CANARY}@${this.host}"}]}`,
    );
  }

  start(settings: Readonly<Record<string, string>>): Promise<ServiceProcess> {
    return startService({
      settings,
      hosts: [this.host],
      readable: [this.routingFile],
      logFile: join(this.folder, "log"),
    });
  }

  /** The program, waiting for a PostgreSQL that does not answer. */
  async startWaiting(): Promise<ServiceProcess> {
    const [hostname, port] = this.host.split(":");
    const service = await this.start({
      DSN: `host=${hostname} port=${port} user=u password=${CANARY} connect_timeout=1`,
      ROUTING_FILE: this.routingFile,
    });
    await waitFor(() => this.#connections.length > 0, { what: "a connection" });
    return service;
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) this.#connections.push(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    for (const connection of this.#connections) connection.close();
    await Deno.remove(this.folder, { recursive: true });
  }
}

Deno.test("main exits 2 with one message when settings are wrong", async () => {
  await using server = new SilentServer();
  await using service = await server.start({
    DSN: `host=/tmp user=u password=${CANARY}`,
    LOG_LEVEL: "loud",
    ROUTING_FILE: server.routingFile,
  });
  assert.equal(await service.ended, 2);
  const log = await service.log();
  assert.match(log, /^Cannot start as 2 settings are wrong:\n {2}DSN: .*\n {2}LOG_LEVEL: .*\n$/);
  assert.ok(!log.includes(CANARY));
});

Deno.test("main exits 0 when told to stop while it waits for a server, and logs no secret", async () => {
  await using server = new SilentServer();
  await using service = await server.startWaiting();
  service.signal("SIGTERM");
  assert.equal(await service.ended, 0);
  assert.ok(!(await service.log()).includes(CANARY));
});
