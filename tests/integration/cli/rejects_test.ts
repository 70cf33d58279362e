/** `state-tables rejects` as a process of its own, with the permissions of production. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { purge } from "../../../lib/cli/rejects_purge.ts";
import type { ProgramEnvironment } from "../../../lib/cli/program_environment.ts";
import { systemClock } from "../../../lib/clock.ts";
import { DEFAULT_PROCESSOR_SETTINGS } from "../../../lib/ingest/processor_settings.ts";
import { permissionFlags } from "../../../dev/permissions.ts";
import { addProcessor } from "../../../dev/servers/catalog.ts";
import { keepNumbers, keepReject } from "../../support/kept_rejects.ts";
import { sharedNats, sharedPostgres, waitFor } from "../../support/servers.ts";
import { Stage } from "../../support/stage.ts";
import { openFixture, type StoreFixture } from "../store/store_fixture.ts";

const server = await sharedPostgres();
const nats = await sharedNats();

const ROOT = join(import.meta.dirname ?? ".", "../../..");

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** The program as production runs it; standard input is no terminal. */
function command(dsn: string, args: readonly string[]): Deno.Command {
  const access = { net: [`${server.host}:${server.port}`], read: [".routing.yaml"] };
  return new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissionFlags("production", access), join(ROOT, "main.ts"), ...args],
    cwd: ROOT,
    env: { DSN: dsn, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

async function rejects(dsn: string, ...args: string[]): Promise<Outcome> {
  const { code, stdout, stderr } = await command(dsn, ["rejects", ...args]).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), error: decoder.decode(stderr) };
}

async function keptIds({ sql }: Pick<StoreFixture, "sql">): Promise<string[]> {
  const rows = await sql`select r.id::text from state_tables.rejected r order by r.id`;
  return rows.map(({ id }) => id);
}

Deno.test("rejects list writes aligned lines for people", async () => {
  await using fixture = await openFixture(server);
  const { sql, database } = fixture;
  const keptAt = new Date("2026-11-24T10:00:00Z");
  await keepReject(sql, {
    record: '{"a": 1}',
    tableName: "p1_t",
    routeId: "r1",
    reason: "too\nlong \x1b[2J",
    keptAt,
    sequence: 5,
    ordinal: 2,
  });
  await keepReject(sql, { payload: "x", routeId: "r22", reason: "no message", keptAt });
  assert.deepEqual(await rejects(database.dsn, "list"), {
    code: 0,
    error: "",
    out: `\
ID  KEPT                  STATE     TABLE  ROUTE  SEQ  ROW    SQLSTATE  REASON
2   2026-11-24T10:00:00Z  rejected  -      r22    -    whole  -         no message
1   2026-11-24T10:00:00Z  rejected  p1_t   r1     5    2      -         too\\u000along \\u001b[2J
`,
  });
});

Deno.test("rejects list says when there is nothing, and when there is more", async () => {
  await using fixture = await openFixture(server);
  const { sql, database } = fixture;
  const none = await rejects(database.dsn, "list", "--route=r1");
  assert.deepEqual(none, { code: 0, out: "", error: "No rejects.\n" });
  for (let at = 0; at < 3; at++) await keepReject(sql, { record: "{}" });
  const some = await rejects(database.dsn, "list", "--json", "--limit=2");
  assert.deepEqual(some.out.trimEnd().split("\n").map((line) => JSON.parse(line).id), ["3", "2"]);
  assert.equal(some.error, "There are more than 2: raise --limit to see them.\n");
});

