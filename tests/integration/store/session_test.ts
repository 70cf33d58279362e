/** Sessions and transactions on a real server: what a lost connection can, and cannot, do. */
import assert from "node:assert/strict";
import { type Clock, systemClock } from "../../../lib/clock.ts";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import { StatementError } from "../../../lib/store/statement_error.ts";
import type { Session } from "../../../lib/store/session.ts";
import { inTransaction } from "../../../lib/store/transaction.ts";
import {
  type FreshDatabase,
  freshDatabase,
  sharedPostgres,
  waitFor,
} from "../../support/servers.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { encodeLines, openTestSession } from "./store_fixture.ts";

const server = await sharedPostgres();
const TIMEOUTS = { lockMs: 5_000, statementMs: 10_000 };

interface SessionFixture extends AsyncDisposable {
  readonly database: FreshDatabase;
  readonly session: Session;
  readonly pid: number;
}

async function setup(clock: Clock = systemClock): Promise<SessionFixture> {
  const database = await freshDatabase(server);
  await database.sql`create table t (a int)`;
  const session = await openTestSession(database.dsn, clock);
  const [row] = await session.queryOnce<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  return {
    database,
    session,
    pid: row?.pid ?? 0,
    async [Symbol.asyncDispose](): Promise<void> {
      await session.close();
      await database[Symbol.asyncDispose]();
    },
  };
}

async function countRows({ sql }: FreshDatabase): Promise<unknown> {
  const [row] = await sql`select count(*)::int as n from t`;
  return row?.n;
}

async function terminate({ database, pid }: SessionFixture): Promise<void> {
  await database.sql`select pg_terminate_backend(${pid}, 5000)`;
}

Deno.test("Session does not run the next statement when its backend was ended", async () => {
  await using fixture = await setup();
  const { session, database } = fixture;
  await assert.rejects(
    inTransaction(session, TIMEOUTS, async () => {
      await session.execute("INSERT INTO t VALUES (1)");
      await terminate(fixture);
      await session.execute("INSERT INTO t VALUES (2)");
    }),
    StoreUnavailableError,
  );
  assert.equal(session.isDead, true);
  assert.equal(await countRows(database), 0);
});

Deno.test("Session stays dead when the server would take a new connection", async () => {
  await using fixture = await setup();
  const { session, database } = fixture;
  await terminate(fixture);
  await waitFor(() => session.isDead, { what: "the session to notice" });
  await assert.rejects(session.execute("INSERT INTO t VALUES (1)"), StoreUnavailableError);
  await assert.rejects(session.query("SELECT 1", []), StoreUnavailableError);
  await assert.rejects(
    session.copyIn("COPY t (a) FROM STDIN", [encodeLines(["1"]).bytes]),
    StoreUnavailableError,
  );
  assert.equal(await countRows(database), 0);
});

Deno.test("Session fails the statement under way when its backend is ended", async () => {
  await using fixture = await setup();
  const { session, database, pid } = fixture;
  const sleeping = session.execute("SELECT pg_sleep(60)");
  const failed = assert.rejects(sleeping, StoreUnavailableError);
  await waitFor(
    async () =>
      (await database.sql`select from pg_stat_activity
      where pid = ${pid} and wait_event = 'PgSleep'`).length > 0,
    { what: "the statement to begin" },
  );
  await terminate(fixture);
  await failed;
});

Deno.test("Session fails the statement under way when it is destroyed", async () => {
  await using fixture = await setup();
  const { session } = fixture;
  const failed = assert.rejects(session.execute("SELECT pg_sleep(60)"), StoreUnavailableError);
  await session.destroy();
  await failed;
});

Deno.test("Session refuses a second statement while one is under way", async () => {
  await using fixture = await setup();
  const { session } = fixture;
  const first = session.execute("SELECT 1");
  await assert.rejects(session.execute("SELECT 2"), TypeError);
  await first;
});

