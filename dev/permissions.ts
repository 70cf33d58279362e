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
 * So a young space smaller than V8's 16 MiB costs little and saves memory. Medians of five runs in
 * turn, with 4, 8 and 16 MiB: W3 39.2, 35.3 and 33.6 CPU seconds a million rows with a peak of 213,
 * 221 and 240 MB, W2 19.2, 18.7 and 19.1 with 164, 168 and 189. V8 would wait until the heap is four
 * times what was alive; collecting at twice that instead of 2.5 times took W3's peak from 258 to 233 MB
 * for 1 to 2 % of all CPU, and at 1.7 times W2 took 8 % more for 3 MB. Young collections by the main
 * thread alone: with so small a space helpers cost more than they bring; W3, medians of three in turn,
 * took 84.0 instead of 89.0 CPU seconds a million rows, W2 the same.
 */
export const V8_FLAGS =
  "--v8-flags=--max-semi-space-size=8,--heap-growing-percent=100,--no-parallel-scavenge";

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
