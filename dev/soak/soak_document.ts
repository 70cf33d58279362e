/** The part of docs/guarantees.md that shows the latest soak, between two markers. Pure. */
import type { SoakFigures } from "./soak_figures.ts";
import { soakTable } from "./soak_table.ts";

const BEGIN = "<!-- soak: written by `deno task soak --keep` -->";
const END = "<!-- end of soak -->";

/**
 * The document with the figures of this soak.
 *
 * @throws {TypeError} the markers are missing
 */
export function withSoak(document: string, soak: SoakFigures): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin === -1 || end < begin) throw new TypeError("Cannot find the markers of the soak");
  const head = document.slice(0, begin + BEGIN.length);
  return `${head}\n\n${soakTable(soak)}\n\n${document.slice(end)}`;
}
