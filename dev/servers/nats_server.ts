/**
 * Real nats-servers with JetStream on free ports of the loopback address, for demo, tests and
 * bench. A server keeps its ports and its store over a restart; its temporary folder goes when it
 * is disposed. Which binary runs is decided by `nats_binary.ts`.
 */
import { join } from "node:path";
import { findNatsBinary } from "./nats_binary.ts";
import {
  removeFolder,
  type ServerProcess,
  startServerProcess,
  waitForSign,
} from "./server_process.ts";

/** What a nats-server is started with. */
export interface NatsOptions {
  /** Exactly this version, for example `2.10.25`; without it a recent one. */
  readonly version?: string;
  /** JetStream's folder, kept at disposal; a temporary one when absent. */
  readonly storeDir?: string;
  /** A free one when absent. */
  readonly port?: number;
  /** Lines added to the server's configuration file. */
  readonly configLines?: readonly string[];
  /** Also listen for WebSocket connections, without TLS. */
  readonly websocket?: boolean;
}

/** A running nats-server. */
export interface NatsServer extends AsyncDisposable {
  /** `nats://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  /** `ws://127.0.0.1:<port>`; undefined unless asked for. */
  readonly websocketUrl: string | undefined;
  /** Changes with a restart. */
  readonly pid: number;
  readonly storeDir: string;
  readonly logFile: string;
  /** Sends a signal; resolves at the process's end when the signal is SIGKILL, else at once. */
  kill(signal: Deno.Signal): Promise<void>;
  /** Ends it in an orderly way; the store stays until disposal. */
  stop(): Promise<void>;
  /** Stops it if it runs, and starts it again on the same ports and store. */
  restart(): Promise<void>;
}

interface NatsPorts {
  readonly port: number;
  readonly websocketPort: number | undefined;
}

interface NatsFolders {
  readonly temporary: string;
  readonly storeDir: string;
  readonly logFile: string;
}

/** How long a start may take, in milliseconds: a large store is read first. */
const START_TIMEOUT_MS = 30_000;
/** An orderly end that takes longer than this becomes a SIGKILL. */
const STOP_GRACE_MS = 10_000;

/** Starts a nats-server and waits until it accepts connections. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const binary = await findNatsBinary(options.version);
  const temporary = await Deno.makeTempDir({ prefix: "state-tables-nats-" });
  const folders: NatsFolders = {
    temporary,
    storeDir: options.storeDir ?? join(temporary, "store"),
    logFile: join(temporary, "nats-server.log"),
  };
  const launch = (ports: NatsPorts): ReturnType<typeof launchNats> =>
    launchNats({ binary, folders, ports, options });
  try {
    const websocketPort = options.websocket === true ? -1 : undefined;
    const first = await launch({ port: options.port ?? -1, websocketPort });
    return natsServer(first, { folders, launch });
  } catch (error) {
    await removeFolder(temporary);
    throw error;
  }
}

function natsServer(
  first: { process: ServerProcess; ports: NatsPorts },
  { folders, launch }: {
    folders: NatsFolders;
    launch: (ports: NatsPorts) => ReturnType<typeof launchNats>;
  },
): NatsServer {
  const { ports } = first;
  let process = first.process;
  const stop = (): Promise<void> => process.end("SIGTERM", STOP_GRACE_MS);
  return {
    url: `nats://127.0.0.1:${ports.port}`,
    port: ports.port,
    websocketUrl: ports.websocketPort === undefined
      ? undefined
      : `ws://127.0.0.1:${ports.websocketPort}`,
    get pid(): number {
      return process.pid;
    },
    storeDir: folders.storeDir,
    logFile: folders.logFile,
    async kill(signal): Promise<void> {
      process.signal(signal);
      if (signal === "SIGKILL") await process.ended;
    },
    stop,
    async restart(): Promise<void> {
      await stop();
      process = (await launch(ports)).process;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await stop();
      await removeFolder(folders.temporary);
    },
  };
}

async function launchNats({ binary, folders, ports, options }: {
  binary: string;
  folders: NatsFolders;
  ports: NatsPorts;
  options: NatsOptions;
}): Promise<{ process: ServerProcess; ports: NatsPorts }> {
  const portsFolder = await Deno.makeTempDir({ dir: folders.temporary, prefix: "ports-" });
  const configFile = join(folders.temporary, "nats-server.conf");
  await Deno.writeTextFile(configFile, configText(ports.websocketPort, options.configLines ?? []));
  const process = startServerProcess({
    program: binary,
    // Flags, not configuration: lines of the caller's own may then open a jetstream block.
    args: ["-c", configFile, "-a", "127.0.0.1", "-p", String(ports.port), "-js"]
      .concat("-sd", folders.storeDir, "--ports_file_dir", portsFolder),
    cwd: folders.temporary,
    logFile: folders.logFile,
    orphanSignal: "TERM",
    temporaryFolder: folders.temporary,
  });
  try {
    const found = await waitForSign({
      server: process,
      name: "nats-server",
      logFile: folders.logFile,
      timeoutMs: START_TIMEOUT_MS,
      look: () => readPortsFile(portsFolder),
    });
    return { process, ports: found };
  } catch (error) {
    await process.end("SIGKILL", STOP_GRACE_MS);
    throw error;
  }
}

function configText(websocketPort: number | undefined, lines: readonly string[]): string {
  const websocket = websocketPort === undefined
    ? []
    : [`websocket { host: "127.0.0.1", port: ${websocketPort}, no_tls: true }`];
  return [...websocket, ...lines, ""].join("\n");
}

/** The server writes the file when it listens; null while it has not, or not all of it. */
async function readPortsFile(folder: string): Promise<NatsPorts | null> {
  for await (const entry of Deno.readDir(folder)) {
    if (!entry.name.endsWith(".ports")) continue;
    const text = await Deno.readTextFile(join(folder, entry.name));
    if (!text.trimEnd().endsWith("}")) return null;
    const ports = JSON.parse(text) as { nats?: string[]; websocket?: string[] };
    const port = portOf(ports.nats?.[0]);
    if (port !== undefined) return { port, websocketPort: portOf(ports.websocket?.[0]) };
  }
  return null;
}

function portOf(url: string | undefined): number | undefined {
  const port = url?.split(":").at(-1);
  return port === undefined ? undefined : Number(port);
}
