/** COPY data that is sent with its query, on a real server: counts, refusals, and what comes behind. */
import assert from "node:assert/strict";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import type { LittleResult, LittleSteps } from "../../../lib/store/little_copy.ts";
import type { Session } from "../../../lib/store/session.ts";
import { failUnless } from "../../../lib/store/sql_text.ts";
import { StatementError } from "../../../lib/store/statement_error.ts";
import { sharedPostgres } from "../../support/servers.ts";
import { type CopyFixture, lines, openCopyFixture } from "./copy_fixture.ts";
import { encodeLines } from "./store_fixture.ts";

const server = await sharedPostgres();

async function setup(): Promise<CopyFixture> {
  const fixture = await openCopyFixture(server, "create table t (a int not null)");
  await prepareSomething(fixture.session);
  return fixture;
}

async function prepareSomething(session: Session): Promise<void> {
  const statement = {
    name: "one",
    types: ["int"],
    text: ([one = ""]: readonly string[]) => `SELECT ${one} AS one`,
  };
  await session.callText(statement, ["1"]);
}

const COPY = "COPY t (a) FROM STDIN";

/** Sends the data of every COPY with the query. */
function copyAhead(
  session: Session,
  text: string,
  ahead: readonly Iterable<Uint8Array>[],
  steps: LittleSteps = {},
): Promise<LittleResult> {
  return session.copyLittle({ text, ahead, behind: [] }, steps);
}

function hasState(sqlState: string): (error: unknown) => boolean {
  return (error) => error instanceof StatementError && error.sqlState === sqlState;
}

async function landed({ database: { sql } }: CopyFixture): Promise<number[]> {
  return (await sql`select a from t order by a`).map(({ a }) => a);
}

Deno.test("a session may send ahead once it has prepared something", async () => {
  await using fixture = await openCopyFixture(server, "");
  const { session } = fixture;
  assert.equal(session.maySendAhead, false);
  await prepareSomething(session);
  assert.equal(session.maySendAhead, true);
});

Deno.test("copyAhead() resolves to rows and tag, behind statements that answer", async () => {
  await using fixture = await setup();
  const seen: unknown[] = [];
  let sent = 0;
  const result = await copyAhead(
    fixture.session,
    `BEGIN; SELECT 1 AS one; SELECT 2 AS two; ${COPY}; COMMIT`,
    [[...lines("1", "2"), ...lines("3")]],
    { onRow: (row) => seen.push(row), onEnd: () => sent++ },
  );
  assert.deepEqual(result, { rows: [3], tag: "COMMIT" });
  assert.deepEqual(seen, [["1"], ["2"]]);
  assert.equal(sent, 1);
  assert.deepEqual(await landed(fixture), [1, 2, 3]);
});

Deno.test("copyAhead() copies nothing when there is no data", async () => {
  await using fixture = await setup();
  assert.deepEqual((await copyAhead(fixture.session, COPY, [[]])).rows, [0]);
});

Deno.test("copyAhead() takes a text of any length", async () => {
  await using fixture = await setup();
  const { session } = fixture;
  for (const length of [1_000, 1_023, 1_024, 1_025, 100_000]) {
    const { rows } = await copyAhead(session, COPY.padStart(length), [lines("1")]);
    assert.deepEqual(rows, [1]);
  }
});

Deno.test("copyAhead() allows its buffer to be reused once it was called", async () => {
  await using fixture = await setup();
  const { bytes } = encodeLines(["1111"]);
  const copying = copyAhead(fixture.session, COPY, [[bytes]]);
  bytes.fill(0x32);
  await copying;
  assert.deepEqual(await landed(fixture), [1111]);
});

for (
  const [what, statements, sqlState] of [
    ["a statement before it fails", ["SELECT 1/0", COPY, "COMMIT"], "22012"],
    ["a condition before it does not hold", [
      `SELECT ${failUnless("1 > 2", "'one'")}`,
      COPY,
      "COMMIT",
    ], "22P02"],
    ["its table is missing", ["COPY nowhere (a) FROM STDIN", "COMMIT"], "42P01"],
    ["it is no SQL", ["COPYING"], "42601"],
    ["a statement behind it fails", [COPY, "SELECT 1/0", "COMMIT"], "22012"],
  ] as const
) {
  Deno.test(`copyAhead() writes nothing when ${what}, and the session goes on`, async () => {
    await using fixture = await setup();
    const { session } = fixture;
    for (let time = 1; time <= 3; time++) {
      const text = ["BEGIN", "INSERT INTO t VALUES (7)", ...statements].join("; ");
      await assert.rejects(copyAhead(session, text, [lines("5", "6")]), hasState(sqlState));
      await session.execute("ROLLBACK");
      assert.equal(await session.copyIn(COPY, lines(String(time))), 1);
      assert.deepEqual((await copyAhead(session, COPY, [lines(String(time))])).rows, [1]);
    }
    assert.deepEqual(await landed(fixture), [1, 1, 2, 2, 3, 3]);
  });
}

