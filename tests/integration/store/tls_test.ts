/**
 * `sslmode` as libpq means it, against a server with a certificate for `localhost` (and not for
 * 127.0.0.1) that asks one role for a client certificate. The certificates in `certificates/` are for
 * this test alone and are valid for a hundred years.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type PostgresServer, startPostgres } from "../../../dev/servers/postgres_server.ts";
import { parseDsn } from "../../../lib/config/dsn.ts";
import { ConfigurationError, StoreUnavailableError } from "../../../lib/errors.ts";
import type { Flush } from "../../../lib/ingest/ports.ts";
import { openStore, type Store } from "../../../lib/store/store.ts";
import postgres from "postgres";
import { TEST_POSTGRES_SETTINGS, waitFor } from "../../support/servers.ts";
import { committed, describeTable, flushOf, openFixture, storeOptions } from "./store_fixture.ts";

const FOLDER = fileURLToPath(new URL("certificates", import.meta.url));
const ROOT = join(FOLDER, "root.crt");
const OTHER_ROOT = join(FOLDER, "other_root.crt");
const CLIENT = `sslcert=${join(FOLDER, "client.crt")} sslkey=${join(FOLDER, "client.key")}`;

const plain = await startPostgres({ settings: TEST_POSTGRES_SETTINGS });
const secure = await startPostgres({
  settings: { ...TEST_POSTGRES_SETTINGS, listen_addresses: "127.0.0.1" },
  hbaLines: [
    "hostnossl all only_tls 127.0.0.1/32 reject",
    "hostssl all only_plain 127.0.0.1/32 reject",
    "hostssl all with_certificate 127.0.0.1/32 trust clientcert=verify-ca",
  ],
});
await turnTlsOn(secure);

/** The key must belong to the server's user, and a checkout keeps neither owner nor mode. */
async function turnTlsOn(server: PostgresServer): Promise<void> {
  const { uid, gid } = await Deno.stat(server.dataDir);
  for (const name of ["server.crt", "server.key", "root.crt"]) {
    const copy = join(server.dataDir, name);
    await Deno.copyFile(join(FOLDER, name), copy);
    await Deno.chmod(copy, 0o600);
    if (uid !== null && gid !== null) await Deno.chown(copy, uid, gid);
  }
  const sql = postgres(server.url(), { max: 1, onnotice: () => {} });
  for (const role of ["only_tls", "only_plain", "with_certificate"]) {
    await sql`create role ${sql(role)} superuser login`;
  }
  await sql`alter system set ssl_ca_file = 'root.crt'`;
  await sql`alter system set ssl = on`;
  await sql`select pg_reload_conf()`;
  await waitFor(async () => (await sql`show ssl`)[0]?.ssl === "on", { what: "ssl = on" });
  await sql.end();
}

/** Opens a store and says whether its connection is encrypted. */
async function connect(server: PostgresServer, keywords: string): Promise<boolean> {
  const dsn = `host=localhost port=${server.port} user=postgres dbname=postgres ${keywords}`;
  let store: Store | null = null;
  try {
    store = await openStore({ ...storeOptions(server.dsn()), target: parseDsn(dsn) });
    const sql = postgres(server.url(), { max: 1 });
    const rows = await sql`select ssl from pg_stat_ssl join pg_stat_activity using (pid)
      where application_name = ${parseDsn(dsn).applicationName}`;
    await sql.end();
    return rows[0]?.ssl === true;
  } finally {
    await store?.close(1_000);
  }
}

for (
  const [keywords, isEncrypted] of [
    ["sslmode=disable", false],
    ["sslmode=allow", false],
    ["sslmode=prefer", true],
    ["", true],
    ["sslmode=require", true],
    [`sslmode=require sslrootcert=${ROOT}`, true],
    [`sslmode=verify-ca sslrootcert=${ROOT}`, true],
    [`sslmode=verify-ca sslrootcert=${ROOT} host=127.0.0.1`, true],
    [`sslmode=verify-full sslrootcert=${ROOT}`, true],
    [`sslmode=verify-full sslrootcert=${ROOT} ${CLIENT} user=with_certificate`, true],
    ["sslmode=allow user=only_tls", true],
    ["sslmode=prefer user=only_plain", false],
  ] as const
) {
  const name = keywords.replaceAll(`${FOLDER}/`, "");
  Deno.test(`openStore() connects ${isEncrypted ? "with" : "without"} TLS when "${name}"`, async () => {
    assert.equal(await connect(secure, keywords), isEncrypted);
  });
}

