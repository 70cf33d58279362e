/** Connections whose packets vanish, behind a proxy that swallows them: found, ended, replaced. */
import assert from "node:assert/strict";
import { FaultProxy } from "../../../dev/faults/fault_proxy.ts";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import { openStore, type Store } from "../../../lib/store/store.ts";
import { sharedPostgres, waitFor } from "../../support/servers.ts";
import {
  committed,
  describeTable,
  flushOf,
  openFixture,
  RecordingLog,
  type StoreFixture,
  storeOptions,
} from "./store_fixture.ts";

const server = await sharedPostgres();

/** Statements may take so long that nothing but a look can find a dead connection in a test. */
const TIMEOUTS = { lockMs: 200, statementMs: 600_000 };

interface Proxied extends AsyncDisposable {
  readonly fixture: StoreFixture;
  readonly proxy: FaultProxy;
  /** Reaches the database of the fixture through the proxy. */
  readonly store: Store;
  readonly log: RecordingLog;
}

async function openProxied(): Promise<Proxied> {
  await using resources = new AsyncDisposableStack();
  const fixture = resources.use(await openFixture(server));
  const proxy = resources.use(await FaultProxy.open({ targetPort: server.port }));
  const log = new RecordingLog();
  const options = storeOptions(fixture.database.dsn, { timeouts: TIMEOUTS, log });
  const hosts = [{ host: "127.0.0.1", port: proxy.port }];
  const target = { ...options.target, hosts };
  const store = resources.adopt(
    await openStore({ ...options, target }),
    (opened) => opened.close(1_000),
  );
  const kept = resources.move();
  return { fixture, proxy, store, log, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

Deno.test("write() fails soon when packets vanish, and the server process is ended", async () => {
  await using proxied = await openProxied();
  const { fixture, proxy, store, log } = proxied;
  await fixture.sql`create table t (id bigint)`;
  const table = await describeTable(store, "t");
  const flush = flushOf(table, [{ sequence: 1, rows: ["1"] }]);
  proxy.setBlackHole(true);
  const failed = assert.rejects(store.tables.write(flush), StoreUnavailableError);
  await waitFor(() => proxy.swallowedBytes > 0, { what: "packets to vanish" });
  proxy.setBlackHole(false);
  await failed;
  assert.ok(log.lines.some(({ message }) => /is dead and given up/.test(message)));
  assert.equal(committed(await store.tables.write(flush)).rowsWritten, 1);
  assert.equal((await fixture.sql`select from t`).length, 1);
});

Deno.test("write() says commitUnknown when packets vanish behind COMMIT", async () => {
  await using proxied = await openProxied();
  const { fixture, proxy, store } = proxied;
  const { sql } = fixture;
  await sql.unsafe(`create table t (id bigint);
    create function doze() returns trigger language plpgsql as
      $$ begin perform pg_sleep(1); return null; end $$;
    create constraint trigger doze after insert on t deferrable initially deferred
      for each row execute function doze()`);
  const table = await describeTable(store, "t");
  const flush = flushOf(table, [{ sequence: 1, rows: ["1"] }]);
  const failed = assert.rejects(
    store.tables.write(flush),
    (error) => error instanceof StoreUnavailableError && error.commitUnknown,
  );
  const isCommitting = async (): Promise<boolean> =>
    (await sql`select from pg_stat_activity
      where datname = current_database() and wait_event = 'PgSleep'`).length > 0;
  await waitFor(isCommitting, { what: "COMMIT to be carried out" });
  proxy.setBlackHole(true);
  await waitFor(() => proxy.swallowedBytes > 0, { what: "the answer to vanish" });
  proxy.setBlackHole(false);
  await failed;
  assert.equal(committed(await store.tables.write(flush)).known.length, 1);
  assert.equal((await sql`select from t`).length, 1);
});

Deno.test("write() waits on when the server works for long", async () => {
  await using proxied = await openProxied();
  const { fixture, store, log } = proxied;
  await fixture.sql.unsafe(`create table t (id bigint);
    create function doze() returns trigger language plpgsql as
      $$ begin perform pg_sleep(8); return null; end $$;
    create trigger doze after insert on t for each statement execute function doze()`);
  const table = await describeTable(store, "t");
  const outcome = await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }]));
  assert.equal(committed(outcome).rowsWritten, 1);
  assert.ok(!log.lines.some(({ message }) => /is dead and given up/.test(message)));
});
