/** Roles with more and with fewer rights, and what the program says about it. */
import assert from "node:assert/strict";
import type postgres from "postgres";
import { parseDsn } from "../../../lib/config/dsn.ts";
import { ConfigurationError, TableUnavailableError } from "../../../lib/errors.ts";
import { openStore, type Store } from "../../../lib/store/store.ts";
import { createCatalog } from "../../../dev/servers/catalog.ts";
import {
  type FreshDatabase,
  freshDatabase,
  sharedPostgres,
  uniqueName,
} from "../../support/servers.ts";
import { describeTable, flushOf, named, openFixture, storeOptions } from "./store_fixture.ts";

const server = await sharedPostgres();

interface RoleFixture extends AsyncDisposable {
  readonly database: FreshDatabase;
  readonly sql: postgres.Sql;
  readonly role: string;
  open(): Promise<Store>;
}

/** A role without any right of its own, on a database with the catalog. */
async function setup(): Promise<RoleFixture> {
  const database = await freshDatabase(server);
  const { sql } = database;
  const role = uniqueName("role");
  await createCatalog(sql);
  await sql`create role ${sql(role)} login`;
  return {
    database,
    sql,
    role,
    open: () => {
      const { target, ...options } = storeOptions(database.dsn);
      return openStore({ ...options, target: { ...target, user: role } });
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await sql`drop owned by ${sql(role)}`;
      await sql`drop role ${sql(role)}`;
      await database[Symbol.asyncDispose]();
    },
  };
}

/** What a role needs that finds everything made. */
async function grantUse({ sql, role }: RoleFixture): Promise<void> {
  await sql.unsafe(`
    grant usage on schema state_tables to ${role};
    grant select on all tables in schema state_tables to ${role};
    grant update on state_tables.source, state_tables.rejected to ${role};
    grant delete on state_tables.rejected, state_tables.delivered, state_tables.delivered_span,
      state_tables.ack_floor to ${role};
    grant insert on state_tables.source, state_tables.ack_floor, state_tables.delivered,
      state_tables.delivered_span, state_tables.rejected, state_tables.schema_change to ${role};
    grant select on processor, processor_state to ${role};`);
}

Deno.test("openStore() says what is missing when the role may not create its schema", async () => {
  await using fixture = await setup();
  await assert.rejects(
    fixture.open(),
    (error) => error instanceof ConfigurationError && /CREATE on the database/.test(error.message),
  );
});

Deno.test("openStore() makes its schema when the role may", async () => {
  await using fixture = await setup();
  await fixture.sql.unsafe(`grant create on database ${fixture.database.name} to ${fixture.role}`);
  const store = await fixture.open();
  await store.close(1_000);
  const tables = await fixture.sql`select tablename from pg_tables
    where schemaname = 'state_tables' order by 1`;
  assert.deepEqual(tables.map(({ tablename }) => tablename), [
    "ack_floor",
    "delivered",
    "delivered_span",
    "rejected",
    "schema_change",
    "source",
    "version",
  ]);
});

Deno.test("openStore() lists the rights that are missing on what it finds", async () => {
  await using fixture = await setup();
  const { sql, role, database } = fixture;
  await (await openStore(storeOptions(database.dsn))).close(1_000);
  await sql.unsafe(`grant usage on schema state_tables to ${role};
    grant select on all tables in schema state_tables to ${role}`);
  await assert.rejects(
    fixture.open(),
    (error) =>
      error instanceof ConfigurationError && /INSERT on state_tables.delivered/.test(error.message),
  );
});

Deno.test("write() works for a role that may only insert", async () => {
  await using fixture = await setup();
  const { sql, role, database } = fixture;
  await (await openStore(storeOptions(database.dsn))).close(1_000);
  await grantUse(fixture);
  await sql.unsafe(`create table t (a int); grant insert on t to ${role}`);
  const store = await fixture.open();
  try {
    const table = await describeTable(store, "t");
    const flush = flushOf(table, [{ sequence: 1, rows: ["1", "x"] }]);
    const outcome = await store.tables.write(flush);
    assert.equal(outcome.kind === "committed" && outcome.rowsWritten, 1);
  } finally {
    await store.close(1_000);
  }
});

