/** What the README says is what the sources do. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { withGeneratedParts } from "../../../dev/readme.ts";

const ROOT = join(import.meta.dirname ?? ".", "../../..");

Deno.test("README shows the settings and the production command as the sources have them", async () => {
  const text = await Deno.readTextFile(join(ROOT, "README.md"));
  assert.equal(text, withGeneratedParts(text), "run `deno run -A dev/readme.ts`, then `deno fmt`");
});

Deno.test("README's commands are those that CI runs and deno.json has", async () => {
  const text = await Deno.readTextFile(join(ROOT, "README.md"));
  const ci = await Deno.readTextFile(join(ROOT, ".ci/run"));
  const commands = [...text.matchAll(/```sh\n(npx [^\n]*)\n```/g)].map((match) => match[1]);
  assert.deepEqual(commands, ["npx -y deno@2.9.6 task demo", "npx -y deno@2.9.6 task test"]);
  assert.ok(ci.includes(String(commands[1])));
});
