/** Eight instances that change and write one table at the same moment. */
import assert from "node:assert/strict";
import type { ChangedTable, TableChange } from "../../../lib/ingest/ports.ts";
import type { ColumnType } from "../../../lib/schema/column_type.ts";
import { openStore, type Store } from "../../../lib/store/store.ts";
import {
  describeTable,
  flushOf,
  named,
  type StoreFixture,
  storeOptions,
  testOnBoth,
} from "./store_fixture.ts";

const INSTANCES = 8;
const ROUNDS = 6;
const WRITES_MAX = 200;

/** Of each the first makes the column and the others want it wider. */
const STEPS: readonly (readonly ColumnType[])[] = [
  ["bigint", "numeric", "text"],
  ["boolean", "jsonb"],
  ["double precision", "numeric", "jsonb"],
  ["timestamptz", "text"],
];

/** What one instance wants in one round: keys of its own, keys of all, wider columns. */
function changeOf(instance: number, round: number): TableChange {
  const widenings = STEPS.map((types, column) => ({
    columnName: `w${column}`,
    type: types[(instance + round) % types.length] ?? "text",
  }));
  const keys = [`shared ${round}`, `own ${instance} ${round}`, `late ${(instance + round) % 8}`];
  return {
    table: named("t"),
    columns: keys.map((key) => ({ key, type: "text" })),
    widenings,
    overflow: round === instance % ROUNDS,
    indexKeys: [],
    reason: "test",
    cause: null,
  };
}

/** Changes and writes in turn; writes again where the table changed under it. */
async function race({ tables }: Store, instance: number): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    let { table }: ChangedTable = await tables.change(changeOf(instance, round));
    const columns = [`own ${instance} ${round}`];
    for (let tries = 1; tries <= WRITES_MAX; tries++) {
      const outcome = await tables.write(
        flushOf(table, [{ sequence: null, rows: ["x"] }], { columns }),
      );
      if (outcome.kind === "committed") break;
      ({ table } = await tables.change(changeOf(instance, round)));
    }
  }
}

/** What was refused as another instance was at the table is had once all is quiet. */
async function settle(store: Store): Promise<void> {
  for (let instance = 0; instance < INSTANCES; instance++) {
    for (let round = 0; round < ROUNDS; round++) {
      const { refused } = await store.tables.change(changeOf(instance, round));
      assert.deepEqual(refused, []);
    }
  }
}

/** Builds indexes while others change the table, for as long as they do. */
async function buildIndexes({ tables }: Store): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    await tables.ensureIndexes(named("t"), ["w0", "w2", "w3", `shared ${round}`]);
  }
}

testOnBoth("change() by eight writers at once ends as if they had taken turns", async (fixture) => {
  await raceOf(fixture, (stores) => stores.map(race));
  const [stats] = await fixture.sql`select deadlocks::int from pg_stat_database
    where datname = current_database()`;
  assert.equal(stats?.deadlocks, 0);
});

// A concurrent build waits for transactions that may wait for its lock: PostgreSQL ends one of them,
// which is repeated.
testOnBoth(
  "change() by eight writers at once goes well while indexes are built",
  async (fixture) => {
    await raceOf(fixture, (stores) => [...stores.map(race), ...stores.map(buildIndexes)]);
  },
);

/** Has eight stores at work on one table, and looks at it when all is quiet. */
async function raceOf(
  fixture: StoreFixture,
  work: (stores: readonly Store[]) => readonly Promise<void>[],
): Promise<void> {
  const { sql, store, database } = fixture;
  await store.tables.change({
    ...changeOf(0, 0),
    columns: STEPS.map((types, column) => ({ key: `w${column}`, type: types[0] ?? "text" })),
    widenings: [],
    overflow: false,
  });
  const stores = await Promise.all(
    Array.from({ length: INSTANCES }, () => openStore(storeOptions(database.dsn))),
  );
  try {
    await Promise.all(work(stores));
  } finally {
    await Promise.all(stores.map((one) => one.close(1_000)));
  }
  await settle(store);
  await assertTable(fixture);
  const [rows] = await sql`select count(*)::int as n from t`;
  assert.equal(rows?.n, INSTANCES * ROUNDS);
}

async function assertTable({ sql, store }: StoreFixture): Promise<void> {
  const { columns } = await describeTable(store, "t");
  const names = columns.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  assert.equal(names.length, STEPS.length + ROUNDS + INSTANCES * ROUNDS + INSTANCES + 1);
  const types = columns.filter(({ name }) => /^w\d$/.test(name)).map(({ typeName }) => typeName);
  assert.deepEqual(types, ["text", "jsonb", "jsonb", "text"]);
  const [twice] = await sql`select count(*)::int as n from (select from state_tables.schema_change
    where change = 'add column' group by column_number having count(*) > 1) x`;
  assert.equal(twice?.n, 0);
}
