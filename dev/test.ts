/**
 * `deno task test`: sets up the servers, starts those that all tests share, runs the unit tests
 * without any permission and the integration tests with all, and ends with one line that counts
 * them. Arguments are parts of paths; only test files whose path holds one of them run.
 */
import { join, relative } from "node:path";
import {
  RUNNER_SERVERS_VARIABLE,
  type RunnerServers,
  TEST_POSTGRES_SETTINGS,
} from "../tests/support/servers.ts";
import { findNatsBinary } from "./servers/nats_binary.ts";
import { startNats } from "./servers/nats_server.ts";
import { findPostgresBinaries } from "./servers/postgres_binaries.ts";
import { startPostgres } from "./servers/postgres_server.ts";
import { readTestCounts, type TestCounts } from "./test_counts.ts";

/** The oldest nats-server that the compatibility tests run on. */
const OLDEST_NATS_VERSION = "2.10.25";

/** Test files that are run one after the other share a core with the servers; two fill both. */
const PARALLEL_FILES = 2;

if (import.meta.main) Deno.exit(await runTests(Deno.args));

/** Runs what the filters name; returns the exit code. */
async function runTests(filters: readonly string[]): Promise<number> {
  const root = join(import.meta.dirname ?? ".", "..");
  const unitFiles = await findTestFiles(root, { folder: "tests/unit", filters });
  const integrationFiles = await findTestFiles(root, { folder: "tests/integration", filters });
  const counts: TestCounts[] = [];
  if (unitFiles.length > 0) {
    counts.push(await runTestFiles(root, { flags: ["--no-prompt"], files: unitFiles, env: {} }));
  }
  if (integrationFiles.length > 0) counts.push(await runIntegrationTests(root, integrationFiles));

  const passed = sum(counts, "passed");
  const failed = sum(counts, "failed");
  const skipped = sum(counts, "skipped");
  const skippedText = skipped === 0 ? "" : `, ${skipped} skipped`;
  print(`${passed} passed, ${failed} failed${skippedText}`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

async function runIntegrationTests(root: string, files: readonly string[]): Promise<TestCounts> {
  // Downloads happen here, where their progress is seen, not within some test's time.
  await Promise.all([findNatsBinary(OLDEST_NATS_VERSION), findPostgresBinaries("15")]);
  await using postgres = await startPostgres({ settings: TEST_POSTGRES_SETTINGS });
  await using nats = await startNats({ websocket: true });
  const { url, port, websocketUrl } = nats;
  const servers: RunnerServers = {
    postgresPort: postgres.port,
    nats: { url, port, websocketUrl },
  };
  return await runTestFiles(root, {
    flags: ["-A", "--parallel"],
    files,
    env: {
      [RUNNER_SERVERS_VARIABLE]: JSON.stringify(servers),
      DENO_JOBS: Deno.env.get("DENO_JOBS") ?? String(PARALLEL_FILES),
    },
  });
}

async function runTestFiles(root: string, run: {
  readonly flags: readonly string[];
  readonly files: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}): Promise<TestCounts> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", ...run.flags, ...run.files],
    cwd: root,
    env: Deno.stdout.isTerminal() ? run.env : { ...run.env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const [seen, read] = child.stdout.tee();
  const [text] = await Promise.all([
    new Response(read).text(),
    seen.pipeTo(Deno.stdout.writable, { preventClose: true }),
  ]);
  const { code } = await child.status;
  return readTestCounts(text, code);
}

/** Paths relative to the root, sorted. */
async function findTestFiles(
  root: string,
  { folder, filters }: { folder: string; filters: readonly string[] },
): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(join(root, folder))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) files.push(...await findTestFiles(root, { folder: path, filters }));
    else if (entry.name.endsWith("_test.ts")) files.push(path);
  }
  const wanted = filters.map((filter) => filter.startsWith("/") ? relative(root, filter) : filter)
    .map((filter) => filter.replace(/^\.\//, ""));
  const isWanted = (path: string): boolean =>
    wanted.length === 0 || wanted.some((filter) => path.includes(filter));
  return files.filter(isWanted).sort();
}

function sum(counts: readonly TestCounts[], field: keyof TestCounts): number {
  return counts.reduce((total, count) => total + count[field], 0);
}

function print(line: string): void {
  // deno-lint-ignore no-console -- the result of the task
  console.log(line);
}
