/** Flushes in one query, and the pace at which one follows another, on a real server. */
import assert from "node:assert/strict";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import { storedNs } from "../../../lib/ingest/delivery.ts";
import type { FlushPace } from "../../../lib/ingest/ports.ts";
import { sharedPostgres, waitFor } from "../../support/servers.ts";
import {
  committed,
  describeTable,
  flushOf,
  identity,
  openFixture,
  type StoreFixture,
  testOnBoth,
} from "./store_fixture.ts";

const server = await sharedPostgres();

/** A pace that a test sets; of a flush that follows another unless told otherwise. */
function paceOf(
  mayWrite: Promise<boolean>,
  { follows = true } = {},
): FlushPace & { readonly steps: string[] } {
  const steps: string[] = [];
  return {
    follows,
    mayWrite,
    steps,
    onSent: () => steps.push("sent"),
    onSetback: () => steps.push("setback"),
  };
}

/** The backend of a flush that waits for data. */
async function backendInCopy({ sql }: StoreFixture): Promise<number> {
  return await waitFor(
    async () => {
      const [row] = await sql`select pid from pg_stat_activity
        where datname = current_database() and state = 'active' and wait_event = 'ClientRead'`;
      return row?.pid;
    },
    { what: "a flush to wait for its data" },
  );
}

testOnBoth("write() sends its rows only when it may", async (fixture) => {
  const { sql, store } = fixture;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  const mayWrite = Promise.withResolvers<boolean>();
  const pace = paceOf(mayWrite.promise);
  const writing = store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }]), pace);
  await backendInCopy(fixture);
  assert.deepEqual(pace.steps, []);
  mayWrite.resolve(true);
  assert.equal(committed(await writing).rowsWritten, 1);
  assert.deepEqual(pace.steps, ["sent"]);
});

testOnBoth("write() leaves nothing when it is called off", async (fixture) => {
  const { sql, store } = fixture;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  const flush = flushOf(table, [{ sequence: 1, rows: ["1"] }]);
  const outcome = await store.tables.write(flush, paceOf(Promise.resolve(false)));
  assert.deepEqual(outcome, { kind: "called-off" });
  assert.equal((await sql`select from state_tables.delivered`).length, 0);
  assert.equal(committed(await store.tables.write(flush)).rowsWritten, 1);
});

Deno.test("write() is called off before it begins when it holds more than rows", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  const flush = flushOf(table, [{ sequence: 1, rows: [] }]);
  const outcome = await store.tables.write(flush, paceOf(Promise.resolve(false)));
  assert.deepEqual(outcome, { kind: "called-off" });
  assert.equal((await sql`select from state_tables.delivered`).length, 0);
});

Deno.test("write() says that its rows are sent while the commit is under way", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql.unsafe(`create table t (a int);
    create function wait() returns trigger language plpgsql as
      $$ begin perform pg_advisory_xact_lock_shared(42); return null; end $$;
    create constraint trigger wait after insert on t deferrable initially deferred
      for each row execute function wait()`);
  const table = await describeTable(store, "t");
  const pace = paceOf(Promise.resolve(true));
  let isOver = false;
  const { writing } = await sql.begin(async (holder) => {
    await holder`select pg_advisory_xact_lock(42)`;
    const writing = store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }]), pace)
      .finally(() => isOver = true);
    await waitFor(() => pace.steps.length > 0, { what: "the flush to send its rows" });
    assert.equal(isOver, false);
    return { writing };
  });
  assert.equal(committed(await writing).rowsWritten, 1);
  assert.deepEqual(pace.steps, ["sent"]);
});

for (
  const [what, change, outcome] of [
    ["a message is known", "select", "committed"],
    ["the plan is stale", "alter table t add b int", "plan-stale"],
    ["a row is refused", "alter table t add check (a < 0) not valid", "committed"],
  ] as const
) {
  for (const follows of [true, false]) {
    const how = follows ? "behind another" : "alone";
    Deno.test(`write() ${how} says that it has a setback when ${what}`, async () => {
      await using fixture = await openFixture(server);
      const { sql, store } = fixture;
      await sql`create table t (a int)`;
      const table = await describeTable(store, "t");
      const flush = flushOf(table, [{ sequence: 1, rows: ["1"] }]);
      if (change === "select") await store.tables.write(flush);
      else await sql.unsafe(change);
      const pace = paceOf(Promise.resolve(true), { follows });
      assert.equal((await store.tables.write(flush, pace)).kind, outcome);
      assert.ok(pace.steps.includes("setback"));
      const next = flushOf(await describeTable(store, "t"), [{ sequence: 2, rows: ["-2"] }], {
        columns: ["a"],
      });
      assert.equal(committed(await store.tables.write(next)).rowsWritten, 1);
    });
  }
}

Deno.test("write() says that nothing was committed when the connection is lost before its rows are sent", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  const mayWrite = Promise.withResolvers<boolean>();
  const pace = paceOf(mayWrite.promise);
  const writing = store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }]), pace);
  const failed = assert.rejects(
    writing,
    (error) => error instanceof StoreUnavailableError && !error.commitUnknown,
  );
  await sql`select pg_terminate_backend(${await backendInCopy(fixture)}, 5000)`;
  await failed;
  mayWrite.resolve(true);
});

