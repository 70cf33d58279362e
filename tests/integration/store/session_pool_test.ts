/** The pool on a real server: who gets a session, when one is ended, and what an outage looks like. */
import assert from "node:assert/strict";
import { systemClock } from "../../../lib/clock.ts";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import type { Session } from "../../../lib/store/session.ts";
import { SessionPool, type SessionPoolOptions } from "../../../lib/store/session_pool.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import {
  type FreshDatabase,
  freshDatabase,
  sharedPostgres,
  waitFor,
} from "../../support/servers.ts";
import { openTestSession } from "./store_fixture.ts";

const server = await sharedPostgres();

interface PoolFixture extends AsyncDisposable {
  readonly database: FreshDatabase;
  readonly pool: SessionPool;
  /** Every session opened, in order. */
  readonly opened: Session[];
}

async function setup(overrides: Partial<SessionPoolOptions> = {}): Promise<PoolFixture> {
  const database = await freshDatabase(server);
  const opened: Session[] = [];
  const pool = new SessionPool({
    clock: systemClock,
    openMax: 1,
    idleMax: 1,
    lifetimeMs: Infinity,
    idleMs: Infinity,
    acquireTimeoutMs: 10_000,
    statementMaxMs: 60_000,
    open: async () => {
      const session = await openTestSession(database.dsn, overrides.clock);
      opened.push(session);
      return session;
    },
    ...overrides,
  });
  return {
    database,
    pool,
    opened,
    async [Symbol.asyncDispose](): Promise<void> {
      await pool.close(1_000);
      await database[Symbol.asyncDispose]();
    },
  };
}

Deno.test("acquire() gives the same session again when it was given back", async () => {
  await using fixture = await setup();
  for (let use = 0; use < 3; use++) {
    using lease = await fixture.pool.acquire("flush");
    await lease.session.execute("SELECT 1");
  }
  assert.equal(fixture.opened.length, 1);
});

Deno.test("acquire() serves flushes before look-ups when the pool has one session", async () => {
  await using fixture = await setup();
  const { pool } = fixture;
  const order: string[] = [];
  const first = await pool.acquire("flush");
  const uses = (["lookup", "flush", "lookup", "flush"] as const).map(async (priority, index) => {
    using _lease = await pool.acquire(priority);
    order.push(`${priority} ${index}`);
  });
  first[Symbol.dispose]();
  await Promise.all(uses);
  assert.deepEqual(order, ["flush 1", "flush 3", "lookup 0", "lookup 2"]);
});

Deno.test("acquire() lets a look-up through when flushes never end", async () => {
  await using fixture = await setup();
  const { pool } = fixture;
  let isServed = false;
  const first = await pool.acquire("flush");
  const lookup = pool.acquire("lookup").then((lease) => {
    isServed = true;
    lease[Symbol.dispose]();
  });
  let flushesBefore = 0;
  const flushes = Array.from({ length: 30 }, async () => {
    using _lease = await pool.acquire("flush");
    if (!isServed) flushesBefore++;
  });
  first[Symbol.dispose]();
  await Promise.all([lookup, ...flushes]);
  assert.ok(flushesBefore <= 10, `${flushesBefore} flushes went first`);
});

Deno.test("acquire() waits when as many sessions are in use as may be open", async () => {
  await using fixture = await setup({ openMax: 3, idleMax: 3 });
  const { pool, opened } = fixture;
  const leases = await Promise.all([1, 2, 3].map(() => pool.acquire("flush")));
  assert.equal(new Set(leases.map(({ session }) => session)).size, 3);
  const waiting = pool.acquire("flush");
  leases[1]?.[Symbol.dispose]();
  const last = await waiting;
  assert.equal(last.session, leases[1]?.session);
  for (const lease of [...leases, last]) lease[Symbol.dispose]();
  assert.equal(opened.length, 3);
});

Deno.test("acquire() gives a new session when the last one was lost", async () => {
  await using fixture = await setup();
  const { pool, opened, database } = fixture;
  {
    using lease = await pool.acquire("flush");
    await lease.session.execute("SELECT 1");
  }
  await database.sql`select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and application_name <> 'postgres.js'`;
  await waitFor(() => opened[0]?.isDead, { what: "the session to notice" });
  using lease = await pool.acquire("flush");
  assert.equal(await lease.session.execute("SELECT 1"), "SELECT");
  assert.equal(opened.length, 2);
});

Deno.test("acquire() gives up when no session is free in time", async () => {
  await using fixture = await setup({ acquireTimeoutMs: 1_000 });
  using _lease = await fixture.pool.acquire("flush");
  await assert.rejects(fixture.pool.acquire("flush"), StoreUnavailableError);
});

Deno.test("acquire() rejects with the signal's reason when aborted", async () => {
  await using fixture = await setup();
  using _lease = await fixture.pool.acquire("flush");
  const abort = new AbortController();
  const waiting = fixture.pool.acquire("flush", abort.signal);
  abort.abort(new RangeError("enough"));
  await assert.rejects(waiting, RangeError);
});

Deno.test("acquire() fails all who wait when no session can be opened", async () => {
  await using fixture = await setup({
    openMax: 2,
    open: () => openTestSession("host=127.0.0.1 port=1 user=postgres dbname=postgres"),
  });
  const waiting = Array.from({ length: 5 }, () => fixture.pool.acquire("flush"));
  for (const outcome of await Promise.allSettled(waiting)) {
    assert.ok(outcome.status === "rejected" && outcome.reason instanceof StoreUnavailableError);
    assert.match(outcome.reason.message, /127\.0\.0\.1:1/);
  }
});

Deno.test("acquire() replaces a session that is older than its lifetime", async () => {
  const clock = new FakeClock();
  await using fixture = await setup({ clock, lifetimeMs: 60_000 });
  const lease = await fixture.pool.acquire("flush");
  clock.advance(60_001);
  assert.equal(await lease.session.execute("SELECT 1"), "SELECT"); // never inside a use
  lease[Symbol.dispose]();
  using _next = await fixture.pool.acquire("flush");
  assert.equal(fixture.opened.length, 2);
});

Deno.test("a session is ended when it was idle for too long", async () => {
  const clock = new FakeClock();
  await using fixture = await setup({ clock, idleMs: 5_000 });
  (await fixture.pool.acquire("flush"))[Symbol.dispose]();
  clock.advance(6_001);
  await waitFor(() => fixture.opened[0]?.isDead, { what: "the idle session to end" });
});

Deno.test("a statement is given up when it outlives every timeout of the server", async () => {
  const clock = new FakeClock();
  await using fixture = await setup({ clock, statementMaxMs: 60_000 });
  using lease = await fixture.pool.acquire("flush");
  const failed = assert.rejects(
    lease.session.execute("SELECT pg_sleep(60)"),
    StoreUnavailableError,
  );
  clock.advance(61_001);
  await failed;
});

Deno.test("close() waits for work under way, then refuses", async () => {
  await using fixture = await setup();
  const lease = await fixture.pool.acquire("flush");
  const closed = fixture.pool.close(10_000);
  assert.equal(await lease.session.execute("SELECT 1"), "SELECT");
  lease[Symbol.dispose]();
  await closed;
  assert.equal(fixture.opened[0]?.isDead, true);
  await assert.rejects(fixture.pool.acquire("flush"), StoreUnavailableError);
});

Deno.test("close() ends work that outlives the grace period", async () => {
  await using fixture = await setup();
  const lease = await fixture.pool.acquire("flush");
  const failed = assert.rejects(
    lease.session.execute("SELECT pg_sleep(60)"),
    StoreUnavailableError,
  );
  await fixture.pool.close(10);
  await failed;
});