Deno.test("rejects show writes everything, the payload last, and exits 3 when it is not there", async () => {
  await using fixture = await openFixture(server);
  const { sql, database } = fixture;
  const at = new Date("2026-11-24T10:00:00.250Z");
  await keepReject(sql, {
    record: '{"a": 12345678901234567890}',
    processorId: "p1",
    tableName: "p1_t",
    routeId: "r1",
    keptAt: at,
    receivedAt: at,
    sequence: 5,
    ordinal: 2,
  });
  const shown = await rejects(database.dsn, "show", "1");
  assert.deepEqual([shown.code, shown.error], [0, ""]);
  assert.equal(
    shown.out,
    `\
id          1
state       rejected
reason      unfit
table       p1_t
processor   p1
route       r1
stream      orders (created 2026-11-24T10:00:00Z)
consumer    durable
sequence    5
row         2
received    2026-11-24T10:00:00.250Z
kept        2026-11-24T10:00:00.250Z
payload     27 bytes

{"a": 12345678901234567890}
`,
  );
  const json = await rejects(database.dsn, "show", "1", "--json");
  assert.equal(JSON.parse(json.out).record, '{"a": 12345678901234567890}');
  assert.deepEqual(await rejects(database.dsn, "show", "2"), {
    code: 3,
    out: "",
    error: "Cannot show reject 2 as it is not there\n",
  });
});

Deno.test("rejects replay exits 3 while some stay, 0 when all have moved", async () => {
  await using fixture = await openFixture(server);
  const { sql, database } = fixture;
  await addProcessor(sql, { processorId: "p1", routes: [] });
  await sql`create table p1 (n bigint check (n < 10), _timestamp timestamptz)`;
  await keepReject(sql, { record: '{"n": 5}', processorId: "p1" });
  await keepReject(sql, { record: '{"n": 50}', processorId: "p1" });
  const first = await rejects(database.dsn, "replay", "--processor=p1");
  assert.deepEqual([first.code, first.out], [
    3,
    "1 moved (1 rows written), 1 stayed, 0 taken by somebody else\n",
  ]);
  await sql`alter table p1 drop constraint p1_n_check`;
  const second = await rejects(database.dsn, "replay", "2", "--json");
  assert.deepEqual(second, {
    code: 0,
    out: '{"moved":1,"rows":1,"stayed":0,"gone":0}\n',
    error: "",
  });
});

for (const name of ["replay", "purge"]) {
  Deno.test(`rejects ${name} touches nothing when nothing is chosen`, async () => {
    await using fixture = await openFixture(server);
    await keepReject(fixture.sql, { record: "{}" });
    const { code, error } = await rejects(fixture.database.dsn, name);
    assert.equal(code, 2);
    assert.match(error, /name ids or filters, or say --all/);
    assert.deepEqual(await keptIds(fixture), ["1"]);
  });
}

Deno.test("rejects replay that is killed has moved nothing twice and lost nothing", async () => {
  await using fixture = await openFixture(server);
  const { sql, database } = fixture;
  await addProcessor(sql, { processorId: "p1", routes: [] });
  await sql`create table p1 (n bigint, _timestamp timestamptz)`;
  await keepNumbers(sql, "p1", 10_000);
  const child = command(database.dsn, ["rejects", "replay", "--all"]).spawn();
  await waitFor(async () => {
    const [table] = await sql`select count(*)::int from p1`;
    return Number(table?.count) > 0;
  }, { what: "the first rows", timeoutMs: 20_000 });
  child.kill("SIGKILL");
  await Promise.all([child.status, child.stdout.cancel(), child.stderr.cancel()]);
  const left = Number((await sql`select count(*)::int from state_tables.rejected`)[0]?.count);
  assert.ok(left > 0, "it was killed too late to tell");
  const { code } = await rejects(database.dsn, "replay", "--all");
  assert.equal(code, 0);
  const [table] = await sql`select count(*)::int, count(distinct n)::int as numbers from p1`;
  assert.deepEqual(table, { count: 10_000, numbers: 10_000 });
  assert.deepEqual(await keptIds(fixture), []);
});

Deno.test("rejects purge refuses without a terminal and --yes", async () => {
  await using fixture = await openFixture(server);
  const { sql, database } = fixture;
  await keepReject(sql, { record: "{}" });
  const { code, out, error } = await rejects(database.dsn, "purge", "--all");
  assert.deepEqual([code, out], [2, ""]);
  assert.match(error, /nobody can be asked without a terminal: say --yes/);
  assert.deepEqual(await keptIds(fixture), ["1"]);
});

