/**
 * `deno task faults`: real servers, the real program with its production permissions, and faults
 * while it works; afterwards the tables are compared with what was published. One line a scenario;
 * ends with a code other than 0 when a row was lost or is there twice, when a fault was never seen,
 * or when the program did not come back. `--rounds N` repeats everything with other seeds, `--seed N`
 * names the first, `--only a,b` picks scenarios, `--list` names them, `--short` makes fewer rounds,
 * `--logs FOLDER` keeps what the program logged, `--nats VERSION` runs on another nats-server.
 */
import { failureLines, headLine, resultLine } from "./faults/report.ts";
import { runScenario, type ScenarioResult } from "./faults/run_scenario.ts";
import { SCENARIOS } from "./faults/scenario_list.ts";
import type { Scenario } from "./faults/scenario.ts";
import { type FaultArguments, readFaultArguments } from "./faults/fault_arguments.ts";

/** Share of the usual rounds in the short form. */
const SHORT_SCALE = 0.3;

/** 128 and the number of SIGINT, as shells give it. */
const EXIT_INTERRUPTED = 130;

const encoder = new TextEncoder();

if (import.meta.main) {
  const parsed = readFaultArguments(Deno.args, SCENARIOS.map(({ name }) => name));
  if (parsed.kind === "wrong") {
    say(parsed.reason);
    Deno.exit(2);
  }
  if (parsed.kind === "list") {
    for (const { name, title } of SCENARIOS) say(`${name.padEnd(26)}${title}`);
    Deno.exit(0);
  }
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      // The second time there is no patience left.
      if (interrupted.signal.aborted) Deno.exit(EXIT_INTERRUPTED);
      interrupted.abort(new Error("Interrupted"));
    });
  }
  Deno.exit(await runAll(parsed, interrupted.signal));
}

async function runAll(chosen: FaultArguments, signal: AbortSignal): Promise<number> {
  const scenarios = SCENARIOS.filter(({ name, isShort }) =>
    chosen.only === null ? !chosen.isShort || isShort === true : chosen.only.includes(name)
  );
  const failed: string[] = [];
  say(headLine());
  for (let round = 0; round < chosen.rounds; round++) {
    for (const scenario of scenarios) {
      const isGood = await runOne(scenario, chosen.seed + round, { ...chosen, signal });
      if (signal.aborted) {
        say("Interrupted; everything that was started is ended");
        return EXIT_INTERRUPTED;
      }
      if (!isGood) failed.push(`${scenario.name} (seed ${chosen.seed + round})`);
    }
  }
  const total = scenarios.length * chosen.rounds;
  say(`${total - failed.length} of ${total} scenarios passed, first seed ${chosen.seed}`);
  if (failed.length > 0) say(`Failed: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
}

/** Runs one scenario and prints its line; a mistake of the harness is a failure, too. */
async function runOne(
  scenario: Scenario,
  seed: number,
  { isShort, logs, natsVersion, signal }: FaultArguments & { readonly signal: AbortSignal },
): Promise<boolean> {
  try {
    const scale = isShort ? SHORT_SCALE : 1;
    const result = await runScenario(scenario, { seed, scale, natsVersion, signal });
    say(resultLine(result));
    if (logs !== null) await keepLogs(result, logs);
    for (const line of failureLines(result)) say(line);
    return result.faults.length === 0;
  } catch (error) {
    if (error === signal.reason) return false;
    say(`${scenario.name}: ${error instanceof Error ? error.stack ?? error.message : error}`);
    return false;
  }
}

async function keepLogs({ scenario, seed, logs }: ScenarioResult, folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for (const [index, lines] of logs.entries()) {
    const text = lines.map(({ raw }) => `${raw}\n`).join("");
    await Deno.writeTextFile(`${folder}/${scenario.name}-${seed}-${index}.log`, text);
  }
}

function say(line: string): void {
  Deno.stdout.writeSync(encoder.encode(`${line}\n`));
}
