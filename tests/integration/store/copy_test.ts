/** COPY through the client library on a real server: each of its traps, as a regression test. */
import assert from "node:assert/strict";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import { StatementError } from "../../../lib/store/statement_error.ts";
import { sharedPostgres } from "../../support/servers.ts";
import { type CopyFixture, lines, openCopyFixture } from "./copy_fixture.ts";
import { encodeLines } from "./store_fixture.ts";

const server = await sharedPostgres();

function setup(): Promise<CopyFixture> {
  return openCopyFixture(server, "create table t (a int not null)");
}

const COPY = "COPY t (a) FROM STDIN";

Deno.test("copyIn() resolves to the number of rows", async () => {
  await using fixture = await setup();
  assert.equal(await fixture.session.copyIn(COPY, lines("1", "2", "3")), 3);
});

Deno.test("copyIn() resolves to 0 when there is no chunk", async () => {
  await using fixture = await setup();
  assert.equal(await fixture.session.copyIn(COPY, []), 0);
});

// The error comes after CopyDone: the library's stream neither fails nor finishes.
Deno.test("copyIn() rejects when the server refuses the data after its end", async () => {
  await using fixture = await setup();
  await assert.rejects(
    fixture.session.copyIn(COPY, lines("1", "x")),
    (error) => error instanceof StatementError && error.sqlState === "22P02",
  );
});

Deno.test("copyIn() rejects when the server refuses before all chunks are sent", async () => {
  await using fixture = await setup();
  const big = encodeLines(Array.from({ length: 50_000 }, (_, row) => String(row))).bytes;
  let asked = 0;
  function* chunks(): Generator<Uint8Array, void, undefined> {
    yield encodeLines(["x"]).bytes;
    for (; asked < 1_000; asked++) yield big;
  }
  await assert.rejects(fixture.session.copyIn(COPY, chunks()), StatementError);
  assert.ok(asked < 1_000, "chunks were read after the refusal");
});

Deno.test("copyIn() rejects when the table does not exist", async () => {
  await using fixture = await setup();
  await assert.rejects(
    fixture.session.copyIn("COPY nowhere (a) FROM STDIN", lines("1")),
    (error) => error instanceof StatementError && error.sqlState === "42P01",
  );
});

// The stream of the failed COPY emits a false finish at the next statement.
Deno.test("copyIn() succeeds after a failed one was rolled back to a savepoint", async () => {
  await using fixture = await setup();
  const { session } = fixture;
  await session.execute("BEGIN; SAVEPOINT s");
  await assert.rejects(session.copyIn(COPY, lines("x")), StatementError);
  await session.execute("ROLLBACK TO SAVEPOINT s");
  assert.equal(await session.copyIn(COPY, lines("1")), 1);
  assert.equal(await session.execute("COMMIT"), "COMMIT");
});

// The stream of a good COPY destroys itself and would send CopyFail into the next one (57014).
Deno.test("copyIn() many times in a row lands every row", async () => {
  await using fixture = await setup();
  const { session, database } = fixture;
  for (let round = 0; round < 200; round++) await session.copyIn(COPY, lines(String(round)));
  const [row] = await database.sql`select count(*)::int as n from t`;
  assert.equal(row?.n, 200);
});

Deno.test("copyIn() alternating good and bad data lands the good", async () => {
  await using fixture = await setup();
  const { session, database } = fixture;
  for (let round = 0; round < 50; round++) {
    await session.copyIn(COPY, lines(String(round)));
    await assert.rejects(session.copyIn(COPY, lines(String(round), "bad")), StatementError);
  }
  const [row] = await database.sql`select count(*)::int as n from t`;
  assert.equal(row?.n, 50);
});

Deno.test("copyIn() sends chunks that end in the middle of a row", async () => {
  await using fixture = await setup();
  const { bytes } = encodeLines(["123", "456"]);
  const chunks = [bytes.subarray(0, 2), bytes.subarray(2, 5), bytes.subarray(5)];
  assert.equal(await fixture.session.copyIn(COPY, chunks), 2);
  const rows = await fixture.database.sql`select a from t order by a`;
  assert.deepEqual(rows.map(({ a }) => a), [123, 456]);
});

