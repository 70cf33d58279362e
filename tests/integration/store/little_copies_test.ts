/** Several little COPYs in one query on a real server: counts, refusals, and what comes behind. */
import assert from "node:assert/strict";
import type { LittleResult } from "../../../lib/store/little_copy.ts";
import type { Session } from "../../../lib/store/session.ts";
import { StatementError } from "../../../lib/store/statement_error.ts";
import { sharedPostgres } from "../../support/servers.ts";
import { type CopyFixture, lines, openCopyFixture } from "./copy_fixture.ts";

const server = await sharedPostgres();

function setup(): Promise<CopyFixture> {
  return openCopyFixture(server, "create table t (a int); create table u (a int)");
}

/** An answered row, then COPYs into these tables. */
function textOf(...tables: readonly string[]): string {
  return ["SELECT 1 AS one", ...tables.map((table) => `COPY ${table} (a) FROM STDIN`)].join("; ");
}

function accept(): void {}

interface Several {
  readonly copies: readonly Iterable<Uint8Array>[];
  readonly ahead?: readonly Iterable<Uint8Array>[];
  /** Called with the rows that were answered when the server waits for data. */
  readonly check: (rows: readonly (readonly (string | null)[])[]) => void;
  readonly onSent?: () => void;
}

function copyTo(
  session: Session,
  text: string,
  { copies, ahead = [], check, onSent }: Several,
): Promise<LittleResult> {
  const rows: (readonly (string | null)[])[] = [];
  return session.copyLittle({ text, ahead, behind: copies }, {
    onRow: (row) => rows.push(row),
    onReady: () => check(rows),
    onEnd: onSent,
  });
}

async function countOf({ database: { sql } }: CopyFixture, table: string): Promise<number> {
  return (await sql`select from ${sql(table)}`).length;
}

Deno.test("copyLittle() of several resolves to the rows of each COPY", async () => {
  await using fixture = await setup();
  const { rows } = await copyTo(fixture.session, textOf("t", "u", "t"), {
    copies: [lines("1", "2"), lines("3"), lines("4", "5", "6")],
    check: accept,
  });
  assert.deepEqual(rows, [2, 1, 3]);
  assert.equal(await countOf(fixture, "t"), 5);
  assert.equal(await countOf(fixture, "u"), 1);
});

Deno.test("copyLittle() of several writes one COPY, and one without data", async () => {
  await using fixture = await setup();
  const { session } = fixture;
  const one = { copies: [lines("1")], check: accept };
  assert.deepEqual((await copyTo(session, textOf("t"), one)).rows, [1]);
  const empty = { copies: [[], lines("1"), []], check: accept };
  assert.deepEqual((await copyTo(session, textOf("t", "u", "u"), empty)).rows, [0, 1, 0]);
});

Deno.test("copyLittle() of several counts what the server wrote, not what was sent", async () => {
  await using fixture = await setup();
  await fixture.database.sql.unsafe(`
    create function drop_odd() returns trigger language plpgsql as
      $$ begin if new.a % 2 = 1 then return null; end if; return new; end $$;
    create trigger drop_odd before insert on t for each row execute function drop_odd()`);
  const { rows } = await copyTo(fixture.session, textOf("u", "t"), {
    copies: [lines("1", "2", "3"), lines("1", "2", "3")],
    check: accept,
  });
  assert.deepEqual(rows, [3, 1]);
});

Deno.test("copyLittle() of several gives the answered rows to the check before it sends data", async () => {
  await using fixture = await setup();
  let seen: readonly unknown[] = [];
  await copyTo(fixture.session, `SELECT 2 AS two; ${textOf("t")}`, {
    copies: [lines("1")],
    check: (rows) => {
      seen = [...rows];
    },
  });
  assert.deepEqual(seen, [["2"], ["1"]]);
});

Deno.test("copyLittle() of several writes nothing when the check throws, and the session goes on", async () => {
  await using fixture = await setup();
  const { session } = fixture;
  const refused = new Error("not as expected");
  const check = (): void => {
    throw refused;
  };
  const several = { copies: [lines("1"), lines("2")], check };
  await assert.rejects(copyTo(session, textOf("t", "u"), several), refused);
  assert.equal(await countOf(fixture, "t"), 0);
  assert.equal(await session.copyIn("COPY t (a) FROM STDIN", lines("1")), 1);
});

