/**
 * The command line: arguments become one command, or an exit after help, version, a completion
 * script or a usage error has been written. Each command's work stands in a file of its own.
 */
import { object, or } from "@optique/core/constructs";
import { runParserSync } from "@optique/core/facade";
import { message } from "@optique/core/message";
import { command, constant } from "@optique/core/primitives";
import { describeVersion } from "../version.ts";
import { REJECTS, type RejectsArguments } from "./rejects_arguments.ts";
import { EXIT_CODES, type ExitCode } from "./exit_code.ts";
import type { ProgramEnvironment } from "./program_environment.ts";

/** What the arguments ask for. */
export type CommandLine =
  | { readonly kind: "run" }
  | RejectsArguments
  /** Answered already; nothing is left but to exit. */
  | { readonly kind: "exit"; readonly code: ExitCode };

const RUN = object({ kind: constant("run") });

const PARSER = or(
  command("run", RUN, {
    brief: message`Consume messages and write tables until told to stop (the default).`,
    description:
      message`Reads its settings from environment variables. SIGTERM or SIGINT stops it: what is held is written first. A second signal ends it at once; nothing is lost, only delivered again.`,
  }),
  REJECTS,
  RUN,
);

/** Help text wider than this is hard to read. */
const HELP_COLUMNS_MAX = 100;

/** Reads the arguments; writes help, version and completion to standard output, errors to standard error. */
export function parseCommandLine(environment: ProgramEnvironment): CommandLine {
  const answered = (): CommandLine => ({ kind: "exit", code: EXIT_CODES.stopped });
  return runParserSync<typeof PARSER, CommandLine, CommandLine>(
    PARSER,
    "state-tables",
    environment.args,
    {
      brief: message`Turns JSON messages on NATS JetStream into typed PostgreSQL tables.`,
      footer:
        message`Exit codes: 0 stopped as asked; 1 a fault at run time; 2 a wrong command line or configuration; 3 not everything asked for was done.`,
      colors: false,
      maxWidth: Math.min(environment.terminalColumns ?? HELP_COLUMNS_MAX, HELP_COLUMNS_MAX),
      help: { option: true, command: true, onShow: answered },
      version: {
        value: `state-tables ${describeVersion()}`,
        option: true,
        command: true,
        onShow: answered,
      },
      completion: { command: true, onShow: answered },
      onError: () => ({ kind: "exit", code: EXIT_CODES.misconfigured }),
      stdout: (text) => environment.writeOut(`${text}\n`),
      stderr: (text) => environment.writeError(`${text}\n`),
    },
  );
}
