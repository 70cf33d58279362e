/**
 * `deno task encoder`: compiles lib/encoder/assembly to the module that is checked in beside it. The
 * compiler comes from npm, outside of deno.json and its lock: it is 60 MB that nobody needs who does
 * not change the sources.
 */
import { join } from "node:path";
import { runTool } from "./servers/tool_command.ts";

/** The same sources give the same bytes with one version of the compiler only. */
const COMPILER = "npm:assemblyscript@0.28.20/asc";

const SOURCE = "lib/encoder/assembly/fast_encoder.ts";
const MODULE = "lib/encoder/fast_encoder.wasm";

const OPTIONS = ["-O3", "--noAssert", "--runtime", "stub", "--use", "abort="]
  .concat("--enable", "simd", "--enable", "bulk-memory");

if (import.meta.main) {
  const bytes = await compileEncoder();
  await Deno.writeFile(join(root(), MODULE), bytes);
  // deno-lint-ignore no-console -- this is the terminal of whoever started the task
  console.log(`${MODULE}: ${bytes.length} bytes`);
}

/** The module that the sources give. */
export async function compileEncoder(): Promise<Uint8Array> {
  const output = await Deno.makeTempFile({ prefix: "state-tables-encoder-", suffix: ".wasm" });
  try {
    await runTool(
      Deno.execPath(),
      ["run", "--quiet", "--no-config", "--no-lock", "-A", COMPILER, SOURCE, "-o", output]
        .concat(OPTIONS),
      { cwd: root() },
    );
    return await Deno.readFile(output);
  } finally {
    await Deno.remove(output);
  }
}

/** The module that is checked in. */
export async function readEncoder(): Promise<Uint8Array> {
  return await Deno.readFile(join(root(), MODULE));
}

function root(): string {
  return join(import.meta.dirname ?? ".", "..");
}