for (
  const [what, copies] of [
    ["first", [["x"], ["2"], ["3"]]],
    ["middle", [["1"], ["x"], ["3"]]],
    ["last", [["1"], ["2"], ["x"]]],
  ] as const
) {
  Deno.test(`copyLittle() of several writes nothing when the ${what} COPY is refused, and the session goes on`, async () => {
    await using fixture = await setup();
    const { session } = fixture;
    const several = { copies: copies.map((values) => lines(...values)), check: accept };
    await assert.rejects(
      copyTo(session, textOf("t", "u", "t"), several),
      (error) => error instanceof StatementError && error.sqlState === "22P02",
    );
    assert.equal(await countOf(fixture, "t"), 0);
    assert.equal(await countOf(fixture, "u"), 0);
    for (let time = 0; time < 3; time++) {
      assert.equal(await session.copyIn("COPY t (a) FROM STDIN", lines("1")), 1);
      const good = { copies: [lines("1"), lines("2")], check: accept };
      assert.deepEqual((await copyTo(session, textOf("t", "u"), good)).rows, [1, 1]);
    }
  });
}

Deno.test("copyLittle() of several rejects when a statement before the COPYs is refused", async () => {
  await using fixture = await setup();
  const several = { copies: [lines("1")], check: accept };
  await assert.rejects(
    copyTo(fixture.session, `SELECT 1/0; ${textOf("t")}`, several),
    (error) => error instanceof StatementError && error.sqlState === "22012",
  );
  assert.deepEqual((await copyTo(fixture.session, textOf("t"), several)).rows, [1]);
});

Deno.test("copyLittle() of several sends data ahead, and what commits it, in one query", async () => {
  await using fixture = await setup();
  const { session, database: { sql } } = fixture;
  await sql`create table v (a int)`;
  for (let time = 1; time <= 20; time++) {
    const steps: string[] = [];
    const result = await copyTo(
      session,
      `BEGIN; SELECT 2 AS two; COPY v (a) FROM STDIN; ${textOf("t", "u")}; COMMIT`,
      {
        ahead: [lines("7", "8", "9")],
        copies: [lines("1", "2"), lines("3")],
        check: (rows) => steps.push(JSON.stringify(rows)),
        onSent: () => steps.push("sent"),
      },
    );
    assert.deepEqual(result, { rows: [3, 2, 1], tag: "COMMIT" });
    assert.deepEqual(steps, ['[["2"],["1"]]', "sent"]);
    assert.equal(await countOf(fixture, "v"), 3 * time);
    assert.equal(await countOf(fixture, "t"), 2 * time);
  }
});

Deno.test("copyLittle() of several carries out no COMMIT behind a check that throws, or data that is refused", async () => {
  await using fixture = await setup();
  const { session } = fixture;
  const text = `BEGIN; COPY u (a) FROM STDIN; ${textOf("t", "u")}; COMMIT`;
  const isNoNumber = (error: unknown): boolean =>
    error instanceof StatementError && error.sqlState === "22P02";
  const refused = new Error("not as expected");
  const refuse = (): void => {
    throw refused;
  };
  for (let time = 1; time <= 3; time++) {
    const good = { ahead: [lines("1")], copies: [lines("2"), lines("3")], check: accept };
    const { onSent } = { onSent: () => assert.fail("nothing more is sent") };
    await assert.rejects(
      copyTo(session, text, { ...good, check: refuse, onSent }),
      refused,
    );
    await session.execute("ROLLBACK");
    await assert.rejects(
      copyTo(session, text, { ...good, ahead: [lines("x")], onSent }),
      isNoNumber,
    );
    await session.execute("ROLLBACK");
    const bad = { ...good, copies: [lines("2"), lines("x")] };
    await assert.rejects(copyTo(session, text, bad), isNoNumber);
    await session.execute("ROLLBACK");
    assert.equal((await copyTo(session, text, good)).tag, "COMMIT");
    assert.equal(await countOf(fixture, "u"), 2 * time);
  }
});