for (
  const [keywords, reason] of [
    [`sslmode=require sslrootcert=${OTHER_ROOT}`, /TLS says/],
    [`sslmode=verify-ca sslrootcert=${OTHER_ROOT}`, /TLS says/],
    [`sslmode=verify-full sslrootcert=${OTHER_ROOT}`, /TLS says/],
    [`sslmode=verify-full sslrootcert=${ROOT} host=127.0.0.1`, /TLS says/],
    ["sslmode=verify-full sslrootcert=system", /TLS says/],
    ["sslmode=require user=only_plain", /rejects connection/],
    ["sslmode=disable user=only_tls", /rejects connection/],
    [`sslmode=verify-full sslrootcert=${ROOT} user=with_certificate`, /certificate/],
  ] as const
) {
  const name = keywords.replaceAll(`${FOLDER}/`, "");
  Deno.test(`openStore() refuses to connect when "${name}"`, async () => {
    await assert.rejects(
      connect(secure, keywords),
      (error) => error instanceof StoreUnavailableError && reason.test(error.message),
    );
  });
}

for (
  const [keywords, works] of [
    ["sslmode=prefer", true],
    ["sslmode=allow", true],
    ["sslmode=require", false],
    [`sslmode=verify-full sslrootcert=${ROOT}`, false],
  ] as const
) {
  const name = keywords.replaceAll(`${FOLDER}/`, "");
  Deno.test(`openStore() ${works ? "connects" : "refuses"} without TLS when "${name}"`, async () => {
    if (works) assert.equal(await connect(plain, keywords), false);
    else await assert.rejects(connect(plain, keywords), /offers no TLS/);
  });
}

Deno.test("openStore() names the certificate file that cannot be read", async () => {
  await assert.rejects(
    connect(secure, "sslmode=verify-full sslrootcert=/nowhere.crt"),
    (error) => error instanceof ConfigurationError && /sslrootcert/.test(error.message),
  );
});

/** A store with one connection, which is encrypted, and a client of its database. */
async function openOverTls(
  resources: AsyncDisposableStack,
): Promise<{ readonly sql: postgres.Sql; readonly store: Store }> {
  const tls = `host=localhost port=${secure.port} user=postgres`;
  const { sql, database } = resources.use(await openFixture(secure));
  const dsn = `${tls} dbname=${database.name} sslmode=verify-full sslrootcert=${ROOT}`;
  const options = storeOptions(database.dsn, { pool: { openMax: 1 } });
  const store = resources.adopt(
    await openStore({ ...options, target: parseDsn(dsn) }),
    (opened) => opened.close(1_000),
  );
  return { sql, store };
}

Deno.test("write() sends rows together with their query over TLS", async () => {
  await using resources = new AsyncDisposableStack();
  const { sql, store } = await openOverTls(resources);
  await sql`create table t (a text)`;
  const table = await describeTable(store, "t");
  // One TLS record has 16 KiB at most.
  const texts = [1, 1_000, 60_000, 1, 200_000, 1].map((length, n) => String(n).repeat(length));
  for (const [n, text] of texts.entries()) {
    const flush = flushOf(table, [{ sequence: n + 1, rows: [text] }]);
    // The second time it is known, and the data that went ahead is dropped.
    for (const rows of [1, 0]) {
      assert.equal(committed(await store.tables.write(flush)).rowsWritten, rows);
    }
  }
  assert.deepEqual((await sql`select a from t order by ctid`).map(({ a }) => a), texts);
});

Deno.test("write() lets flushes share a transaction over TLS", async () => {
  await using resources = new AsyncDisposableStack();
  const { sql, store } = await openOverTls(resources);
  // Nearly as large as rows that share a transaction may be, so more than one TLS record.
  const text = "x".repeat(60_000);
  const flushes: Flush[] = [];
  for (const number of [1, 2, 3, 4]) {
    await sql.unsafe(`create table t${number} (a text)`);
    const table = await describeTable(store, `t${number}`);
    flushes.push(flushOf(table, [{ sequence: number, rows: [`${number}${text}`] }]));
  }
  await Promise.all(flushes.map((flush) => store.tables.write(flush)));
  const rows = await sql`select a = 1 || ${text} as "isWhole", xmin::text from t1
    union all select a = 2 || ${text}, xmin::text from t2
    union all select a = 3 || ${text}, xmin::text from t3
    union all select a = 4 || ${text}, xmin::text from t4`;
  assert.deepEqual(rows.map(({ isWhole }) => isWhole), [true, true, true, true]);
  // The first is written by itself, at once; the others go together.
  assert.equal(new Set(rows.map(({ xmin }) => xmin)).size, 2);
});
