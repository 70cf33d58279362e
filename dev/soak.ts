/**
 * `deno task soak`: a steady load with random faults for as long as wanted. Two instances of the
 * program share a consumer: one is never ended, so that what grows in it is seen, the other is killed
 * and frozen; servers and connections are hurt for both. Ends with the tables compared with what was
 * published, a table of what was sampled, a picture and a JSON file; the code is 1 when a row was lost
 * or is there twice, when something grew, or when the program ended. Ctrl-C cleans up.
 */
import { runSoak } from "./soak/run_soak.ts";
import { readSoakArguments, SOAK_USAGE } from "./soak/soak_arguments.ts";
import type { SoakFigures } from "./soak/soak_figures.ts";
import { keepSoak } from "./soak/soak_files.ts";
import { soakTable } from "./soak/soak_table.ts";

const encoder = new TextEncoder();

if (import.meta.main) {
  const parsed = readSoakArguments(Deno.args);
  if (parsed.kind === "wrong") {
    say(`${parsed.reason}\n${SOAK_USAGE}`);
    Deno.exit(2);
  }
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interrupted.abort(new Error("Interrupted")));
  }
  try {
    const result = await runSoak(parsed, { say, signal: interrupted.signal });
    say(`\n${soakTable(result)}\n`);
    await sayFiles(result, parsed.isKept);
    for (const fault of result.faults) say(`FAILED: ${fault}`);
    say(result.faults.length === 0 ? "Passed" : `Again: deno task soak --seed ${parsed.seed}`);
    Deno.exit(result.faults.length === 0 ? 0 : 1);
  } catch (error) {
    if (interrupted.signal.aborted) Deno.exit(130);
    say(error instanceof Error ? error.stack ?? error.message : String(error));
    Deno.exit(1);
  }
}

async function sayFiles(result: SoakFigures, isKept: boolean): Promise<void> {
  for (const file of await keepSoak(result, isKept)) say(`Written: ${file}`);
}

function say(line: string): void {
  Deno.stdout.writeSync(encoder.encode(`${line}\n`));
}