Deno.test("copyAhead() carries out no COMMIT behind data that is refused, and the session goes on", async () => {
  await using fixture = await setup();
  const { session } = fixture;
  for (let time = 1; time <= 3; time++) {
    await assert.rejects(
      copyAhead(session, `BEGIN; INSERT INTO t VALUES (7); ${COPY}; COMMIT`, [lines("1", "x")]),
      hasState("22P02"),
    );
    await session.execute("ROLLBACK");
    await copyAhead(session, COPY, [lines(String(time))]);
  }
  assert.deepEqual(await landed(fixture), [1, 2, 3]);
});

Deno.test("copyAhead() many times in a row lands every row", async () => {
  await using fixture = await setup();
  for (let round = 0; round < 200; round++) {
    await copyAhead(fixture.session, COPY, [lines(String(round))]);
  }
  assert.equal((await landed(fixture)).length, 200);
});

Deno.test("copyAhead() rejects as unavailable when the connection is lost", async () => {
  await using fixture = await setup();
  const { session, database: { sql } } = fixture;
  const [row] = await session.queryOnce<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  const failed = assert.rejects(
    copyAhead(session, `SELECT pg_sleep(60); ${COPY}`, [lines("1")]),
    StoreUnavailableError,
  );
  await sql`select pg_terminate_backend(${row?.pid ?? 0}, 5000)`;
  await failed;
  assert.deepEqual(await landed(fixture), []);
});

Deno.test("copyAmong() sends data of several COPYs ahead, and that of the last when it is asked", async () => {
  await using fixture = await setup();
  const { session, database: { sql } } = fixture;
  await sql`create table u (b int)`;
  const steps: string[] = [];
  for (let time = 1; time <= 20; time++) {
    const result = await session.copyAmong(
      `BEGIN; COPY u (b) FROM STDIN; SELECT count(*)::int AS n FROM u; ${COPY}; COPY u (b) FROM STDIN;
       SELECT 1 AS n; ${COPY}; COMMIT`,
      lines("7", "8"),
      {
        onRow: (row) => steps.push(JSON.stringify(row)),
        onReady: () => void steps.push("ready"),
        onEnd: () => steps.push("end"),
      },
      [lines("1", "2", "3"), lines("4"), lines("5")],
    );
    assert.deepEqual(result, { rows: 2, tag: "COMMIT" });
    const counted = JSON.stringify({ n: time * 4 - 1 });
    assert.deepEqual(steps.splice(0), [counted, '{"n":1}', "ready", "end"]);
  }
  assert.equal((await sql`select from u`).length, 80);
  assert.equal((await landed(fixture)).length, 60);
});

Deno.test("copyAmong() carries out nothing behind data ahead that is refused, however much it is", async () => {
  await using fixture = await setup();
  const { session, database: { sql } } = fixture;
  const much = encodeLines(Array.from({ length: 200_000 }, (_, row) => String(row))).bytes;
  for (let time = 1; time <= 3; time++) {
    for (const data of [[...lines("x"), much], [much, ...lines("x")]]) {
      await assert.rejects(
        session.copyAmong(`BEGIN; ${COPY}; SELECT 1; ${COPY}; COMMIT`, lines("1"), {
          onReady: () => assert.fail("it is asked for more"),
        }, [data]),
        hasState("22P02"),
      );
      await session.execute("ROLLBACK");
    }
    await session.copyAmong(`${COPY}; ${COPY}`, [much], {}, [[much]]);
  }
  assert.deepEqual([...await sql`select count(*)::int as n from t`], [{ n: 1_200_000 }]);
});

for (
  const [what, condition, holds] of [
    ["true", "1 < 2", true],
    ["false", "1 > 2", false],
    ["NULL", "NULL", false],
  ] as const
) {
  Deno.test(`failUnless() ${holds ? "is true" : "fails"} when the condition is ${what}`, async () => {
    await using fixture = await setup();
    const asking = fixture.session.queryOnce<{ answer: boolean }>(
      `SELECT ${failUnless(condition, "'about ', NULL, 1")} AS answer`,
    );
    if (holds) assert.deepEqual([...await asking], [{ answer: true }]);
    else await assert.rejects(asking, hasState("22P02"));
  });
}
