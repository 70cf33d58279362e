/** The room of deleted ledger entries is used again, on a real server without autovacuum. */
import assert from "node:assert/strict";
import type postgres from "postgres";
import { systemClock } from "../../../lib/clock.ts";
import { LedgerVacuum } from "../../../lib/store/ledger_vacuum.ts";
import type { Session } from "../../../lib/store/session.ts";
import { sharedPostgres, waitFor } from "../../support/servers.ts";
import { openFixture, openTestSession, RecordingLog, type StoreFixture } from "./store_fixture.ts";

const server = await sharedPostgres();
const NEVER = new AbortController().signal;

interface VacuumFixture extends AsyncDisposable {
  readonly sql: postgres.Sql;
  readonly vacuum: LedgerVacuum;
  readonly log: RecordingLog;
  readonly opened: () => number;
  readonly fixture: StoreFixture;
}

async function setup(dsn = (fixture: StoreFixture): string => fixture.database.dsn): Promise<
  VacuumFixture
> {
  const fixture = await openFixture(server);
  const { sql } = fixture;
  await sql`alter table state_tables.delivered set (autovacuum_enabled = false)`;
  const log = new RecordingLog();
  let opened = 0;
  const open = (): Promise<Session> => {
    opened++;
    return openTestSession(dsn(fixture), systemClock);
  };
  return {
    fixture,
    sql,
    log,
    opened: () => opened,
    vacuum: new LedgerVacuum(open, log),
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  };
}

/** 5,000 entries come and go; returns the size of their table, in bytes. */
async function writeAndDelete(sql: postgres.Sql): Promise<number> {
  await sql`insert into state_tables.delivered (source, seq, stored_ns)
    select 1, n, n from generate_series(1, 5000) n`;
  await sql`delete from state_tables.delivered`;
  const [row] = await sql`select pg_relation_size('state_tables.delivered')::int as size`;
  return Number(row?.size);
}

Deno.test("run() makes the room of deleted entries usable again", async () => {
  await using made = await setup();
  const { sql, vacuum } = made;
  const size = await writeAndDelete(sql);
  vacuum.countDeleted(5_000);
  await vacuum.run(NEVER);
  for (let round = 0; round < 3; round++) {
    assert.equal(await writeAndDelete(sql), size);
    vacuum.countDeleted(50_000);
    await vacuum.run(NEVER);
  }
});

Deno.test("run() waits until much was deleted, but for the first time", async () => {
  await using made = await setup();
  const { vacuum } = made;
  await vacuum.run(NEVER);
  assert.equal(made.opened(), 0, "nothing was deleted");
  vacuum.countDeleted(1);
  await vacuum.run(NEVER);
  assert.equal(made.opened(), 1, "an earlier process may have left much");
  vacuum.countDeleted(49_999);
  await vacuum.run(NEVER);
  assert.equal(made.opened(), 1);
  vacuum.countDeleted(1);
  await vacuum.run(NEVER);
  assert.equal(made.opened(), 2);
});

Deno.test("run() goes without when other maintenance is at it, or when it is aborted", async () => {
  await using made = await setup();
  const { sql, vacuum } = made;
  vacuum.countDeleted(1);
  await sql.begin(async (other) => {
    await other`lock table state_tables.delivered in share update exclusive mode`;
    await vacuum.run(NEVER);
  });
  vacuum.countDeleted(50_000);
  await vacuum.run(AbortSignal.abort());
  assert.equal(made.opened(), 1);
  assert.deepEqual(made.log.lines, []);
});

Deno.test("run() ends early when it is aborted", async () => {
  await using made = await setup();
  const { sql, vacuum } = made;
  vacuum.countDeleted(1);
  const stop = new AbortController();
  await sql.begin(async (other) => {
    // Vacuum would wait for this in its last step, the update of its statistics.
    await other`lock table pg_catalog.pg_class in access exclusive mode`;
    const running = vacuum.run(stop.signal);
    await waitFor(() => made.opened() === 1, { what: "vacuum to begin" });
    stop.abort();
    await running;
  });
});

Deno.test("run() says in the log that the database is away, and no more", async () => {
  await using made = await setup(() => "postgres://nobody@127.0.0.1:1/none");
  made.vacuum.countDeleted(1);
  await made.vacuum.run(NEVER);
  assert.deepEqual(made.log.lines.map(({ message }) => message), [
    "Cannot vacuum the ledger now",
  ]);
});
