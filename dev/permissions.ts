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
 * V8 flags, for `deno run` and `deno compile` alike. What a young object survives are two collections
 * of a semi-space; V8's own choice of up to 16 MB for it (three times resident) costs the peak 40 to
 * 60 MB more and saves no CPU here: messages are held longer than that anyway.
 */
export const V8_FLAGS = "--v8-flags=--max-semi-space-size=4";

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
