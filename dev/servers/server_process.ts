/**
 * One server as a child process that never outlives us. It runs in a session of its own, so that
 * Ctrl-C in a terminal reaches us alone and we decide in which order things end; a small watchdog
 * ends it, and removes its temporary folder, when we vanish without doing so, however that happens.
 * What the server writes goes to a log file: a pipe would keep reads pending inside tests.
 */
import { runTool } from "./tool_command.ts";

/** A command to run as a server. */
export interface ServerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Standard output and error are appended here. */
  readonly logFile: string;
  /** User and group to run as; only root may set it. */
  readonly uid?: number | undefined;
  /** The whole environment of the server, but for PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** Signal by which the watchdog ends it; SIGKILL follows two seconds later. */
  readonly orphanSignal: "TERM" | "QUIT";
  /** Removed by the watchdog after the server was orphaned; null keeps everything. */
  readonly temporaryFolder: string | null;
}

/** A running server. */
export interface ServerProcess {
  readonly pid: number;
  /** Resolves when the process has ended. */
  readonly ended: Promise<Deno.CommandStatus>;
  /** True once it has ended. */
  hasEnded(): boolean;
  /** Sends a signal; does nothing when the process has ended. */
  signal(signal: Deno.Signal): void;
  /** Sends a signal, then SIGKILL when it has not ended within `graceMs`; resolves at its end. */
  end(signal: Deno.Signal, graceMs: number): Promise<void>;
}

/** Starts a server. It is up when its own signs say so, see {@linkcode waitForSign}. */
export function startServerProcess(command: ServerCommand): ServerProcess {
  const identity = command.uid === undefined ? {} : { uid: command.uid, gid: command.uid };
  const child = new Deno.Command("sh", {
    // exec: the shell becomes the server, so that the pid is the server's own.
    args: ["-c", 'log=$1; shift; exec "$@" >>"$log" 2>&1', "sh", command.logFile]
      .concat(command.program, command.args),
    ...identity,
    cwd: command.cwd,
    clearEnv: true,
    env: { PATH: Deno.env.get("PATH") ?? "", ...command.env },
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  let hasEnded = false;
  const watchdog = startWatchdog(child.pid, command);
  const ended = child.status.then(async (status) => {
    hasEnded = true;
    await watchdog[Symbol.asyncDispose]();
    return status;
  });
  const signal = (name: Deno.Signal): void => {
    if (!hasEnded) sendSignal(child, name);
  };
  return {
    pid: child.pid,
    ended,
    hasEnded: () => hasEnded,
    signal,
    async end(name, graceMs): Promise<void> {
      signal(name);
      // A stopped process (SIGSTOP) would hear of it only when it goes on.
      signal("SIGCONT");
      const timer = setTimeout(() => signal("SIGKILL"), graceMs);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** Signs of a server being up. */
export interface ServerSign<T> {
  readonly server: ServerProcess;
  /** For the error text: `nats-server`, `PostgreSQL`. */
  readonly name: string;
  readonly logFile: string;
  readonly timeoutMs: number;
  /** Looks once; null means not yet. */
  readonly look: () => Promise<T | null>;
}

/** Looks for a sign until it is there. Rejects with the log's end when the server ends before. */
export async function waitForSign<T>(sign: ServerSign<T>): Promise<T> {
  const deadline = performance.now() + sign.timeoutMs;
  while (performance.now() < deadline) {
    const found = await sign.look();
    if (found !== null) return found;
    if (sign.server.hasEnded()) {
      throw new Error(`Cannot start ${sign.name}, it ended: ${await logEnd(sign.logFile)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(
    `Cannot start ${sign.name} within ${sign.timeoutMs} ms: ${await logEnd(sign.logFile)}`,
  );
}

/** Gives a path to another user; does nothing when `uid` is undefined. */
export async function giveTo(uid: number | undefined, path: string): Promise<void> {
  if (uid !== undefined) await Deno.chown(path, uid, uid);
}

/** Removes a folder with everything in it, whoever owns it. */
export async function removeFolder(path: string): Promise<void> {
  // Not Deno.remove: a server that was just killed may still make files below.
  await runTool("rm", ["-rf", "--", path]);
}

async function logEnd(logFile: string): Promise<string> {
  const text = await Deno.readTextFile(logFile).catch(() => "(it left no log)");
  return text.trim().split("\n").slice(-5).join(" | ");
}

function sendSignal(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    // It ended a moment ago and its status has not reached us yet.
    const isGone = error instanceof Deno.errors.NotFound ||
      (error instanceof TypeError && error.message.includes("already terminated"));
    if (!isGone) throw error;
  }
}

/** Reads its standard input: a line sends it home, the end without a line means we are gone. */
const WATCHDOG_SCRIPT = `
trap '' INT TERM HUP
read -r line && exit 0
kill -"$2" "$1" 2>/dev/null
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  kill -0 "$1" 2>/dev/null || break
  sleep 0.1
done
kill -KILL "$1" 2>/dev/null
if [ -n "$3" ]; then rm -rf -- "$3"; fi
`;

function startWatchdog(pid: number, command: ServerCommand): AsyncDisposable {
  const watchdog = new Deno.Command("sh", {
    args: ["-c", WATCHDOG_SCRIPT, "sh", String(pid), command.orphanSignal]
      .concat(command.temporaryFolder ?? ""),
    cwd: "/",
    stdin: "piped",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      const writer = watchdog.stdin.getWriter();
      await writer.write(new TextEncoder().encode("done\n"));
      await writer.close();
      await watchdog.status;
    },
  };
}
