/** Reads the soak's command line. Pure. */

/** What to run. */
export interface SoakArguments {
  readonly kind: "run";
  readonly minutes: number;
  readonly seed: number;
  /** Messages a second. */
  readonly rate: number;
  /** The figures become those of the documentation. */
  readonly isKept: boolean;
}

/** What the command line said. */
export type ParsedSoakArguments =
  | SoakArguments
  | { readonly kind: "wrong"; readonly reason: string };

/** What stands behind a wrong command line. */
export const SOAK_USAGE = "Usage: deno task soak [--minutes N] [--seed N] [--rate N] [--keep]";

const MINUTES_DEFAULT = 30;
/** Ids of rows are remembered by table until the end, and stay below those of the probes. */
const MINUTES_MAX = 600;
const RATE_DEFAULT = 2_000;
const RATE_MAX = 10_000;

/** Reads arguments. */
export function readSoakArguments(args: readonly string[]): ParsedSoakArguments {
  const numbers = { "--minutes": MINUTES_DEFAULT, "--seed": 1, "--rate": RATE_DEFAULT };
  let isKept = false;
  for (let index = 0; index < args.length; index++) {
    const [name = "", attached] = (args[index] ?? "").split("=", 2);
    if (name === "--keep") isKept = true;
    else if (isNumberName(name)) numbers[name] = Number(attached ?? args[++index] ?? "");
    else return wrong(`Unknown argument ${name}`);
  }
  const { "--minutes": minutes, "--seed": seed, "--rate": rate } = numbers;
  if (!(minutes >= 1 && minutes <= MINUTES_MAX)) {
    return wrong(`--minutes must be a number from 1 to ${MINUTES_MAX}`);
  }
  if (!Number.isInteger(seed)) return wrong("--seed must be a whole number");
  if (!(rate >= 1 && rate <= RATE_MAX)) return wrong(`--rate must be from 1 to ${RATE_MAX}`);
  return { kind: "run", minutes, seed, rate, isKept };
}

function isNumberName(name: string): name is "--minutes" | "--seed" | "--rate" {
  return name === "--minutes" || name === "--seed" || name === "--rate";
}

function wrong(reason: string): ParsedSoakArguments {
  return { kind: "wrong", reason };
}
