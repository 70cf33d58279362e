/** The README's first command: it shows what it promises, and leaves nothing running. */
import assert from "node:assert/strict";
import { join } from "node:path";

const ROOT = join(import.meta.dirname ?? ".", "../..");

/** Runs the demo to its end; `onOutput` sees what it has printed so far. */
async function runDemo(
  args: readonly string[],
  onOutput: (output: string, child: Deno.ChildProcess) => void = () => undefined,
): Promise<{ code: number; output: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "dev/demo.ts", ...args],
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let output = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    output += text;
    onOutput(output, child);
  }
  return { code: (await child.status).code, output };
}

/** Asserts that nobody listens any more where the demo's servers did. */
async function assertServersEnded(output: string): Promise<void> {
  const ports = [...output.matchAll(/127\.0\.0\.1:(\d+)/g)].map((match) => Number(match[1]));
  assert.ok(ports.length >= 2, output);
  for (const port of new Set(ports)) {
    await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port }), `port ${port}`);
  }
}

Deno.test("demo shows tables, statuses and rejects, exits 0, and leaves nothing running", async () => {
  const { code, output } = await runDemo([]);
  assert.equal(code, 0, output);
  assert.match(output, /Table "[^"]+_answers": .*, \d+ rows/);
  assert.match(output, /question text, answer text, .*, reviewer text/);
  assert.match(output, /Statuses heard by the monitor: .*COMPLETED \d+/);
  assert.match(output, /Rejects, kept in state_tables.rejected: \d+/);
  assert.match(output, /rows\/s/);
  await assertServersEnded(output);
});

Deno.test("demo --keep says how to go on, and ends with everything at Ctrl-C", async () => {
  let told = false;
  const { code, output } = await runDemo(["--keep"], (text, child) => {
    if (told || !text.includes("Ctrl-C stops it")) return;
    told = true;
    child.kill("SIGINT");
  });
  assert.equal(code, 0, output);
  assert.match(output, /Publish a message of your own/);
  await assertServersEnded(output);
});

Deno.test("demo ends with everything when it is interrupted early", async () => {
  let told = false;
  const { code, output } = await runDemo([], (text, child) => {
    if (told || !text.includes("nats-server")) return;
    told = true;
    child.kill("SIGINT");
  });
  assert.equal(code, 130, output);
  await assertServersEnded(output);
});
