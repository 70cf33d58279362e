/**
 * The parts of the README that are made from the sources, so that they cannot drift: the production
 * command line and the settings table. `deno run -A dev/readme.ts` writes them; a test compares.
 */
import { dirname, join } from "node:path";
import { SETTINGS } from "../lib/config/settings.ts";
import { permissionFlags, V8_FLAGS } from "./permissions.ts";

/** Longest line of the command. */
const LINE_MAX = 98;

const README = join(dirname(import.meta.dirname ?? "."), "README.md");

if (import.meta.main) {
  await Deno.writeTextFile(README, withGeneratedParts(await Deno.readTextFile(README)));
}

/** The README's text with its generated parts as the sources have them now. */
export function withGeneratedParts(text: string): string {
  const withCommand = replaced(
    text,
    /```sh\ndeno run [^`]*```/,
    `\`\`\`sh\n${productionCommand()}\n\`\`\``,
  );
  return replaced(withCommand, /\| variable [^]*?\n(?!\|)/, `${settingsTable()}\n`);
}

function replaced(text: string, pattern: RegExp, by: string): string {
  if (!pattern.test(text)) throw new TypeError(`Cannot find ${pattern} in the README`);
  return text.replace(pattern, () => by);
}

/** The `deno run` line of production, broken where commas and blanks allow. */
function productionCommand(): string {
  const words = ["deno run", ...permissionFlags("production"), V8_FLAGS, "main.ts"];
  return words.map((word) => brokenAtCommas(word)).join(" \\\n  ");
}

/** A list of variables goes on in the next line, which a shell joins without a blank. */
function brokenAtCommas(word: string): string {
  let line = "";
  const lines: string[] = [];
  for (const part of word.split(/(?<=,)/)) {
    if (line.length + part.length > LINE_MAX - 4) {
      lines.push(line);
      line = "";
    }
    line += part;
  }
  return [...lines, line].join("\\\n");
}

function settingsTable(): string {
  const rows = SETTINGS.map(({ name, default: byDefault, meaning, secret }) => [
    secret ? `\`${name}\`, \`${name}_FILE\`` : `\`${name}\``,
    byDefault === null || byDefault === "" ? "" : `\`${byDefault}\``,
    meaning,
  ]);
  const all = [["variable", "default", "meaning"], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const rule = line(widths.map((width) => "-".repeat(width)));
  return [line(all[0] ?? []), rule, ...rows.map(line)].join("\n");
}
