/** Which server a session ends up with, and what is said when there is none. */
import assert from "node:assert/strict";
import { startPostgres } from "../../../dev/servers/postgres_server.ts";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import type { Session } from "../../../lib/store/session.ts";
import { sharedPostgres, TEST_POSTGRES_SETTINGS } from "../../support/servers.ts";
import { openTestSession } from "./store_fixture.ts";

const server = await sharedPostgres();
const readOnly = await startPostgres({
  settings: { ...TEST_POSTGRES_SETTINGS, default_transaction_read_only: "on" },
  hbaLines: ["host all with_password 127.0.0.1/32 scram-sha-256"],
});

function dsn(ports: readonly number[], more = ""): string {
  const hosts = ports.map(() => "127.0.0.1").join(",");
  return `host=${hosts} port=${ports.join(",")} user=postgres dbname=postgres ${more}`;
}

async function portOf(session: Session): Promise<number | undefined> {
  const [row] = await session.queryOnce<{ port: number }>("SELECT inet_server_port() AS port");
  await session.close();
  return row?.port;
}

Deno.test("openSession() goes on to the next host when one cannot be reached", async () => {
  assert.equal(await portOf(await openTestSession(dsn([1, server.port]))), server.port);
});

Deno.test("openSession() takes the first host that is read-write when asked to", async () => {
  const ports = [readOnly.port, server.port];
  assert.equal(await portOf(await openTestSession(dsn(ports))), readOnly.port);
  const readWrite = await openTestSession(dsn(ports, "target_session_attrs=read-write"));
  assert.equal(await portOf(readWrite), server.port);
});

Deno.test("openSession() says why each host was refused", async () => {
  await assert.rejects(
    openTestSession(dsn([1, readOnly.port], "target_session_attrs=read-write")),
    (error) =>
      error instanceof StoreUnavailableError && /127\.0\.0\.1:1 .*; .*not read-write/.test(
        error.message,
      ),
  );
});

Deno.test("openSession() names the SQLSTATE and no password when the login is refused", async () => {
  const admin = await openTestSession(dsn([readOnly.port]));
  await admin.execute("SET default_transaction_read_only = off");
  await admin.execute("CREATE ROLE with_password LOGIN PASSWORD 'right-canary'");
  await admin.close();
  const target = dsn([readOnly.port]).replace("user=postgres", "user=with_password");
  await (await openTestSession(`${target} password=right-canary`)).close();
  await assert.rejects(
    openTestSession(`${target} password=wrong-canary`),
    (error) =>
      error instanceof StoreUnavailableError && error.sqlState === "28P01" &&
      !Deno.inspect(error).includes("canary"),
  );
});

Deno.test("openSession() passes unknown keywords on as startup parameters", async () => {
  const session = await openTestSession(dsn([server.port], "TimeZone=Asia/Tokyo"));
  const [row] = await session.queryOnce<{ zone: string }>(
    "SELECT current_setting('TimeZone') AS zone",
  );
  await session.close();
  assert.equal(row?.zone, "Asia/Tokyo");
});

// A server that accepts and closes at once would have the client library reconnect for ever.
Deno.test("openSession() fails when the server closes every connection at once", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = (async () => {
    for await (const connection of listener) connection.close();
  })();
  await assert.rejects(openTestSession(dsn([listener.addr.port])), StoreUnavailableError);
  listener.close();
  await accepting;
});

Deno.test("openSession() fails in time when the server never answers", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const target = dsn([listener.addr.port], "connect_timeout=1 sslmode=disable");
  const opening = assert.rejects(openTestSession(target), StoreUnavailableError);
  using connection = await listener.accept();
  await connection.read(new Uint8Array(1));
  await opening;
});
