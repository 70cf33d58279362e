/** What the tests of spans share: consecutive messages, what the ledger has, and a gate for rows. */
import assert from "node:assert/strict";
import type postgres from "postgres";
import type { FlushOutcome } from "../../../lib/ingest/ports.ts";
import type { TableDescription } from "../../../lib/schema/table_description.ts";
import { openStore, type Store } from "../../../lib/store/store.ts";
import { KNOWN_MESSAGES } from "../../../dev/servers/known_messages.ts";
import { sharedPostgres, waitFor } from "../../support/servers.ts";
import {
  committed,
  describeTable,
  flushOf,
  openFixture,
  type StoreFixture,
  storeOptions,
} from "./store_fixture.ts";

export const server = await sharedPostgres();
const servers = [["18", server], ["15", await sharedPostgres("15")]] as const;

/** Enough to be spans. */
export const MANY = 500;

/** One connection, so that waiting flushes go together. */
export const ONE = { pool: { openMax: 1, idleMax: 1 } };

/** The test's own advisory lock, which holds up rows of a table. */
export const GATE = 42;

/** On both versions of PostgreSQL, with one connection. */
export function testOnOne(name: string, test: (fixture: StoreFixture) => Promise<void>): void {
  for (const [version, access] of servers) {
    Deno.test(`${name} (PostgreSQL ${version})`, async () => {
      await using fixture = await openFixture(access, ONE);
      await test(fixture);
    });
  }
}

export interface TestMessage {
  readonly sequence: number;
  readonly rows: string[];
}

export function message(sequence: number): TestMessage {
  return { sequence, rows: [String(sequence)] };
}

/** Consecutive messages, a row each. */
export function messagesFrom(first: number, count = MANY): TestMessage[] {
  return Array.from({ length: count }, (_, at) => message(first + at));
}

export async function tableOf({ sql, store }: StoreFixture, name = "t"): Promise<TableDescription> {
  await sql`create table ${sql(name)} (a int)`;
  return await describeTable(store, name);
}

/** Another instance of the program. */
export async function openOther({ database }: StoreFixture): Promise<Store & AsyncDisposable> {
  const store = await openStore(storeOptions(database.dsn, ONE));
  return { ...store, [Symbol.asyncDispose]: () => store.close(5_000) };
}

/** What the ledger has: spans, entries, and messages in all. */
export async function ledgerOf({ sql }: StoreFixture): Promise<number[]> {
  const [row] = await sql`select
    (select count(*)::int from state_tables.delivered_span) as spans,
    (select count(*)::int from state_tables.delivered) as entries,
    (select count(*)::int from ${sql.unsafe(KNOWN_MESSAGES)} known
     where stored_ns = 1763976000000000000 + seq) as messages`;
  return [row?.spans, row?.entries, row?.messages];
}

/** Rows of all tables named, and how many of them differ. */
export async function rowsOf(
  { sql }: StoreFixture,
  ...names: readonly string[]
): Promise<number[]> {
  const rows: number[] = [];
  for (const name of names) rows.push(...(await sql`select a from ${sql(name)}`).map(({ a }) => a));
  return [rows.length, new Set(rows).size];
}

/** Every row that goes into the table waits for whoever holds the gate, at once or at its COMMIT. */
export async function closeGate(
  { sql }: StoreFixture,
  table: string,
  at: "row" | "commit" = "row",
): Promise<Gate> {
  const trigger = at === "row"
    ? `trigger wait_at_gate before insert on "${table}"`
    : `constraint trigger wait_at_gate after insert on "${table}" deferrable initially deferred`;
  await sql.unsafe(`create function wait_at_gate() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock_shared(${GATE}); return new; end $$;
    create ${trigger} for each row execute function wait_at_gate()`);
  const holder = await sql.reserve();
  await holder`select pg_advisory_lock(${GATE})`;
  return {
    reached: async () => {
      await waitFor(
        async () =>
          (await sql`select from pg_locks where locktype = 'advisory' and objid = ${GATE}
          and not granted and database = (select oid from pg_database
            where datname = current_database())`).length > 0,
        {
          what: "a flush at the gate",
        },
      );
    },
    open: async () => {
      await holder`select pg_advisory_unlock(${GATE})`;
      holder.release();
    },
  };
}

/** Waits until so many wait for advisory locks. */
export async function waitForWaiting(sql: postgres.Sql, count: number): Promise<void> {
  await waitFor(
    async () => {
      const waiting = await sql`select from pg_locks where locktype = 'advisory' and not granted
        and database = (select oid from pg_database where datname = current_database())`;
      return waiting.length === count;
    },
    { what: `${count} to wait for advisory locks` },
  );
}

export interface Gate {
  /** Resolves once a row waits there. */
  readonly reached: () => Promise<void>;
  readonly open: () => Promise<void>;
}

export function knownOf(outcome: FlushOutcome): number[] {
  return committed(outcome).known.map(({ index }) => index);
}

export function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at);
}

/** A table `t` with messages 1 to `MANY` as spans. */
export async function writeSpans(fixture: StoreFixture): Promise<TableDescription> {
  const table = await tableOf(fixture);
  committed(await fixture.store.tables.write(flushOf(table, messagesFrom(1))));
  assert.deepEqual(await ledgerOf(fixture), [3, 0, MANY]);
  return table;
}

/** Another instance that may write spans as well, as messages 1 to `MANY` came to it, too. */
export async function openKnowing(
  fixture: StoreFixture,
  table: TableDescription,
): Promise<Store & AsyncDisposable> {
  const other = await openOther(fixture);
  const known = knownOf(await other.tables.write(flushOf(table, messagesFrom(1))));
  assert.deepEqual(known, numbers(0, MANY));
  return other;
}
