/** docs/guarantees.md shows what the latest soak that was kept says. */
import assert from "node:assert/strict";
import type { SoakFigures } from "../../../dev/soak/soak_figures.ts";
import { withSoak } from "../../../dev/soak/soak_document.ts";
import { LATEST_SOAK_FILE, SOAK_DOCUMENT, SOAK_PICTURE } from "../../../dev/soak/soak_files.ts";
import { soakPicture } from "../../../dev/soak/soak_picture.ts";

const HINT = "run `deno task soak --keep`";

async function latest(): Promise<SoakFigures> {
  return JSON.parse(await Deno.readTextFile(LATEST_SOAK_FILE)) as SoakFigures;
}

Deno.test("docs/guarantees.md shows the soak that was kept as it is", async () => {
  const text = await Deno.readTextFile(SOAK_DOCUMENT);
  assert.equal(text, withSoak(text, await latest()), HINT);
});

Deno.test("docs/soak.svg is the picture of the soak that was kept", async () => {
  assert.equal(await Deno.readTextFile(SOAK_PICTURE), soakPicture(await latest()), HINT);
});
