/** The command line of the bench. Pure: it neither prints nor ends the process. */

/** What is to be run. */
export interface BenchArguments {
  readonly kind: "run";
  /** Ids in the order in which they run. */
  readonly workloads: readonly string[];
  /** Measurements of each variant; their median counts. */
  readonly rounds: number;
  /** Small sizes, and one round unless told otherwise. */
  readonly isQuick: boolean;
  /** Write a CPU profile of each run of the program. */
  readonly isProfiled: boolean;
}

/** Results files to be shown in the documentation; nothing is run. */
export interface ReportArguments {
  readonly kind: "report";
  /** Their results become the latest of their workloads, in this order; none: the latest as they are. */
  readonly files: readonly string[];
}

/** What stands behind a wrong command line. */
export const BENCH_USAGE =
  "Usage: deno task bench [W1 W2 … | all] [--rounds N] [--quick] [--profile]\n" +
  "       deno task bench --report [FILE …]";

const ROUNDS_DEFAULT = 3;
const ROUNDS_QUICK = 1;
const ROUNDS_MAX = 100;

/**
 * Reads the command line; `known` are the ids that there are, of which all run when none is named.
 *
 * @throws {TypeError} an argument is unknown or has no proper value
 */
export function parseBenchArguments(
  args: readonly string[],
  known: readonly string[],
): BenchArguments | ReportArguments {
  if (args[0] === "--report") return { kind: "report", files: args.slice(1) };
  const workloads: string[] = [];
  let rounds: number | null = null;
  let isQuick = false;
  let isProfiled = false;
  const left = [...args];
  for (let argument = left.shift(); argument !== undefined; argument = left.shift()) {
    if (argument === "--quick") isQuick = true;
    else if (argument === "--profile") isProfiled = true;
    else if (argument === "--rounds") rounds = parseRounds(left.shift());
    else if (argument === "all") workloads.push(...known);
    else workloads.push(...knownWorkloads(argument, known));
  }
  return {
    kind: "run",
    workloads: workloads.length === 0 ? known : [...new Set(workloads)],
    rounds: rounds ?? (isQuick ? ROUNDS_QUICK : ROUNDS_DEFAULT),
    isQuick,
    isProfiled,
  };
}

function parseRounds(text: string | undefined): number {
  const rounds = Number(text);
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= ROUNDS_MAX) return rounds;
  throw new TypeError(`--rounds needs a whole number from 1 to ${ROUNDS_MAX}`);
}

/** The workload of that id, or all whose ids begin so: `W5` are W5wide and W5text. */
function knownWorkloads(argument: string, known: readonly string[]): readonly string[] {
  const wanted = argument.toLowerCase();
  const exact = known.filter((id) => id.toLowerCase() === wanted);
  const found = exact.length > 0
    ? exact
    : known.filter((id) => id.toLowerCase().startsWith(wanted));
  if (found.length > 0) return found;
  throw new TypeError(`Unknown argument ${argument}: there are ${known.join(", ")}`);
}
