/**
 * A transaction that several tables share, its connection cut at COMMIT by a proxy: whether it landed
 * or not, the same flushes repeated leave one copy of each row. Text and binary COPY in one group.
 */
import assert from "node:assert/strict";
import { FaultProxy } from "../../../dev/faults/fault_proxy.ts";
import { type PostgresCut, PostgresCuts } from "../../../dev/faults/postgres_filter.ts";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import type { Flush } from "../../../lib/ingest/ports.ts";
import { openStore, type Store } from "../../../lib/store/store.ts";
import { sharedPostgres } from "../../support/servers.ts";
import {
  committed,
  describeTable,
  flushOf,
  openFixture,
  type StoreFixture,
  storeOptions,
  testOnBoth,
} from "./store_fixture.ts";

const server = await sharedPostgres();

const ROWS = 3;

/** The flush of three rows of a table with one bigint column, of which the odd ones are binary. */
async function rowsFlush({ store }: StoreFixture, number: number): Promise<Flush> {
  const values = Array.from({ length: ROWS }, (_, row) => number * 10 + row);
  const flush = flushOf(await describeTable(store, `t${number}`), [
    { sequence: number, rows: values.map(String) },
  ]);
  return number % 2 === 0 ? flush : { ...flush, format: "binary", rows: binaryRows(values) };
}

/** Rows of COPY binary: the number of fields, then the length and value of the bigint. */
function binaryRows(values: readonly number[]): Flush["rows"] {
  const rowBytes = 14;
  const bytes = new Uint8Array(values.length * rowBytes);
  const view = new DataView(bytes.buffer);
  for (const [row, value] of values.entries()) {
    view.setInt16(row * rowBytes, 1);
    view.setInt32(row * rowBytes + 2, 8);
    view.setBigInt64(row * rowBytes + 6, BigInt(value));
  }
  const ends = Uint32Array.from(values, (_, row) => (row + 1) * rowBytes);
  return { bytes, count: values.length, ends };
}

/** The tables `t1` to `t4`, a flush for each, and one without rows that takes the one connection. */
async function flushesOf(
  fixture: StoreFixture,
): Promise<{ readonly first: Flush; readonly group: readonly Flush[] }> {
  const numbers = [1, 2, 3, 4];
  for (const number of numbers) await fixture.sql.unsafe(`create table t${number} (a bigint)`);
  const group = await Promise.all(numbers.map((number) => rowsFlush(fixture, number)));
  const table = await describeTable(fixture.store, "t1");
  return { first: flushOf(table, [{ sequence: 100, rows: [] }]), group };
}

/** Writes the first, while the others wait together. */
async function writeTogether(
  store: Store,
  { first, group }: { readonly first: Flush; readonly group: readonly Flush[] },
): Promise<PromiseSettledResult<Awaited<ReturnType<Store["tables"]["write"]>>>[]> {
  const [firstOutcome, ...outcomes] = await Promise.allSettled(
    [first, ...group].map((flush) => store.tables.write(flush)),
  );
  assert.equal(firstOutcome?.status, "fulfilled");
  return outcomes;
}

/** The values of all tables, and in how many transactions they were written. */
async function written(
  { sql }: StoreFixture,
): Promise<{ readonly values: readonly number[]; readonly transactions: number }> {
  const rows =
    await sql`select a::int, xmin::text from t1 union all select a::int, xmin::text from t2
    union all select a::int, xmin::text from t3 union all select a::int, xmin::text from t4
    order by 1`;
  return {
    values: rows.map(({ a }) => Number(a)),
    transactions: new Set(rows.map(({ xmin }) => String(xmin))).size,
  };
}

const ALL = [1, 2, 3, 4].flatMap((number) => [number * 10, number * 10 + 1, number * 10 + 2]);

testOnBoth("write() lets binary and text rows share a transaction", async (fixture) => {
  const flushes = await flushesOf(fixture);
  const options = storeOptions(fixture.database.dsn, { pool: { openMax: 1 } });
  const store = await openStore(options);
  try {
    const outcomes = await writeTogether(store, flushes);
    assert.deepEqual(outcomes.map(({ status }) => status), Array(4).fill("fulfilled"));
  } finally {
    await store.close(1_000);
  }
  assert.deepEqual(await written(fixture), { values: ALL, transactions: 1 });
});

for (
  const [cut, landed] of [
    ["before-commit", []],
    ["after-commit", ALL],
  ] as const satisfies readonly (readonly [PostgresCut, readonly number[]])[]
) {
  Deno.test(`write() of a group cut ${cut} says commitUnknown, and repeated leaves one copy`, async () => {
    await using resources = new AsyncDisposableStack();
    const fixture = resources.use(await openFixture(server));
    const flushes = await flushesOf(fixture);
    const cuts = new PostgresCuts();
    const filter = (): ReturnType<PostgresCuts["filter"]> => cuts.filter();
    const proxy = resources.use(await FaultProxy.open({ targetPort: server.port, filter }));
    const options = storeOptions(fixture.database.dsn, { pool: { openMax: 1 } });
    const target = { ...options.target, hosts: [{ host: "127.0.0.1", port: proxy.port }] };
    const store = resources.adopt(
      await openStore({ ...options, target }),
      (opened) => opened.close(1_000),
    );
    cuts.arm(cut, 1);
    const failed = await writeTogether(store, flushes);
    assert.equal(cuts.made[cut], 1);
    for (const outcome of failed) {
      assert.ok(outcome.status === "rejected");
      assert.ok(outcome.reason instanceof StoreUnavailableError && outcome.reason.commitUnknown);
    }
    assert.deepEqual((await written(fixture)).values, landed);
    const repeated = await Promise.all(flushes.group.map((flush) => store.tables.write(flush)));
    const isKnown = landed.length > 0;
    for (const outcome of repeated) {
      assert.equal(committed(outcome).known.length, isKnown ? 1 : 0);
      assert.equal(committed(outcome).rowsWritten, isKnown ? 0 : ROWS);
    }
    assert.deepEqual((await written(fixture)).values, ALL);
    const [ledger] = await fixture.sql`select count(*)::int as n from state_tables.delivered`;
    assert.equal(ledger?.n, flushes.group.length + 1);
  });
}
