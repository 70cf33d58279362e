/**
 * The program's Deno permissions as command-line flags. The sets themselves stand in deno.json and
 * nowhere else: `executable` is what an executable carries, `production` what `deno run` gets when
 * hosts and files are named as well. Demo, tests and README take their flags from here.
 */
import configuration from "../deno.json" with { type: "json" };

/** Names of the sets in deno.json. */
export type PermissionSet = keyof typeof configuration.permissions;

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
