/** The command line of the bench. Pure: it neither prints nor ends the process. */

/** What is to be run. */
export interface BenchArguments {
  /** Ids in the order in which they run. */
  readonly workloads: readonly string[];
  /** Measurements of each variant; their median counts. */
  readonly rounds: number;
  /** Small sizes, and one round unless told otherwise. */
  readonly isQuick: boolean;
  /** Write a CPU profile of each run of the program. */
  readonly isProfiled: boolean;
}

/** What stands behind a wrong command line. */
export const BENCH_USAGE =
  "Usage: deno task bench [W1 W2 … | all] [--rounds N] [--quick] [--profile]";

const ROUNDS_DEFAULT = 4;
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
): BenchArguments {
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
    else workloads.push(knownWorkload(argument, known));
  }
  return {
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

function knownWorkload(argument: string, known: readonly string[]): string {
  const found = known.find((id) => id.toLowerCase() === argument.toLowerCase());
  if (found !== undefined) return found;
  throw new TypeError(`Unknown argument ${argument}: there are ${known.join(", ")}`);
}
