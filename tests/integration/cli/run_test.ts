/** The run command around a service that is told to do one thing. Needs a permission for YAML. */
import assert from "node:assert/strict";
import { runProgram } from "../../../lib/cli/program.ts";
import type { ProgramEnvironment } from "../../../lib/cli/program_environment.ts";
import type { ServiceOptions } from "../../../lib/service.ts";
import { ConfigurationError } from "../../../lib/errors.ts";

const ROUTING = `
messageConfig:
  routes:
    - {selector: data/transformers/mixer/state-tables-1.0, subject: in, url: "nats://u:canary@h"}
    - {selector: processor/monitor, subject: monitor, url: "nats://h"}
`;

interface Outcome {
  readonly code: number;
  readonly error: string;
}

type ReportUncaught = (error: unknown) => void;

async function runWith(
  service: (options: ServiceOptions, reportUncaught: ReportUncaught) => Promise<void>,
  { variables = {}, stop = new AbortController().signal, isTerminal = false }: {
    readonly variables?: Readonly<Record<string, string>>;
    readonly stop?: AbortSignal;
    readonly isTerminal?: boolean;
  } = {},
): Promise<Outcome> {
  const all: Readonly<Record<string, string>> = {
    DSN: "host=h user=u password=canary keepalives=0",
    ...variables,
  };
  let error = "";
  let reportUncaught: ReportUncaught = () => assert.fail("nobody is told");
  const environment: ProgramEnvironment = {
    args: ["run"],
    readVariable: (name) => all[name],
    readTextFile: () => ROUTING,
    writeOut: () => {},
    writeError: (text) => error += text,
    ask: () => Promise.resolve(null),
    isInteractive: false,
    isTerminal,
    terminalColumns: null,
    stop,
    onUncaughtError: (report) => reportUncaught = report,
  };
  const code = await runProgram(environment, {
    runService: (options) => service(options, reportUncaught),
    openStore: () => assert.fail("the store was opened"),
  });
  return { code, error };
}

Deno.test("run hands settings, routes and the stop signal to the service, and exits 0 when it ends", async () => {
  const stop = AbortSignal.abort();
  let given: ServiceOptions | undefined;
  const { code } = await runWith((options) => {
    given = options;
    return Promise.resolve();
  }, { stop });
  assert.equal(code, 0);
  assert.equal(given?.settings.database.target.user, "u");
  assert.equal(given?.consumeRoute.subject, "in");
  assert.equal(given?.monitorRoute?.subject, "monitor");
  assert.equal(given?.stop, stop);
});

Deno.test("run logs JSON lines that say where it connects, and no secret", async () => {
  const { error } = await runWith(() => Promise.resolve());
  const lines = error.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ message }) => message), [
    "Starting",
    "A keyword of the DSN has no effect: the connection always has keepalives, timed by the " +
    "operating system",
    "Stopped",
  ]);
  assert.equal(lines[0].nats, "nats://h:4222");
  assert.ok(!error.includes("canary"), error);
});

Deno.test("run logs text on a terminal", async () => {
  const { error } = await runWith(() => Promise.resolve(), { isTerminal: true });
  assert.throws(() => JSON.parse(error.split("\n")[0] ?? ""));
  assert.match(error, /Starting/);
});

Deno.test("run warns when nobody is told of statuses", async () => {
  const { error } = await runWith(() => Promise.resolve(), {
    variables: { MONITOR_SELECTOR: "x" },
  });
  assert.match(error, /Nobody is told of statuses/);
});

Deno.test("run exits 1 and logs the stack when the service fails", async () => {
  const { code, error } = await runWith(() => Promise.reject(new TypeError("a bug")));
  assert.equal(code, 1);
  assert.match(error, /"TypeError: a bug\\n +at /);
});

Deno.test("run exits 2 without a stack when the service finds that its configuration forbids to run", async () => {
  const fault = { key: "START_FROM", rule: "must be set" };
  const { code, error } = await runWith(() => Promise.reject(new ConfigurationError([fault])));
  assert.equal(code, 2);
  assert.match(error, /Cannot start as one setting is wrong:\n {2}START_FROM: must be set\n$/);
});

Deno.test("run sees to it that an uncaught error is logged", async () => {
  const { error } = await runWith((_options, reportUncaught) => {
    reportUncaught(new RangeError("nobody caught it"));
    return Promise.resolve();
  });
  assert.match(error, /"message":"Unexpected error".*"RangeError: nobody caught it/);
});
