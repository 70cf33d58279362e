/** A query with one little COPY, spoken beside the client library, on real servers. */
import assert from "node:assert/strict";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import type { LittleCopies, LittleResult } from "../../../lib/store/little_copy.ts";
import { StatementError } from "../../../lib/store/statement_error.ts";
import { sharedPostgres } from "../../support/servers.ts";
import { type CopyFixture, lines, openCopyFixture } from "./copy_fixture.ts";

const server = await sharedPostgres();

function setup(): Promise<CopyFixture> {
  return openCopyFixture(server, "create table t (a int not null primary key)");
}

const COPY = "COPY t (a) FROM STDIN";

/** The data of the one COPY. */
function placed(
  data: Iterable<Uint8Array>,
  isAhead: boolean,
): Pick<LittleCopies, "ahead" | "behind"> {
  return isAhead ? { ahead: [data], behind: [] } : { ahead: [], behind: [data] };
}

/** Rows that landed. */
async function landed({ database: { sql } }: CopyFixture): Promise<number[]> {
  return (await sql`select a from t order by a`).map(({ a }) => a);
}

for (const isAhead of [true, false]) {
  const when = isAhead ? "with the query" : "when the server asks for it";

  Deno.test(`copyLittle() sends its data ${when}, in turn with the library`, async () => {
    await using fixture = await setup();
    const { session } = fixture;
    for (let time = 0; time < 30; time += 3) {
      const steps: string[] = [];
      const result = await session.copyLittle({
        text: `BEGIN; SELECT 1 AS one; SELECT 2; ${COPY}; COMMIT`,
        ...placed(lines(...[1, 2, 3].map((a) => String(time + a))), isAhead),
      }, {
        onRow: () => void steps.push("row"),
        onReady: () => void steps.push("ready"),
        onEnd: () => steps.push("end"),
      });
      assert.deepEqual(result, { rows: [3], tag: "COMMIT" });
      assert.deepEqual(steps, isAhead ? ["end", "row", "row"] : ["row", "row", "ready", "end"]);
      const [counted] = await session.query<{ n: number }>("SELECT count(*)::int AS n FROM t", []);
      assert.equal(counted?.n, time + 3);
      assert.equal(await session.copyIn(`COPY t (a) FROM STDIN`, lines(String(-time - 1))), 1);
      await session.execute(`DELETE FROM t WHERE a < 0`);
    }
    assert.equal((await landed(fixture)).length, 30);
  });

  Deno.test(`copyLittle() carries out nothing behind what is refused, and works on: data ${when}`, async () => {
    await using fixture = await setup();
    const { session } = fixture;
    const copying = (text: string, ...values: string[]): Promise<LittleResult> =>
      session.copyLittle({ text, ...placed(lines(...values), isAhead) }, {});
    const refused = async (sqlState: string, text: string, ...values: string[]): Promise<void> => {
      await assert.rejects(
        copying(text, ...values),
        (error) => error instanceof StatementError && error.sqlState === sqlState,
      );
      await session.execute("ROLLBACK");
    };
    for (let time = 1; time <= 3; time++) {
      await refused("22P02", `BEGIN; ${COPY}; COMMIT`, "1", "x");
      await refused("42P01", `BEGIN; SELECT FROM nothing; ${COPY}; COMMIT`, "1");
      await refused("42601", `BEGIN; ${COPY} nonsense; COMMIT`, "1");
      await assert.rejects(copying(`BEGIN; ${COPY}; COMMIT`, "1", "1"), (error) => {
        assert(error instanceof StatementError);
        assert.deepEqual(
          [error.sqlState, error.schema, error.table, error.constraint, error.column],
          ["23505", "public", "t", "t_pkey", null],
        );
        assert.match(error.message, /duplicate key/);
        return true;
      });
      await session.execute("ROLLBACK");
      assert.equal((await copying(`BEGIN; ${COPY}; COMMIT`, String(time))).tag, "COMMIT");
    }
    assert.deepEqual(await landed(fixture), [1, 2, 3]);
  });

  Deno.test(`copyLittle() rejects when the connection is lost, data ${when}`, async () => {
    await using fixture = await setup();
    const { session, database: { sql } } = fixture;
    await session.execute("SELECT 1");
    const failed = assert.rejects(
      session.copyLittle({
        text: `SELECT pg_terminate_backend(pg_backend_pid()); ${COPY}`,
        ...placed(lines("1"), isAhead),
      }, {}),
      StoreUnavailableError,
    );
    await failed;
    assert.equal(session.isDead, true);
    await assert.rejects(session.execute("SELECT 1"), StoreUnavailableError);
    assert.equal((await sql`select from t`).length, 0);
  });
}

Deno.test("copyLittle() throws what called it off, and the connection works on", async () => {
  await using fixture = await setup();
  const { session } = fixture;
  const reason = new Error("not yet");
  for (let time = 1; time <= 3; time++) {
    await assert.rejects(
      session.copyLittle(
        { text: `BEGIN; ${COPY}; COMMIT`, ahead: [], behind: [lines("1")] },
        { onReady: () => Promise.reject(reason), onEnd: () => assert.fail("its end was sent") },
      ),
      (error) => error === reason,
    );
    await session.execute("ROLLBACK");
  }
  assert.deepEqual(await landed(fixture), []);
});

Deno.test("copyLittle() sends nothing when the query fails while it is held back", async () => {
  await using fixture = await setup();
  const { session, database: { sql } } = fixture;
  const [backend] = await session.query<{ pid: number }>("SELECT pg_backend_pid() AS pid", []);
  const mayGoOn = Promise.withResolvers<void>();
  const isHeld = Promise.withResolvers<void>();
  const failed = assert.rejects(
    session.copyLittle(
      { text: `BEGIN; ${COPY}; COMMIT`, ahead: [], behind: [lines("1")] },
      {
        onReady: () => {
          isHeld.resolve();
          return mayGoOn.promise;
        },
        onEnd: () => assert.fail("its end was sent"),
      },
    ),
    StoreUnavailableError,
  );
  await isHeld.promise;
  await sql`select pg_terminate_backend(${backend?.pid ?? 0}, 5000)`;
  await failed;
  mayGoOn.resolve();
  await Promise.resolve();
  assert.equal((await sql`select from t`).length, 0);
});

Deno.test("copyLittle() takes texts, data and notices of any length", async () => {
  await using fixture = await openCopyFixture(server, "create table t (a text)");
  const { session, database: { sql } } = fixture;
  const long = "ü".repeat(30_000);
  for (const isAhead of [true, false]) {
    const result = await session.copyLittle({
      text: `DO $$ BEGIN RAISE NOTICE '${long}'; END $$; SELECT '${long}'; ${COPY}`,
      ...placed([...lines(long), ...lines(), ...lines("", "x")], isAhead),
    }, {});
    assert.deepEqual(result, { rows: [3], tag: "COPY" });
  }
  assert.equal((await sql`select from t where a = ${long}`).length, 2);
});
