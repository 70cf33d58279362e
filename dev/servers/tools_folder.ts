/**
 * The cache folder for server binaries: where it is, and how a tool gets into it. A tool is made in
 * a folder of its own and renamed into place, so that processes which race to set it up never see
 * half of one. Which tools there are is for the callers to know.
 */
import { join, resolve } from "node:path";

/**
 * Returns the folder of a tool, after `install` has filled it when it was not there. `name` holds
 * the version, so that another version is another folder.
 */
export async function ensureTool(
  name: string,
  install: (folder: string) => Promise<void>,
): Promise<string> {
  const root = await openToolsFolder();
  const folder = join(root, name);
  if (await isFolder(folder)) return folder;
  const draft = await Deno.makeTempDir({ dir: root, prefix: `.${name}-` });
  try {
    await install(draft);
    // Readable to the unprivileged user that servers run as when we are root.
    await Deno.chmod(draft, 0o755);
    await Deno.rename(draft, folder);
  } catch (error) {
    await Deno.remove(draft, { recursive: true });
    // Another process was quicker: its folder is complete, as ours would have been.
    if (!await isFolder(folder)) throw error;
  }
  return folder;
}

/** Says on standard error what is being set up: downloads may take a while. */
export function reportProgress(text: string): void {
  // deno-lint-ignore no-console -- this is the terminal of whoever started the task
  console.error(`setting up: ${text}`);
}

async function openToolsFolder(): Promise<string> {
  const errors: string[] = [];
  for (const folder of candidateFolders()) {
    try {
      await Deno.mkdir(folder, { recursive: true });
      await Deno.remove(await Deno.makeTempFile({ dir: folder }));
      return folder;
    } catch (error) {
      errors.push(`${folder}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(
    `Cannot set up the servers as no folder for them is writable: ` +
      `set STATE_TABLES_TOOLS to one that is (${errors.join("; ")})`,
  );
}

function candidateFolders(): string[] {
  const chosen = Deno.env.get("STATE_TABLES_TOOLS");
  if (chosen !== undefined && chosen !== "") return [resolve(chosen)];
  const folders: string[] = [];
  const userCache = userCacheFolder();
  if (userCache !== null) folders.push(join(userCache, "state-tables-tools"));
  folders.push(join(import.meta.dirname ?? ".", "..", "..", ".tools"));
  return folders;
}

/** Null when the environment names no home. */
function userCacheFolder(): string | null {
  // Root's home is often closed to the unprivileged user that has to run the binaries.
  if (Deno.uid() === 0) return "/var/cache";
  const home = Deno.env.get("HOME");
  if (Deno.build.os === "darwin") return home === undefined ? null : join(home, "Library/Caches");
  return Deno.env.get("XDG_CACHE_HOME") ?? (home === undefined ? null : join(home, ".cache"));
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
