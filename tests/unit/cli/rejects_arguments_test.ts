import assert from "node:assert/strict";
import { parseCommandLine } from "../../../lib/cli/command_line.ts";
import { parseDuration } from "../../../lib/cli/duration.ts";
import { choiceFault, filterOf } from "../../../lib/cli/rejects_arguments.ts";
import type { CommandLine } from "../../../lib/cli/command_line.ts";
import { ANY_REJECT } from "../../../lib/ingest/kept_reject.ts";

interface Parsed {
  readonly commandLine: CommandLine;
  readonly error: string;
}

function parse(...args: string[]): Parsed {
  let error = "";
  const commandLine = parseCommandLine({
    args,
    readVariable: () => undefined,
    readTextFile: () => assert.fail("a file was read"),
    writeOut: () => assert.fail("something was written"),
    writeError: (text) => error += text,
    ask: () => assert.fail("somebody was asked"),
    isInteractive: false,
    isTerminal: false,
    terminalColumns: null,
    stop: new AbortController().signal,
    onUncaughtError: () => {},
  });
  return { commandLine, error };
}

Deno.test("parseCommandLine() reads every filter of rejects list", () => {
  const { commandLine } = parse(
    "rejects",
    "list",
    "--processor=p1",
    "--table=p1_t",
    "--route",
    "s:p1",
    "--reason",
    "too long",
    "--state=parked",
    "--older-than=7d",
    "--newer-than=720h",
    "--limit=5",
    "--json",
  );
  assert.deepEqual(commandLine, {
    kind: "rejects-list",
    processorId: "p1",
    tableName: "p1_t",
    routeId: "s:p1",
    reasonPart: "too long",
    state: "parked",
    ageMinMs: 604_800_000,
    ageMaxMs: 2_592_000_000,
    limit: 5,
    json: true,
  });
});

Deno.test("parseCommandLine() lists 50 rejects of any kind when nothing is said", () => {
  const { commandLine } = parse("rejects", "list");
  assert.ok(commandLine.kind === "rejects-list");
  assert.equal(commandLine.limit, 50);
  assert.deepEqual(filterOf(commandLine), ANY_REJECT);
});

Deno.test("parseCommandLine() reads ids beside options of rejects replay", () => {
  const { commandLine } = parse("rejects", "replay", "17", "18", "--json");
  assert.ok(commandLine.kind === "rejects-replay");
  assert.deepEqual(filterOf(commandLine), { ...ANY_REJECT, ids: ["17", "18"] });
});

Deno.test("parseCommandLine() reads the id of rejects show", () => {
  const { commandLine } = parse("rejects", "show", "17");
  assert.deepEqual(commandLine, { kind: "rejects-show", id: "17", json: false });
});

for (
  const args of [
    ["show"],
    ["show", "x"],
    ["show", "1", "2"],
    ["replay", "1;drop"],
    ["replay", "9999999999999999999"],
    ["replay", "--state=parked"],
    ["list", "--older-than=7"],
    ["list", "--older-than=1w"],
    ["list", "--state=lost"],
    ["list", "--limit=0"],
    ["purge", "--force"],
    [],
  ]
) {
  Deno.test(`parseCommandLine() refuses rejects ${args.join(" ")}`, () => {
    const { commandLine, error } = parse("rejects", ...args);
    assert.deepEqual(commandLine, { kind: "exit", code: 2 });
    assert.match(error, /Error: /);
  });
}

Deno.test("choiceFault() wants ids, filters or --all, and not --all with them", () => {
  assert.match(choiceFault(ANY_REJECT, false) ?? "", /--all/);
  assert.equal(choiceFault(ANY_REJECT, true), null);
  assert.equal(choiceFault({ ...ANY_REJECT, processorId: "p1" }, false), null);
  assert.match(choiceFault({ ...ANY_REJECT, ids: ["1"] }, true) ?? "", /contradicts/);
});

for (const [text, ms] of [["0s", 0], ["45s", 45_000], ["30m", 1_800_000], ["12h", 43_200_000]]) {
  Deno.test(`parseDuration() reads ${text}`, () => {
    assert.equal(parseDuration(String(text)), ms);
  });
}

for (const text of ["", "7", "d", "-1d", "1.5h", "1D", "7d ", "9999999d"]) {
  Deno.test(`parseDuration() refuses '${text}'`, () => {
    assert.equal(parseDuration(text), null);
  });
}
