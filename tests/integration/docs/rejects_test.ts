/** The commands that docs/rejects.md shows are commands that the program takes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseCommandLine } from "../../../lib/cli/command_line.ts";
import { SETTINGS } from "../../../lib/config/settings.ts";

const TEXT = await Deno.readTextFile(
  join(import.meta.dirname ?? ".", "../../../docs/rejects.md"),
);

/** Words of a shell command without escapes, quotes taken off. */
function words(line: string): string[] {
  const found = line.match(/(?:'[^']*'|[^'\s])+/g) ?? [];
  return found.map((word) => word.replaceAll("'", ""));
}

const commands = TEXT.split("\n").filter((line) => line.startsWith("state-tables "));

for (const line of commands) {
  Deno.test(`parseCommandLine() takes what docs/rejects.md shows: ${line}`, () => {
    const commandLine = parseCommandLine({
      args: words(line).slice(1),
      readVariable: () => undefined,
      readTextFile: () => assert.fail("a file was read"),
      writeOut: () => {},
      writeError: (text) => assert.fail(text),
      ask: () => assert.fail("somebody was asked"),
      isInteractive: false,
      isTerminal: false,
      terminalColumns: null,
      stop: new AbortController().signal,
      onUncaughtError: () => {},
    });
    assert.match(commandLine.kind, /^rejects-/);
  });
}

for (const name of ["REJECTED_DAYS_MAX", "REJECTED_BYTES_MAX"]) {
  Deno.test(`docs/rejects.md has the default of ${name}`, () => {
    const setting = SETTINGS.find((one) => one.name === name);
    assert.ok(commands.length > 3);
    assert.ok(TEXT.includes(`\`${name}\` (${setting?.default})`), name);
  });
}
