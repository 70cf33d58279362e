/** What a soak leaves: its figures as JSON and its picture, and where they go. */
import { join } from "node:path";
import type { SoakFigures } from "./soak_figures.ts";
import { soakPicture } from "./soak_picture.ts";
import { withSoak } from "./soak_document.ts";

const RESULTS = join(import.meta.dirname ?? ".", "results");
const DOCS = join(import.meta.dirname ?? ".", "..", "..", "docs");

/** The figures that the documentation shows. */
export const LATEST_SOAK_FILE = join(RESULTS, "latest.json");
/** The document that shows them. */
export const SOAK_DOCUMENT = join(DOCS, "guarantees.md");
/** The picture in it. */
export const SOAK_PICTURE = join(DOCS, "soak.svg");

/** Writes the files of a soak, and those of the documentation when it is kept; returns their paths. */
export async function keepSoak(soak: SoakFigures, isKept: boolean): Promise<string[]> {
  const json = JSON.stringify(soak, null, 2) + "\n";
  const picture = soakPicture(soak);
  const name = join(RESULTS, soak.at.replaceAll(/[:.]/g, "-"));
  const texts: [string, string][] = [[`${name}.json`, json], [`${name}.svg`, picture]];
  if (isKept) {
    const document = withSoak(await Deno.readTextFile(SOAK_DOCUMENT), soak);
    texts.push([LATEST_SOAK_FILE, json], [SOAK_PICTURE, picture], [SOAK_DOCUMENT, document]);
  }
  for (const [file, text] of texts) await Deno.writeTextFile(file, text);
  return texts.map(([file]) => file);
}