Deno.test("write() and change() say refused when the role may neither insert nor alter", async () => {
  await using fixture = await setup();
  const { sql, database } = fixture;
  await (await openStore(storeOptions(database.dsn))).close(1_000);
  await grantUse(fixture);
  await sql`create table t (a int)`;
  const store = await fixture.open();
  const isRefused = (error: unknown): boolean =>
    error instanceof TableUnavailableError && error.kind === "refused" &&
    error.sqlState === "42501";
  try {
    const table = await describeTable(store, "t");
    await assert.rejects(
      store.tables.write(flushOf(table, [{ sequence: 1, rows: ["1"] }])),
      isRefused,
    );
    const change = {
      columns: [],
      widenings: [],
      overflow: false,
      indexKeys: [],
      reason: "test",
      cause: null,
    } as const;
    const changed = await store.tables.change({
      ...change,
      table: named("t"),
      columns: [{ key: "b", type: "text" }],
      overflow: true,
    });
    assert.deepEqual(changed.table, table);
    const reason = "the role does not own the table";
    assert.deepEqual(changed.refused, [
      { kind: "column", name: "b", reason },
      { kind: "overflow", name: "_overflow", reason },
    ]);
    await assert.rejects(store.tables.change({ ...change, table: named("new") }), isRefused);
  } finally {
    await store.close(1_000);
  }
});

Deno.test("change() grants new tables to the roles named", async () => {
  await using roles = await setup();
  await using fixture = await openFixture(server, { tableGrants: [roles.role, "public"] });
  const { store, sql } = fixture;
  await store.tables.change({
    table: named("t"),
    columns: [],
    widenings: [],
    overflow: false,
    indexKeys: [],
    reason: "test",
    cause: null,
  });
  const grants = await sql`select grantee from information_schema.role_table_grants
    where table_name = 't' and privilege_type = 'SELECT'`;
  const grantees = grants.map(({ grantee }) => grantee);
  assert.ok(grantees.includes(roles.role) && grantees.includes("PUBLIC"));
  await sql`drop owned by ${sql(roles.role)}`;
});

Deno.test("openStore() names roles in TABLE_GRANTS that do not exist", async () => {
  await using database = await freshDatabase(server);
  await assert.rejects(
    openStore(storeOptions(database.dsn, { tableGrants: ["nobody_at_all"] })),
    (error) => error instanceof ConfigurationError && error.faults[0]?.key === "TABLE_GRANTS",
  );
});

Deno.test("openStore() says so when search_path names no schema", async () => {
  await using database = await freshDatabase(server);
  const target = parseDsn(`${database.dsn} search_path=nowhere`);
  await assert.rejects(
    openStore({ ...storeOptions(database.dsn), target }),
    (error) => error instanceof ConfigurationError && /search_path/.test(error.message),
  );
});

Deno.test("change() makes tables in the first schema of search_path", async () => {
  await using database = await freshDatabase(server);
  await database.sql`create schema "My Tables"`;
  const target = parseDsn(`${database.dsn} search_path='"My Tables",public'`);
  const store = await openStore({ ...storeOptions(database.dsn), target });
  try {
    const { table } = await store.tables.change({
      table: named("t"),
      columns: [{ key: "a", type: "text" }],
      widenings: [],
      overflow: false,
      indexKeys: ["a"],
      reason: "test",
      cause: null,
    });
    assert.equal(table.schema, "My Tables");
    await store.tables.write(flushOf(table, [{ sequence: 1, rows: ["x"] }]));
  } finally {
    await store.close(1_000);
  }
});

Deno.test("openStore() by eight instances at once makes the schema once", async () => {
  await using database = await freshDatabase(server);
  const stores = await Promise.all(
    Array.from({ length: 8 }, () => openStore(storeOptions(database.dsn))),
  );
  await Promise.all(stores.map((store) => store.close(1_000)));
  assert.equal((await database.sql`select from state_tables.version`).length, 1);
});

Deno.test("openStore() refuses tables that only newer programs can read", async () => {
  await using database = await freshDatabase(server);
  await (await openStore(storeOptions(database.dsn))).close(1_000);
  await database.sql`update state_tables.version set version = 9, readable_by = 3`;
  await (await openStore(storeOptions(database.dsn))).close(1_000);
  await database.sql`update state_tables.version set readable_by = 4`;
  await assert.rejects(openStore(storeOptions(database.dsn)), ConfigurationError);
});
