/** Reads the suite's command line. Pure. */

/** What to run. */
export interface FaultArguments {
  readonly kind: "run";
  readonly rounds: number;
  /** Seed of the first round; each next one is one more. */
  readonly seed: number;
  /** Names of scenarios; null for all. */
  readonly only: readonly string[] | null;
  readonly isShort: boolean;
  /** Folder in which the logs of the program are kept; null for none. */
  readonly logs: string | null;
  /** Version of nats-server, for scenarios that name none themselves; null for a recent one. */
  readonly natsVersion: string | null;
}

/** What the command line said. */
export type ParsedFaultArguments =
  | FaultArguments
  | { readonly kind: "list" }
  | { readonly kind: "wrong"; readonly reason: string };

/** Reads arguments; `names` are the scenarios that there are. */
export function readFaultArguments(
  args: readonly string[],
  names: readonly string[],
): ParsedFaultArguments {
  let rounds = 1;
  let seed = 1;
  let only: string[] | null = null;
  let isShort = false;
  let logs: string | null = null;
  let natsVersion: string | null = null;
  for (let index = 0; index < args.length; index++) {
    const [name, attached] = (args[index] ?? "").split("=", 2);
    const value = (): string => attached ?? args[++index] ?? "";
    switch (name) {
      case "--list":
        return { kind: "list" };
      case "--short":
        isShort = true;
        break;
      case "--rounds":
        rounds = Number(value());
        break;
      case "--seed":
        seed = Number(value());
        break;
      case "--logs":
        logs = value();
        break;
      case "--nats":
        natsVersion = value();
        break;
      case "--only":
        only = value().split(",");
        break;
      default:
        return wrong(`Unknown argument ${name}`);
    }
  }
  if (!Number.isInteger(rounds) || rounds < 1) {
    return wrong("--rounds must be a whole number from 1");
  }
  if (!Number.isInteger(seed)) return wrong("--seed must be a whole number");
  if (natsVersion !== null && !/^\d+\.\d+\.\d+$/.test(natsVersion)) {
    return wrong("--nats must be a version such as 2.10.25");
  }
  const unknown = only?.find((name) => !names.includes(name));
  if (unknown !== undefined) return wrong(`There is no scenario ${unknown}; see --list`);
  return { kind: "run", rounds, seed, only, isShort, logs, natsVersion };
}

function wrong(reason: string): ParsedFaultArguments {
  return { kind: "wrong", reason };
}