Deno.test("rejects purge deletes what it is told with --yes, parked rows only by name", async () => {
  await using fixture = await openFixture(server);
  const { sql, database } = fixture;
  await keepReject(sql, { record: "{}", reason: "too long" });
  await keepReject(sql, { record: "{}" });
  await keepReject(sql, { record: "{}", state: "parked" });
  const one = await rejects(database.dsn, "purge", "--reason=long", "--yes");
  assert.deepEqual(one, { code: 0, out: "1 purged\n", error: "" });
  assert.deepEqual(await keptIds(fixture), ["2", "3"]);
  await rejects(database.dsn, "purge", "--all", "--yes");
  assert.deepEqual(await keptIds(fixture), ["3"]);
  const parked = await rejects(database.dsn, "purge", "--state=parked", "--yes", "--json");
  assert.equal(parked.out, '{"purged":1}\n');
});

for (
  const [answer, code, left] of [
    ["y\n", 0, []],
    ["Yes\n", 0, []],
    ["\n", 3, ["1", "2"]],
    ["n\n", 3, ["1", "2"]],
    [null, 3, ["1", "2"]],
  ] as const
) {
  Deno.test(`rejects purge on a terminal takes ${JSON.stringify(answer)} for an answer`, async () => {
    await using fixture = await openFixture(server);
    const { sql, store } = fixture;
    for (let at = 0; at < 2; at++) await keepReject(sql, { record: "{}" });
    const questions: string[] = [];
    const environment: ProgramEnvironment = {
      args: [],
      readVariable: () => undefined,
      readTextFile: () => assert.fail("a file was read"),
      writeOut: () => {},
      writeError: () => {},
      ask: (question) => {
        questions.push(question);
        return Promise.resolve(answer);
      },
      isInteractive: true,
      isTerminal: true,
      terminalColumns: 80,
      stop: new AbortController().signal,
      onUncaughtError: () => {},
    };
    const session = {
      store,
      clock: systemClock,
      log: fixture.log,
      schemaDefaults: DEFAULT_PROCESSOR_SETTINGS,
    };
    const choice = { kind: "rejects-purge", ids: [], all: true, json: false, yes: false } as const;
    const unset = {
      processorId: undefined,
      tableName: undefined,
      routeId: undefined,
      reasonPart: undefined,
      state: undefined,
      ageMinMs: undefined,
      ageMaxMs: undefined,
      limit: undefined,
    };
    assert.equal(await purge(environment, session, { ...choice, ...unset }), code);
    assert.deepEqual(questions, ["Delete 2 rejects for good? [y/N] "]);
    assert.deepEqual(await keptIds(fixture), [...left]);
  });
}

Deno.test("rejects says in one sentence that the database is away", async () => {
  const dsn = `host=${server.host} port=${server.port} user=postgres dbname=not_there`;
  const { code, out, error } = await rejects(dsn, "list");
  assert.deepEqual([code, out], [1, ""]);
  assert.match(error, /^Cannot .*\n$/);
});

Deno.test("a FAILED status names the command that finds its rejects, and replay mends them", async () => {
  await using stage = await Stage.open({ nats, postgres: server });
  const { routeId, processorId } = await stage.addProcessor({ batchSize: 1 });
  await stage.sql`create table ${stage.sql(processorId)} (n bigint check (n < 10),
    _timestamp timestamptz)`;
  await stage.runService({ START_FROM: "all" });
  await stage.publish(routeId, [{ n: 5 }, { n: 50 }]);
  const [status] = await stage.waitForStatuses(routeId, 1);
  const data = status?.data as { readonly command?: string };
  assert.equal(data.command, `state-tables rejects list --route='${routeId}'`);

  const { dsn } = stage.database;
  const listed = await rejects(dsn, "list", `--route=${routeId}`, "--json");
  const reject = JSON.parse(listed.out);
  assert.deepEqual(
    [reject.stream, reject.sequence, reject.ordinal, reject.table_name, reject.sqlstate],
    [stage.stream, "1", 1, processorId, "23514"],
  );
  await stage.sql`alter table ${stage.sql(processorId)} drop constraint
    ${stage.sql(`${processorId}_n_check`)}`;
  const replayed = await rejects(dsn, "replay", reject.id);
  assert.equal(replayed.code, 0, replayed.error);
  const rows = await stage.rows(processorId);
  assert.deepEqual(rows.map(({ n }) => n), ["5", "50"]);
});
