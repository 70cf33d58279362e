/**
 * Entry point: the process (arguments, environment, files, signals) becomes a
 * {@linkcode ProgramEnvironment}, a command runs in it, and its exit code ends the process. The only
 * place that touches Deno.args, Deno.env and Deno.exit.
 */
import { EXIT_CODES } from "./lib/cli/exit_code.ts";
import { runProgram } from "./lib/cli/program.ts";
import type { ProgramEnvironment } from "./lib/cli/program_environment.ts";
import type { Programs } from "./lib/cli/programs.ts";
import { openServiceStore, runService } from "./lib/service.ts";

/** Signals that stop the program, and their numbers. Windows knows no SIGTERM but Ctrl-Break. */
const STOP_SIGNALS: readonly (readonly [Deno.Signal, number])[] = Deno.build.os === "windows"
  ? [["SIGINT", 2], ["SIGBREAK", 21]]
  : [["SIGINT", 2], ["SIGTERM", 15]];

function openEnvironment(args: readonly string[]): ProgramEnvironment {
  const stop = listenForSignals();
  return {
    args,
    readVariable: (name) => Deno.env.get(name),
    readTextFile: (path) => Deno.readTextFileSync(path),
    writeOut: (text) => writeWhole(Deno.stdout, text),
    writeError: (text) => writeWhole(Deno.stderr, text),
    ask: (question) => ask(question, stop),
    isInteractive: Deno.stdin.isTerminal() && Deno.stderr.isTerminal(),
    isTerminal: Deno.stderr.isTerminal(),
    terminalColumns: Deno.stdout.isTerminal() ? Deno.consoleSize().columns : null,
    stop,
    onUncaughtError,
  };
}

/** Reads one line of standard input; a terminal hands lines over one by one. */
async function ask(question: string, stop: AbortSignal): Promise<string | null> {
  writeWhole(Deno.stderr, question);
  const bytes = new Uint8Array(1024);
  const stopped = Promise.withResolvers<null>();
  stop.addEventListener("abort", () => stopped.resolve(null), { once: true });
  const length = await Promise.race([Deno.stdin.read(bytes), stopped.promise]);
  return length === null ? null : new TextDecoder().decode(bytes.subarray(0, length));
}

/** The first signal asks to stop, the second ends the process at once with 128 plus its number. */
function listenForSignals(): AbortSignal {
  const controller = new AbortController();
  for (const [signal, number] of STOP_SIGNALS) {
    Deno.addSignalListener(signal, () => {
      if (controller.signal.aborted) Deno.exit(128 + number);
      controller.abort(new DOMException(`stopped by ${signal}`, "AbortError"));
    });
  }
  return controller.signal;
}

let reportUncaught = (error: unknown): void => {
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  writeWhole(Deno.stderr, `${text}\n`);
};

function onUncaughtError(report: (error: unknown) => void): void {
  reportUncaught = report;
}

/** An error that nobody caught is a bug: say it and stop, nothing is acked that is not durable. */
function stopOnUncaughtErrors(): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    reportUncaught(event.reason);
    Deno.exit(EXIT_CODES.failed);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    reportUncaught(event.error);
    Deno.exit(EXIT_CODES.failed);
  });
}

function writeWhole(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
  } catch (error) {
    // Nobody reads any more; that is no reason to stop writing tables.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** Runs the program in this process, which ends with its exit code; a test may give its own parts. */
export async function main(programs: Programs, args: readonly string[]): Promise<never> {
  stopOnUncaughtErrors();
  Deno.exit(await runProgram(openEnvironment(args), programs));
}

if (import.meta.main) await main({ runService, openStore: openServiceStore }, Deno.args);
