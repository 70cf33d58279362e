/**
 * The flags that Deno runs the program with: its permissions, and what V8 is told. The permission sets
 * themselves stand in deno.json and nowhere else: `executable` is what an executable carries,
 * `production` what `deno run` gets when hosts and files are named as well. Demo, tests, bench, README
 * and the compiler of executables take their flags from here.
 */
import configuration from "../deno.json" with { type: "json" };

/** Names of the sets in deno.json. */
export type PermissionSet = keyof typeof configuration.permissions;

/**
 * V8 flags, for `deno run` and `deno compile` alike. Messages are held longer than a young collection
 * lasts, so that each becomes old garbage, and pins its read buffer until the old space is collected.
 * A small semi-space took the peak of a backlog from 290 to 225 MB at no cost that was seen. V8 would
 * wait until the heap is four times what was alive. Medians of five runs in turn, collecting at twice
 * that instead of 2.5 times: W3's peak 233 instead of 258 MB, W2's 170 instead of 177, for 1 to 2 % of
 * all CPU; at 1.7 times W2 took 8 % more for 3 MB. Young collections by the main thread alone: with so
 * small a space helpers cost more than they bring; W3, medians of three in turn, took 84.0 instead of
 * 89.0 CPU seconds a million rows, W2 40.7 with and without. They cost W2 nothing that was seen:
 * V8's defaults took 41.2, with a peak of 254 MB instead of 180.
 */
export const V8_FLAGS =
  "--v8-flags=--max-semi-space-size=4,--heap-growing-percent=100,--no-parallel-scavenge";

/** What a deployment names; each replaces what the set says. */
export interface DeploymentAccess {
  /** Hosts with ports, spelled as the settings spell them: Deno compares the text. */
  readonly net?: readonly string[];
  /** Files that are read: the routing file, secrets, certificates. */
  readonly read?: readonly string[];
}

/**
 * Flags for `deno run`, for example `--allow-net=db:5432,nats:4222`. Everything without a flag is
 * refused without a question.
 */
export function permissionFlags(set: PermissionSet, access: DeploymentAccess = {}): string[] {
  const { net, read, env } = configuration.permissions[set];
  return [
    "--no-prompt",
    allowFlag("net", access.net ?? net),
    allowFlag("read", access.read ?? read),
    allowFlag("env", env.allow),
    // Libraries ask for variables of their own (PGHOST, NO_COLOR): they find them unset.
    "--ignore-env",
  ];
}

/** Variables that a set lets the program read. */
export function permittedVariables(set: PermissionSet): readonly string[] {
  return configuration.permissions[set].env.allow;
}

function allowFlag(name: string, value: boolean | readonly string[]): string {
  return typeof value === "boolean" ? `--allow-${name}` : `--allow-${name}=${value.join(",")}`;
}
