/** The tools folder: processes that set a tool up at the same time all get the whole of it. */
import assert from "node:assert/strict";
import { basename, dirname, join } from "node:path";
import { ensureTool } from "../../dev/servers/tools_folder.ts";
import { uniqueName } from "../support/servers.ts";

Deno.test("ensureTool() gives one complete folder when several set it up at once", async () => {
  const name = uniqueName("tool");
  const allStarted = Promise.withResolvers<void>();
  let started = 0;
  const install = async (folder: string): Promise<void> => {
    if (++started === 3) allStarted.resolve();
    await allStarted.promise;
    await Deno.writeTextFile(join(folder, "tool"), "complete");
  };
  const folders = await Promise.all([1, 2, 3].map(() => ensureTool(name, install)));
  const [folder = ""] = folders;
  try {
    assert.deepEqual(folders, [folder, folder, folder]);
    assert.equal(await Deno.readTextFile(join(folder, "tool")), "complete");
    assert.deepEqual(await namesLike(dirname(folder), name), [basename(folder)]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("ensureTool() installs nothing when the tool is there", async () => {
  const name = uniqueName("tool");
  const folder = await ensureTool(name, async () => {});
  try {
    const again = await ensureTool(name, () => Promise.reject(new Error("installed twice")));
    assert.equal(again, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("ensureTool() leaves nothing behind when the installation fails", async () => {
  const name = uniqueName("tool");
  const probe = await ensureTool(uniqueName("probe"), async () => {});
  await Deno.remove(probe);
  const failing = ensureTool(name, () => Promise.reject(new Error("no network")));
  await assert.rejects(failing, /no network/);
  assert.deepEqual(await namesLike(dirname(probe), name), []);
});

async function namesLike(folder: string, part: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  return entries.map((entry) => entry.name).filter((name) => name.includes(part));
}
