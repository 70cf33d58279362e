/**
 * The program itself as a child process, with exactly the flags of production: for demo, tests and
 * bench. It is ready when its log says so; what it writes goes to a log file.
 */
import { join } from "node:path";
import { permissionFlags, V8_FLAGS } from "../permissions.ts";
import { type ServerProcess, startServerProcess, waitForSign } from "./server_process.ts";

/** How the program is started. */
export interface ServiceOptions {
  /** Environment variables: the settings and nothing else. */
  readonly settings: Readonly<Record<string, string>>;
  /** `host:port` of every server that it may connect to. */
  readonly hosts: readonly string[];
  /** Files that it may read. */
  readonly readable: readonly string[];
  /** Where its output goes. */
  readonly logFile: string;
  /** Source file to run instead of `main.ts`, from the repository's root. */
  readonly entry?: string;
  /** An executable to run instead of the sources; it carries its own permissions. */
  readonly executable?: string;
  /** User to run as; only root may set it. */
  readonly uid?: number;
  /** Folder to run in; the repository when absent. */
  readonly cwd?: string;
  /** Flags for Deno itself, for example `--cpu-prof`; an executable takes none. */
  readonly runtimeFlags?: readonly string[];
  /** Command and arguments behind the program's name. */
  readonly args?: readonly string[];
}

/** The running program. */
export interface ServiceProcess extends AsyncDisposable {
  readonly pid: number;
  /** Resolves when it consumes; rejects when it ends before. */
  readonly ready: Promise<void>;
  /** Resolves with the exit code at its end. */
  readonly ended: Promise<number>;
  /** Sends a signal. */
  signal(name: Deno.Signal): void;
  /** SIGTERM, and its exit code. */
  stop(): Promise<number>;
  /** What it wrote so far. */
  log(): Promise<string>;
}

/** The log line that says the program consumes. */
const READY_MESSAGE = "Ready";
const READY_TIMEOUT_MS = 60_000;
/** The program's own grace is 25 s. */
const STOP_GRACE_MS = 40_000;

const ROOT = join(import.meta.dirname ?? ".", "..", "..");

/** Starts the program; {@linkcode ServiceProcess.ready} says when it consumes. */
export async function startService(options: ServiceOptions): Promise<ServiceProcess> {
  const { logFile, executable, uid } = options;
  const args = executable === undefined
    ? [
      "run",
      "--quiet",
      ...permissionFlags("production", { net: options.hosts, read: options.readable }),
    ]
      .concat(
        V8_FLAGS,
        options.runtimeFlags ?? [],
        join(ROOT, options.entry ?? "main.ts"),
        options.args ?? [],
      )
    : [...options.args ?? []];
  await Deno.writeTextFile(logFile, "", { append: true });
  if (uid !== undefined) await Deno.chown(logFile, uid, uid);
  const server = startServerProcess({
    program: executable ?? Deno.execPath(),
    args,
    cwd: options.cwd ?? ROOT,
    logFile,
    ...(uid === undefined ? {} : { uid }),
    env: { ...(executable === undefined ? runtimeEnvironment() : {}), ...options.settings },
    orphanSignal: "TERM",
    temporaryFolder: null,
  });
  return serviceProcess(server, logFile);
}

function serviceProcess(server: ServerProcess, logFile: string): ServiceProcess {
  const log = (): Promise<string> => Deno.readTextFile(logFile);
  const ready = waitForSign({
    server,
    name: "state-tables",
    logFile,
    timeoutMs: READY_TIMEOUT_MS,
    look: async () => (await log()).includes(`"message":"${READY_MESSAGE}"`) ? true : null,
  }).then(() => undefined);
  ready.catch(() => undefined);
  const ended = server.ended.then(({ code }) => code);
  const stop = async (): Promise<number> => {
    await server.end("SIGTERM", STOP_GRACE_MS);
    return await ended;
  };
  return {
    pid: server.pid,
    ready,
    ended,
    signal: (name) => server.signal(name),
    stop,
    log,
    async [Symbol.asyncDispose](): Promise<void> {
      server.signal("SIGCONT");
      await stop();
      await ready.catch(() => undefined);
    },
  };
}

/** What `deno run` itself needs to find its cache; the program may read none of it. */
function runtimeEnvironment(): Record<string, string> {
  const names = ["HOME", "DENO_DIR", "XDG_CACHE_HOME"];
  const set = names.map((name) => [name, Deno.env.get(name)] as const);
  return Object.fromEntries(
    set.filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