Deno.test("Session works on when a statement was refused", async () => {
  await using fixture = await setup();
  const { session } = fixture;
  await assert.rejects(
    session.query("SELECT $1::int", ["x"]),
    (error) => error instanceof StatementError && error.sqlState === "22P02",
  );
  assert.deepEqual([...await session.query("SELECT $1::int AS a", ["7"])], [{ a: 7 }]);
});

Deno.test("inTransaction() rolls back when the work throws", async () => {
  await using fixture = await setup();
  const { session, database } = fixture;
  await assert.rejects(
    inTransaction(session, TIMEOUTS, async () => {
      await session.execute("INSERT INTO t VALUES (1)");
      throw new RangeError("stop");
    }),
    RangeError,
  );
  assert.equal(await session.execute("INSERT INTO t VALUES (2)"), "INSERT");
  assert.equal(await countRows(database), 1);
});

// COMMIT of a failed transaction answers with the tag ROLLBACK and no error.
Deno.test("inTransaction() fails when the commit was a rollback", async () => {
  await using fixture = await setup();
  const { session, database } = fixture;
  await assert.rejects(
    inTransaction(session, TIMEOUTS, async () => {
      await session.execute("INSERT INTO t VALUES (1)");
      await session.execute("SELECT 1/0").catch(() => {}); // swallowed by a mistake
    }),
    (error) => error instanceof StatementError && error.sqlState === "25P02",
  );
  assert.equal(await countRows(database), 0);
});

Deno.test("inTransaction() bounds the wait for a lock", async () => {
  await using fixture = await setup();
  const { session, database } = fixture;
  await database.sql.begin(async (holder) => {
    await holder`lock table t`;
    await assert.rejects(
      inTransaction(
        session,
        { lockMs: 20, statementMs: 10_000 },
        () => session.execute("INSERT INTO t VALUES (1)"),
      ),
      (error) => error instanceof StatementError && error.sqlState === "55P03",
    );
  });
});

Deno.test("inTransaction() leaves no setting behind", async () => {
  await using fixture = await setup();
  const { session } = fixture;
  const ask = "SELECT current_setting('lock_timeout') AS lock";
  const [before] = await session.queryOnce<{ lock: string }>(ask);
  await inTransaction(session, TIMEOUTS, () => session.execute("SELECT 1"));
  const [after] = await session.queryOnce<{ lock: string }>(ask);
  assert.deepEqual(after, before);
});

Deno.test("Session counts no time while the client holds the data of a COPY back", async () => {
  const clock = new FakeClock();
  await using fixture = await setup(clock);
  const { session } = fixture;
  let sentFromMs: number | null = null;
  await session.copyAmong("BEGIN; COPY t (a) FROM STDIN; COMMIT", [encodeLines(["1"]).bytes], {
    onReady: async () => {
      await clock.advance(60_000);
      assert.equal(session.busySinceMs, null, "it waits for us, not we for it");
      await assert.rejects(session.execute("SELECT 1"), TypeError, "and is in use all the same");
    },
    onEnd: () => sentFromMs = session.busySinceMs,
  });
  assert.equal(sentFromMs, clock.monotonic());
  assert.equal(session.busySinceMs, null);
  assert.equal(await countRows(fixture.database), 1);
});

Deno.test("Session counts the time anew when a COPY held back is called off", async () => {
  const clock = new FakeClock();
  await using fixture = await setup(clock);
  const { session } = fixture;
  const reason = new Error("not now");
  const failed = assert.rejects(
    session.copyAmong("COPY t (a) FROM STDIN", [encodeLines(["1"]).bytes], {
      onReady: async () => {
        await clock.advance(60_000);
        // Looked at as soon as the error is on its way, before the server can have answered it.
        queueMicrotask(() => queueMicrotask(() => queueMicrotask(look)));
        throw reason;
      },
    }),
    (error) => error === reason,
  );
  let calledOffAtMs: number | null = null;
  function look(): void {
    calledOffAtMs = session.busySinceMs;
  }
  await failed;
  assert.equal(calledOffAtMs, clock.monotonic());
});
