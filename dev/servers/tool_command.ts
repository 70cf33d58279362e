/**
 * Runs the short-lived programs that set servers up (pip, go, dpkg, initdb) and words their
 * failures. Servers themselves run under `server_process.ts`.
 */

/** A program ended badly, or is not there. */
export class ToolCommandError extends Error {
  override readonly name = "ToolCommandError";
  /** The program is not installed. */
  readonly isMissing: boolean;

  constructor(message: string, options: ErrorOptions & { isMissing: boolean }) {
    super(message, options);
    this.isMissing = options.isMissing;
  }
}

/** Where and as whom a program runs. */
export interface ToolCommandOptions {
  readonly cwd?: string;
  /** Added to the inherited environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** User and group to run as; only root may set it. */
  readonly uid?: number | undefined;
}

/**
 * Runs a program to its end and returns what it wrote to standard output.
 *
 * @throws {ToolCommandError} it is missing, or its exit code is not 0
 */
export async function runTool(
  program: string,
  args: readonly string[],
  options: ToolCommandOptions = {},
): Promise<string> {
  const { uid, ...rest } = options;
  const identity = uid === undefined ? {} : { uid, gid: uid };
  let output: Deno.CommandOutput;
  try {
    const command = new Deno.Command(program, {
      ...rest,
      ...identity,
      args: [...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
    output = await command.output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new ToolCommandError(`${program} is not installed`, { isMissing: true, cause: error });
  }
  const decoder = new TextDecoder();
  const stdout = decoder.decode(output.stdout);
  if (output.success) return stdout;
  const said = `${decoder.decode(output.stderr)}\n${stdout}`.trim().split("\n").slice(-5);
  throw new ToolCommandError(
    `${program} ${args[0] ?? ""} failed (exit ${output.code}): ${said.join(" ")}`,
    { isMissing: false },
  );
}
