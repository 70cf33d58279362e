/**
 * `deno task compile`: makes the executable, with the `executable` permission set of deno.json,
 * version and commit inside. `--target` and `--output` are those of `deno compile`, DENORT_BIN names
 * a base binary that is at hand. Where Deno cannot get its base binary, one sentence says so.
 */
import { dirname, join } from "node:path";
import { parseArgs, stripVTControlCharacters } from "node:util";
import { V8_FLAGS } from "./permissions.ts";
import { runTool, ToolCommandError } from "./servers/tool_command.ts";

/** What can be chosen on the command line. */
interface CompileChoice {
  /** A target of `deno compile`; the machine's own when undefined. */
  readonly target: string | undefined;
  readonly output: string;
  /** The checkout's when undefined. */
  readonly commit: string | undefined;
}

/** Embedded, and read by lib/version.ts. */
const COMMIT_FILE = "dist/commit";

/** Imported as a module's source, which `deno compile` does not find by itself. */
const ENCODER_MODULE = "lib/encoder/fast_encoder.wasm";

if (import.meta.main) Deno.exit(await compile(readChoice(Deno.args)));

/** Compiles main.ts; returns the exit code. */
async function compile(choice: CompileChoice): Promise<number> {
  const root = join(import.meta.dirname ?? ".", "..");
  await Deno.mkdir(dirname(join(root, COMMIT_FILE)), { recursive: true });
  const commit = choice.commit ?? await readCommit(root);
  await Deno.writeTextFile(join(root, COMMIT_FILE), `${commit}\n`);
  const target = choice.target === undefined ? [] : ["--target", choice.target];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["compile", "--no-prompt", "-P=executable", V8_FLAGS]
      .concat("--include", COMMIT_FILE, "--include", ENCODER_MODULE, ...target)
      .concat("--output", choice.output, "main.ts"),
    cwd: root,
    stdin: "null",
    stdout: "inherit",
    stderr: "piped",
  }).spawn();
  const error = await showUntilError(child.stderr);
  const { code } = await child.status;
  if (code === 0) return 0;
  const isBaseBinaryMissing = /Setting up base binary|Could not find denort/.test(error);
  await say(isBaseBinaryMissing ? baseBinarySentence(choice.target) : error);
  return code;
}

function baseBinarySentence(target: string | undefined): string {
  return `Cannot compile as Deno's base binary (denort ${Deno.version.deno}, ` +
    `${
      target ?? Deno.build.target
    }) cannot be had here: let this machine reach Deno's downloads, ` +
    "or name a copy of that version and target in DENORT_BIN\n";
}

/** Shows progress as it comes, holds back the error and all that follows it, and returns that. */
async function showUntilError(stderr: ReadableStream<Uint8Array>): Promise<string> {
  let unfinished = "";
  let error = "";
  for await (const chunk of stderr.pipeThrough(new TextDecoderStream())) {
    const lines = (unfinished + chunk).split("\n");
    unfinished = lines.pop() ?? "";
    for (const line of lines) {
      if (error !== "" || stripVTControlCharacters(line).startsWith("error")) error += `${line}\n`;
      else await say(`${line}\n`);
    }
  }
  return error + unfinished;
}

/** The checkout's commit, `-dirty` behind it when files differ; `unknown` outside of a checkout. */
async function readCommit(root: string): Promise<string> {
  try {
    const args = ["describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"];
    return (await runTool("git", args, { cwd: root })).trim();
  } catch (error) {
    if (error instanceof ToolCommandError) return "unknown";
    throw error;
  }
}

function readChoice(args: readonly string[]): CompileChoice {
  const { values } = parseArgs({
    args: [...args],
    options: {
      target: { type: "string" },
      output: { type: "string", short: "o", default: "dist/state-tables" },
      commit: { type: "string" },
    },
  });
  return { target: values.target, output: values.output, commit: values.commit };
}

async function say(text: string): Promise<void> {
  await Deno.stderr.write(new TextEncoder().encode(text));
}
