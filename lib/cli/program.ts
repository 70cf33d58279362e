/**
 * From arguments to exit code: picks the command, runs it, and words a wrong configuration as one
 * message. It never ends the process itself.
 */
import { ConfigurationError } from "../errors.ts";
import { type CommandLine, parseCommandLine } from "./command_line.ts";
import { EXIT_CODES, type ExitCode } from "./exit_code.ts";
import type { ProgramEnvironment } from "./program_environment.ts";
import { listRejects } from "./rejects_list.ts";
import { purge } from "./rejects_purge.ts";
import { replay } from "./rejects_replay.ts";
import { type OpenStore, type RejectsSession, withRejects } from "./rejects_session.ts";
import { showReject } from "./rejects_show.ts";
import { run, type RunService } from "./run.ts";

/** What commands are run with: the composition root's own, or a test's. */
export interface Programs {
  readonly runService: RunService;
  readonly openStore: OpenStore;
}

/** Runs the command that the arguments ask for and gives the code to exit with. */
export async function runProgram(
  environment: ProgramEnvironment,
  programs: Programs,
): Promise<ExitCode> {
  const commandLine = parseCommandLine(environment);
  if (commandLine.kind === "exit") return commandLine.code;
  try {
    return await runCommand(environment, programs, commandLine);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    environment.writeError(describeConfigurationError(error));
    return EXIT_CODES.misconfigured;
  }
}

async function runCommand(
  environment: ProgramEnvironment,
  { runService, openStore }: Programs,
  commandLine: Exclude<CommandLine, { kind: "exit" }>,
): Promise<ExitCode> {
  const onStore = (work: (session: RejectsSession) => Promise<ExitCode>): Promise<ExitCode> =>
    withRejects(environment, openStore, work);
  switch (commandLine.kind) {
    case "run":
      return await run(environment, runService);
    case "rejects-list":
      return await onStore((session) => listRejects(environment, session, commandLine));
    case "rejects-show":
      return await onStore((session) => showReject(environment, session, commandLine));
    case "rejects-replay":
      return await onStore((session) => replay(environment, session, commandLine));
    case "rejects-purge":
      return await onStore((session) => purge(environment, session, commandLine));
    default:
      return commandLine satisfies never;
  }
}

function describeConfigurationError(error: ConfigurationError): string {
  const count = error.faults.length;
  const what = count === 1 ? "one setting is wrong" : `${count} settings are wrong`;
  const lines = error.message.split("\n").map((line) => `  ${line}`);
  return `Cannot start as ${what}:\n${lines.join("\n")}\n`;
}
