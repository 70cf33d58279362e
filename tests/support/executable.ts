/**
 * The program as one executable, for tests that run it as somebody who has nothing else: compiled
 * onto a real base binary, started as an ordinary user in an empty folder with no environment but
 * the settings.
 */
import { join } from "node:path";
import { BASE_BINARY_DENO_VERSION, findBaseBinary } from "../../dev/base_binary.ts";
import { runTool } from "../../dev/servers/tool_command.ts";

/** A compiled program in a folder of its own; dispose it when the test file is unloaded. */
export interface Executable extends Disposable {
  readonly path: string;
  /**
   * Prepares a start in an empty folder with these variables and no other. As root it runs as the
   * unprivileged user 65534.
   */
  command(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Deno.Command>;
}

/** `nobody` on Linux; whom executables run as when the tests run as root. */
export const UNPRIVILEGED_UID = 65534;

/** Compiles the program with `dev/compile.ts`, as `deno task compile` does. */
export async function compileExecutable(): Promise<Executable> {
  const root = join(import.meta.dirname ?? ".", "..", "..");
  const baseBinary = await findBaseBinary();
  const folder = await Deno.makeTempDir({ prefix: "state-tables-executable-" });
  const path = join(folder, "state-tables");
  try {
    await Deno.chmod(folder, 0o755);
    await runTool(
      "npx",
      ["-y", `deno@${BASE_BINARY_DENO_VERSION}`, "run", "-A", "dev/compile.ts", "--output", path],
      { cwd: root, env: { DENORT_BIN: baseBinary, NO_COLOR: "1" } },
    );
    return executable(folder, path);
  } catch (error) {
    await Deno.remove(folder, { recursive: true });
    throw error;
  }
}

function executable(folder: string, path: string): Executable {
  const identity = Deno.uid() === 0 ? { uid: UNPRIVILEGED_UID, gid: UNPRIVILEGED_UID } : {};
  return {
    path,
    async command(args, env): Promise<Deno.Command> {
      const emptyFolder = await Deno.makeTempDir({ dir: folder });
      await Deno.chmod(emptyFolder, 0o755);
      return new Deno.Command(path, {
        args: [...args],
        ...identity,
        cwd: emptyFolder,
        clearEnv: true,
        env: { ...env },
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      });
    },
    [Symbol.dispose](): void {
      Deno.removeSync(folder, { recursive: true });
    },
  };
}