/** Writes rows that follow none while the table is locked; resolves to the steps seen meanwhile. */
async function stepsWhileLocked(
  { sql, store }: StoreFixture,
  rows: readonly string[],
): Promise<readonly string[]> {
  await sql`create table t (a text)`;
  const table = await describeTable(store, "t");
  await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }]));
  const pace = paceOf(Promise.resolve(true), { follows: false });
  const { writing, steps } = await sql.begin(async (holder) => {
    await holder`lock table t in exclusive mode`;
    const writing = store.tables.write(flushOf(table, [{ sequence: 2, rows }]), pace);
    await waitFor(
      async () => {
        const waiting = await holder`select from pg_locks where not granted and database =
          (select oid from pg_database where datname = current_database())`;
        return waiting.length > 0 ? true : undefined;
      },
      { what: "the flush to wait for the lock" },
    );
    return { writing, steps: [...pace.steps] };
  });
  assert.equal(committed(await writing).rowsWritten, rows.length);
  return steps;
}

testOnBoth("write() sends few rows before the server asks for them", async (fixture) => {
  assert.deepEqual(await stepsWhileLocked(fixture, ["2", "3"]), ["sent"]);
});

testOnBoth("write() sends many rows when the server asks for them", async (fixture) => {
  assert.deepEqual(await stepsWhileLocked(fixture, ["2", "3".repeat(100_000)]), []);
});

Deno.test("write() sends nothing ahead where a pooler may be in between", async () => {
  await using fixture = await openFixture(server, { prepare: false });
  assert.deepEqual(await stepsWhileLocked(fixture, ["2", "3"]), []);
});

Deno.test("write() cannot tell what was committed when the connection is lost with all rows sent", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }]));
  const flush = flushOf(table, [{ sequence: 2, rows: ["2"] }]);
  await sql.begin(async (holder) => {
    await holder`lock table t in exclusive mode`;
    const failed = assert.rejects(
      store.tables.write(flush),
      (error) => error instanceof StoreUnavailableError && error.commitUnknown,
    );
    await waitFor(
      async () => {
        const ended = await holder`select pg_terminate_backend(pid, 5000) from pg_locks
          where not granted and locktype = 'relation'`;
        return ended.length > 0 ? true : undefined;
      },
      { what: "the flush to wait for the lock" },
    );
    await failed;
  });
  assert.equal(committed(await store.tables.write(flush)).rowsWritten, 1);
  assert.equal((await sql`select from t`).length, 2);
});

// Both wait in the same query: the lock of a ledger entry is not the table's.
Deno.test("write() blames no table when another transaction holds its messages", async () => {
  await using fixture = await openFixture(server, {
    timeouts: { lockMs: 50, statementMs: 10_000 },
  });
  const { sql, store } = fixture;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  const flush = flushOf(table, [{ sequence: 1, rows: ["1"] }]);
  await store.tables.write(flush);
  const [entry] = await sql`delete from state_tables.delivered returning *`;
  const holder = await sql.reserve();
  try {
    await holder`begin`;
    await holder`insert into state_tables.delivered ${holder(entry ?? {})}`;
    await assert.rejects(
      store.tables.write(flush),
      (error) => error instanceof StoreUnavailableError && error.sqlState === "55P03",
    );
  } finally {
    await holder`rollback`;
    holder.release();
  }
});

Deno.test("write() notices entries that were pruned", async () => {
  await using fixture = await openFixture(server);
  const { sql, store } = fixture;
  await sql`create table t (a int)`;
  const table = await describeTable(store, "t");
  const messages = [1, 2, 3].map((sequence) => ({ sequence, rows: [String(sequence)] }));
  const flush = flushOf(table, messages);
  await store.tables.write(flushOf(table, [{ sequence: 9, rows: [] }])); // the source has its number
  await sql`update state_tables.source set pruned_seq = 2,
    pruned_ns = ${storedNs(identity(2))}`;
  const outcome = committed(await store.tables.write(flush));
  assert.deepEqual(outcome.known.map(({ index }) => index), [0, 1]);
  assert.deepEqual((await sql`select a from t`).map(({ a }) => a), [3]);
});

for (const prepare of [true, false]) {
  const how = prepare ? "once for a session" : "in each transaction behind a pooler";
  Deno.test(`write() makes its settings ${how}`, async () => {
    await using fixture = await openFixture(server, {
      prepare,
      timeouts: { lockMs: 4_321, statementMs: 54_321 },
      pool: { openMax: 1, idleMax: 1 },
    });
    const { sql, store } = fixture;
    await sql.unsafe(`create table t (a int, settings text default concat_ws(' ',
      current_setting('synchronous_commit'), current_setting('lock_timeout'),
      current_setting('statement_timeout'),
      current_setting('idle_in_transaction_session_timeout')))`);
    const table = await describeTable(store, "t");
    for (const sequence of [1, 2, 3]) {
      const messages = [{ sequence, rows: [String(sequence)] }];
      committed(await store.tables.write(flushOf(table, messages, { columns: ["a"] })));
    }
    const settings = (await sql`select settings from t`).map((row) => row.settings);
    assert.deepEqual(settings, Array(3).fill("on 4321ms 54321ms 54321ms"));
  });
}
