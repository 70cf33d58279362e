/** Scenarios in which tables are locked, changed, dropped or refuse rows, and those of scale. */
import { plannedMessages } from "./load.ts";
import {
  type Scenario,
  type ScenarioRun,
  until,
  untilGrown,
  untilWritten,
  whileGrowing,
} from "./scenario.ts";

/** A random choice of processors does not meet every single one soon. */
const MOST_OF_2000 = 1_800;

/** Columns that have to be added to call it a storm. */
const COLUMNS_OF_A_STORM = 100;

/** Ids of the backlog's rows begin here, far from those of the load. */
const BACKLOG_FIRST_ID = 500_000_000;

/** See the top of this file. */
export const TABLE_SCENARIOS: readonly Scenario[] = [
  {
    name: "reader-blocks-column",
    title: "a reader holds a table for 6 s while a column has to be added",
    bed: { processors: 3 },
    load: { lateKeys: 6 },
    faults: async (run) => {
      await untilWritten(run, "processor-0");
      await run.bed.sql.begin(async (sql) => {
        await sql`select count(*) from "processor-0"`;
        await run.pause(6_000);
      });
    },
    seen: (_, { tableRetries, storeRetries }) =>
      tableRetries + storeRetries > 0 ? null : "no change of the table had to wait",
  },
  {
    name: "locked-table",
    title: "one table locked for 30 s while 99 others flow",
    bed: { processors: 100, settings: { DB_LOCK_TIMEOUT_MS: "1000" } },
    faults: async (run) => {
      await untilWritten(run, "processor-0");
      await untilWritten(run, "processor-1");
      return await run.bed.sql.begin(async (sql) => {
        await sql`lock table "processor-0" in access exclusive mode`;
        return await whileGrowing(run, { table: "processor-1", steps: 10, stepMs: 3_000 });
      });
    },
    seen: (_, { tableRetries }) => tableRetries > 0 ? null : "no flush met the lock",
  },
  {
    name: "table-dropped",
    title: "a table dropped while running: it is made again",
    spoiledTables: ["processor-0"],
    faults: async (run) => {
      for (let round = 0; round < run.rounds(3); round++) {
        await untilWritten(run, "processor-0");
        await run.bed.sql`drop table "processor-0"`;
        await untilWritten(run, "processor-0");
      }
    },
  },
  {
    name: "column-dropped",
    title: "a column dropped while running: it is added again",
    spoiledTables: ["processor-0"],
    faults: async (run) => {
      for (let round = 0; round < run.rounds(3); round++) {
        await until(() => hasScore(run), "the column to be there");
        await run.bed.sql`alter table "processor-0" drop column score`;
        await until(() => hasScore(run), "the column to be added again");
      }
    },
  },
  {
    name: "index-dropped",
    title: "a table's index dropped while running: rows go on",
    bed: { properties: { batchSize: 50, batchWindowTTL: 1, indexColumns: ["id"] } },
    faults: async (run) => {
      for (let round = 0; round < run.rounds(3); round++) {
        const table = `processor-${round}`;
        await untilWritten(run, table);
        await until(async () => (await indexesOf(run, table)).length > 0, "the index");
        for (const name of await indexesOf(run, table)) {
          await run.bed.sql`drop index ${run.bed.sql(name)}`;
        }
        await untilGrown(run, table);
      }
    },
  },
  {
    name: "serialization-failure",
    title: "every insert into one table fails as not serializable for 5 s",
    faults: async (run) => {
      await untilWritten(run, "processor-0");
      await run.bed.sql.unsafe(`
        create function collide() returns trigger language plpgsql as
          $$ begin raise exception using errcode = 'serialization_failure'; end $$;
        create trigger collide before insert on "processor-0" for each row
          execute function collide()`);
      await run.pause(5_000);
      await run.bed.sql`drop trigger collide on "processor-0"`;
      await untilGrown(run, "processor-0");
    },
    seen: (_, { tableRetries, storeRetries }) =>
      tableRetries + storeRetries > 0 ? null : "nothing was tried again",
  },
  {
    name: "truncated",
    title: "a table truncated while running: what was there does not come back",
    spoiledTables: ["processor-0"],
    faults: async (run) => {
      for (let round = 0; round < run.rounds(3); round++) {
        await untilWritten(run, "processor-0");
        await run.bed.sql`truncate "processor-0"`;
        await untilWritten(run, "processor-0");
      }
    },
  },
  {
    name: "type-changed",
    title: "a column's type changed while running (double precision to numeric, bigint to numeric)",
    bed: { processors: 3 },
    faults: async (run) => {
      for (const table of ["processor-0", "processor-1"]) {
        await untilWritten(run, table);
        const { sql } = run.bed;
        await sql`alter table ${sql(table)} alter column id type numeric`;
        await untilGrown(run, table);
        await sql`alter table ${sql(table)} alter column score type numeric`;
        await untilGrown(run, table);
      }
    },
  },
  {
    name: "permission-lost",
    title: "writing to one table forbidden for 5 s by a trigger that raises 42501",
    bed: { processors: 5 },
    refusedRoutes: ["state-0:processor-0"],
    faults: async (run) => {
      const { sql } = run.bed;
      await untilWritten(run, "processor-0");
      await sql.unsafe(`create function forbid() returns trigger language plpgsql as
        $$ begin raise insufficient_privilege using message = 'forbidden'; end $$;
        create trigger forbid before insert on "processor-0"
        for each statement execute function forbid()`);
      await run.pause(5_000);
      await sql`drop trigger forbid on "processor-0"`;
    },
    seen: (_, { tableRetries }) => tableRetries > 0 ? null : "no flush was refused",
  },
  {
    name: "poison",
    title: "a bad record in every fourth message",
    load: { poisonShare: 0.25 },
    faults: (run) => run.pause(run.rounds(6) * 1_000),
    seen: (_, { rejectedRows }) => rejectedRows > 0 ? null : "nothing was rejected",
  },
  {
    name: "deadlock",
    title: "another client deadlocks with the program on purpose",
    bed: { processors: 2, postgresSettings: { deadlock_timeout: "50ms" } },
    load: { lateKeys: 8 },
    faults: async (run) => {
      await untilWritten(run, "processor-0");
      for (let round = 0; round < run.rounds(10); round++) {
        // Its ledger first, then its table: the program goes the same way, a reader the other.
        await run.bed.sql.begin(async (sql) => {
          await sql`lock table "processor-0" in share mode`;
          await run.pause(60);
          await sql`lock table state_tables.delivered in share mode`;
          await run.pause(20);
        }).catch(() => undefined); // the deadlock's victim may be this side
        await run.pause(200);
      }
      const deadlocks = async (): Promise<boolean> => {
        const [row] = await run.bed.sql`
          select deadlocks::int as n from pg_stat_database where datname = current_database()`;
        return Number(row?.n) > 0;
      };
      await until(deadlocks, "a deadlock to be counted");
    },
  },
  {
    name: "ddl-storm",
    title: "40 tables and 20 new columns each, four instances",
    instances: 4,
    bed: { processors: 40, properties: { batchSize: 5, batchWindowTTL: 1 } },
    load: { lateKeys: 20, messagesMin: 2_000, perSecond: 300 },
    faults: async (run) => {
      await run.pause(run.rounds(5) * 1_000);
      const areAdded = async (): Promise<boolean> => {
        const [row] = await run.bed.sql`
          select count(*)::int as n from pg_attribute where attname like 'late\\_%' and attnum > 0`;
        return Number(row?.n) >= COLUMNS_OF_A_STORM;
      };
      await until(areAdded, "columns to be added");
    },
  },
  {
    name: "many-processors",
    title: "2,000 processors at once, all their tables made while rows come",
    bed: { processors: 2_000, properties: { batchSize: 100, batchWindowTTL: 1 } },
    load: { messagesMin: 6_000, perSecond: 400, lateKeys: 0 },
    faults: async (run) => {
      const areMade = async (): Promise<boolean> => {
        const [row] = await run.bed.sql`
          select count(*)::int as n from pg_class where relname like 'processor-%' and relkind = 'r'`;
        return Number(row?.n) >= MOST_OF_2000;
      };
      await until(areMade, "the tables to be made", 90_000);
    },
  },
  {
    name: "backlog",
    title: "a backlog of 100,000 messages at the start",
    bed: { processors: 5, properties: { batchSize: 1_000, batchWindowTTL: 1 } },
    load: { perSecond: 50, messagesMin: 50 },
    prepare: async ({ bed, publisher, rounds }) => {
      const shape = {
        messagesMin: rounds(100_000),
        perSecond: Infinity,
        recordsMax: 4,
        poisonShare: 0,
        lateKeys: 3,
      };
      await publisher.publish(plannedMessages(1, bed.targets, shape, BACKLOG_FIRST_ID), {
        ...shape,
        signal: AbortSignal.abort(),
      });
    },
    faults: async ({ bed }) => {
      await until(
        async () => (await bed.consumer())?.num_pending === 0,
        "the backlog to go",
        90_000,
      );
    },
  },
];

async function hasScore({ bed: { sql } }: ScenarioRun): Promise<boolean> {
  const found = await sql`
    select from pg_attribute where attrelid = to_regclass('"processor-0"')
      and attname = 'score' and not attisdropped`;
  return found.length === 1;
}

/** Names of a table's indexes; the tables have no key. */
async function indexesOf({ bed: { sql } }: ScenarioRun, table: string): Promise<string[]> {
  const rows = await sql`select indexname from pg_indexes where tablename = ${table}`;
  return rows.map(({ indexname }) => indexname);
}
