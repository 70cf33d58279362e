/**
 * Which program this is: the version of deno.json, and in an executable the commit it was compiled
 * from. `deno task compile` writes that commit into a file which it embeds; reading an embedded
 * file needs no permission. This file imports nothing of ours.
 */
import configuration from "../deno.json" with { type: "json" };

/** The version, for example `0.1.0`. */
export const VERSION: string = configuration.version;

/** Where `deno task compile` leaves the commit, relative to this file. */
const COMMIT_FILE = "../dist/commit";

/**
 * Version and origin for people: `0.1.0 (commit 6892fe0)`, `0.1.0 (commit unknown)` when an executable
 * was compiled outside of a checkout, `0.1.0 (from source)` when this is no executable.
 */
export function describeVersion(): string {
  if (!Deno.build.standalone) return `${VERSION} (from source)`;
  const commit = Deno.readTextFileSync(new URL(COMMIT_FILE, import.meta.url)).trim();
  return `${VERSION} (commit ${commit})`;
}
