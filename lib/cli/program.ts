/**
 * From arguments to exit code: picks the command, runs it, and words a wrong configuration as one
 * message. It never ends the process itself.
 */
import { ConfigurationError } from "../errors.ts";
import { parseCommandLine } from "./command_line.ts";
import { EXIT_CODES, type ExitCode } from "./exit_code.ts";
import type { ProgramEnvironment } from "./program_environment.ts";
import { run, type RunService } from "./run.ts";

/** Runs the command that the arguments ask for and gives the code to exit with. */
export async function runProgram(
  environment: ProgramEnvironment,
  runService: RunService,
): Promise<ExitCode> {
  const commandLine = parseCommandLine(environment);
  if (commandLine.kind === "exit") return commandLine.code;
  try {
    return await run(environment, runService);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    environment.writeError(describeConfigurationError(error));
    return EXIT_CODES.misconfigured;
  }
}

function describeConfigurationError(error: ConfigurationError): string {
  const count = error.faults.length;
  const what = count === 1 ? "one setting is wrong" : `${count} settings are wrong`;
  const lines = error.message.split("\n").map((line) => `  ${line}`);
  return `Cannot start as ${what}:\n${lines.join("\n")}\n`;
}