Deno.test("copyIn() allows its buffer to be reused once it has settled", async () => {
  await using fixture = await setup();
  const { session, database } = fixture;
  const { bytes } = encodeLines(["1111"]);
  await session.copyIn(COPY, [bytes]);
  bytes.fill(0x32, 0, 4);
  await session.copyIn(COPY, [bytes]);
  const rows = await database.sql`select a from t order by a`;
  assert.deepEqual(rows.map(({ a }) => a), [1111, 2222]);
});

Deno.test("copyIn() rejects as unavailable when the connection is lost in the middle", async () => {
  await using fixture = await setup();
  const { session, database } = fixture;
  const [row] = await session.queryOnce<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  const ended = Promise.withResolvers<void>();
  const pid = row?.pid ?? 0;
  function* chunks(): Generator<Uint8Array, void, undefined> {
    yield encodeLines(["1"]).bytes;
    database.sql`select pg_terminate_backend(${pid})`.then(() => ended.resolve(), ended.reject);
    const big = encodeLines(Array.from({ length: 50_000 }, (_, line) => String(line))).bytes;
    for (let chunk = 0; chunk < 5_000; chunk++) yield big;
  }
  await assert.rejects(session.copyIn(COPY, chunks()), StoreUnavailableError);
  await ended.promise;
  const [count] = await database.sql`select count(*)::int as n from t`;
  assert.equal(count?.n, 0);
});

// The count of a SELECT stands in the place of the COPY's, and several results come as one array.
Deno.test("copyAmong() counts the rows of the COPY when statements before it have counts", async () => {
  await using fixture = await setup();
  const rows: unknown[] = [];
  const result = await fixture.session.copyAmong(
    `BEGIN; INSERT INTO t VALUES (7), (8); SELECT 5 AS n; ${COPY}; COMMIT`,
    lines("1", "2", "3"),
    { onRow: (row) => rows.push(row) },
  );
  assert.deepEqual(result, { rows: 3, tag: "COMMIT" });
  assert.deepEqual(rows, [{ n: 5 }]);
});

Deno.test("copyAmong() has told all rows when the server waits for data", async () => {
  await using fixture = await setup();
  const steps: string[] = [];
  await fixture.session.copyAmong(`SELECT 1; SELECT 2; ${COPY}`, lines("1"), {
    onRow: () => steps.push("row"),
    onReady: () => {
      steps.push("ready");
    },
    onEnd: () => steps.push("end"),
  });
  assert.deepEqual(steps, ["row", "row", "ready", "end"]);
});

Deno.test("copyAmong() carries out nothing behind a COPY that is called off, and works on", async () => {
  await using fixture = await setup();
  const { session, database } = fixture;
  await assert.rejects(
    session.copyAmong(`BEGIN; INSERT INTO t VALUES (7); ${COPY}; COMMIT`, lines("1"), {
      onReady: () => {
        throw new RangeError("not now");
      },
    }),
    RangeError,
  );
  await session.execute("ROLLBACK");
  assert.equal(await session.copyIn(COPY, lines("2")), 1);
  const rows = await database.sql`select a from t`;
  assert.deepEqual(rows.map(({ a }) => a), [2]);
});

Deno.test("copyAmong() carries out no COMMIT behind data that is refused", async () => {
  await using fixture = await setup();
  const { session, database } = fixture;
  await assert.rejects(
    session.copyAmong(`BEGIN; INSERT INTO t VALUES (7); ${COPY}; COMMIT`, lines("1", "x")),
    (error) => error instanceof StatementError && error.sqlState === "22P02",
  );
  assert.equal(await session.execute("COMMIT"), "ROLLBACK");
  assert.equal((await database.sql`select from t`).length, 0);
});

Deno.test("copyAmong() leaves nothing under way when its data is let go after the end", async () => {
  await using fixture = await setup();
  const { session, database } = fixture;
  const mayWrite = Promise.withResolvers<void>();
  const isReady = Promise.withResolvers<void>();
  const copying = session.copyAmong(COPY, lines("1"), {
    onReady: () => {
      isReady.resolve();
      return mayWrite.promise;
    },
  });
  await isReady.promise;
  await Promise.all([
    assert.rejects(copying, StoreUnavailableError),
    database.sql`select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`,
  ]);
  mayWrite.resolve();
  await mayWrite.promise;
  assert.equal(session.busySinceMs, null);
});
