/**
 * From arguments to exit code: picks the command, runs it, and words a wrong configuration as one
 * message. It never ends the process itself.
 */
import { ConfigurationError } from "../errors.ts";
import { EXIT_CODES, type ExitCode } from "./exit_code.ts";
import type { ProgramEnvironment } from "./program_environment.ts";
import type { Programs } from "./programs.ts";
import { run } from "./run.ts";

/** Runs the command that the arguments ask for and gives the code to exit with. */
export async function runProgram(
  environment: ProgramEnvironment,
  programs: Programs,
): Promise<ExitCode> {
  try {
    if (isPlainRun(environment.args)) return await run(environment, programs.runService);
    const { runCommandLine } = await import("./commands.ts");
    return await runCommandLine(environment, programs);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    environment.writeError(describeConfigurationError(error));
    return EXIT_CODES.misconfigured;
  }
}

/**
 * What services are started with. The reader of arguments and all other commands would be a fifth of
 * the time to start and of the memory at rest: they are loaded for those who need them.
 */
function isPlainRun([command, ...others]: readonly string[]): boolean {
  return others.length === 0 && (command === undefined || command === "run");
}

function describeConfigurationError(error: ConfigurationError): string {
  const count = error.faults.length;
  const what = count === 1 ? "one setting is wrong" : `${count} settings are wrong`;
  const lines = error.message.split("\n").map((line) => `  ${line}`);
  return `Cannot start as ${what}:\n${lines.join("\n")}\n`;
}
