/** Reads the arguments and runs the command that they ask for. */
import { type CommandLine, parseCommandLine } from "./command_line.ts";
import type { ExitCode } from "./exit_code.ts";
import type { ProgramEnvironment } from "./program_environment.ts";
import type { Programs } from "./programs.ts";
import { listRejects } from "./rejects_list.ts";
import { purge } from "./rejects_purge.ts";
import { replay } from "./rejects_replay.ts";
import { type RejectsSession, withRejects } from "./rejects_session.ts";
import { showReject } from "./rejects_show.ts";
import { run } from "./run.ts";

/**
 * Gives the code to exit with.
 *
 * @throws {ConfigurationError} the settings, or what they stand for, are wrong
 */
export async function runCommandLine(
  environment: ProgramEnvironment,
  programs: Programs,
): Promise<ExitCode> {
  const commandLine = parseCommandLine(environment);
  return commandLine.kind === "exit"
    ? commandLine.code
    : await runCommand(environment, programs, commandLine);
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
