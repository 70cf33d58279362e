/** Arguments to exit code, with a process that is not real and a service that is not started. */
import assert from "node:assert/strict";
import { runProgram } from "../../../lib/cli/program.ts";
import type { ProgramEnvironment } from "../../../lib/cli/program_environment.ts";

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

async function runWith(args: readonly string[]): Promise<Outcome> {
  const written = { out: "", error: "" };
  const environment: ProgramEnvironment = {
    args,
    readVariable: () => undefined,
    readTextFile: () => {
      throw new Deno.errors.NotFound("no file");
    },
    writeOut: (text) => written.out += text,
    writeError: (text) => written.error += text,
    ask: () => assert.fail("somebody was asked"),
    isInteractive: false,
    isTerminal: false,
    terminalColumns: null,
    stop: new AbortController().signal,
    onUncaughtError: () => {},
  };
  const code = await runProgram(environment, {
    runService: () => assert.fail("the service was started"),
    openStore: () => assert.fail("the store was opened"),
  });
  return { code, ...written };
}

for (const args of [["--help"], ["help"], ["run", "--help"], ["help", "run"]]) {
  Deno.test(`runProgram() writes help to standard output when asked with ${args.join(" ")}`, async () => {
    const { code, out, error } = await runWith(args);
    assert.deepEqual([code, error], [0, ""]);
    assert.match(out, /Usage: state-tables run/);
  });
}

for (const args of [["--version"], ["version"]]) {
  Deno.test(`runProgram() writes the version when asked with ${args.join(" ")}`, async () => {
    const { code, out } = await runWith(args);
    assert.equal(code, 0);
    assert.match(out, /^state-tables \d+\.\d+\.\d+ \(.+\)\n$/);
  });
}

for (const shell of ["bash", "zsh", "fish"]) {
  Deno.test(`runProgram() writes a completion script for ${shell}`, async () => {
    const { code, out } = await runWith(["completion", shell]);
    assert.equal(code, 0);
    assert.match(out, /state-tables/);
  });
}

Deno.test("runProgram() suggests the command that was meant", async () => {
  const { code, out, error } = await runWith(["runn"]);
  assert.deepEqual([code, out], [2, ""]);
  assert.match(error, /Did you mean `run`\?/);
});

Deno.test("runProgram() refuses an option that run does not have", async () => {
  const { code, error } = await runWith(["run", "--fast"]);
  assert.equal(code, 2);
  assert.match(error, /--fast/);
});

for (const args of [[], ["run"]]) {
  Deno.test(`runProgram() lists every wrong setting in one message when called with [${args}]`, async () => {
    assert.deepEqual(await runWith(args), {
      code: 2,
      out: "",
      error: "Cannot start as 2 settings are wrong:\n" +
        "  DSN: must be set, or DSN_FILE name its file\n" +
        "  ROUTING_FILE: must name a file that can be read (NotFound) " +
        '(found: ".routing.yaml")\n',
    });
  });
}
