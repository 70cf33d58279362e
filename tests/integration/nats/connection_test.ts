import assert from "node:assert/strict";
import { startNats } from "../../../dev/servers/nats_server.ts";
import { nkeys } from "@nats-io/nats-core";
import { sharedNats, waitFor } from "../../support/servers.ts";
import {
  coreRoute,
  Inbox,
  numbered,
  openOtherClient,
  openTestConnection,
  openTestSource,
  openTestSourceOn,
  RecordedLog,
  streamRoute,
} from "./nats_setup.ts";

const server = await sharedNats();

const NO_SETTINGS = { credentials: null, caFile: null, certFile: null, keyFile: null };

/** A URL with user information in front of the server's address. */
function withUser(url: string, user: string): string {
  return url.replace("nats://", `nats://${user}@`);
}

Deno.test("openConnection() speaks WebSocket to ws:// servers", async () => {
  const route = streamRoute();
  await using opened = await openTestSource(server.websocketUrl ?? "", route);
  await using other = await openOtherClient(server.url);
  const inbox = new Inbox();
  inbox.onMessage = (message) => message.ack();
  opened.source.start(inbox.receive);
  await other.publish(route.subject, ...numbered(30));
  await waitFor(() => inbox.taken.length === 30, { what: "30 messages" });
});

Deno.test("openConnection() reconnects over what it connected with", async () => {
  await using webSocket = await openTestConnection(server.websocketUrl ?? "");
  await using tcp = await openTestConnection(server.url);
  for (const connection of [webSocket, tcp, webSocket]) {
    const reconnected = Promise.withResolvers<void>();
    using _listening = connection.onReconnect(reconnected.resolve);
    await connection.client.reconnect();
    await reconnected.promise;
    await connection.client.flush();
  }
});

Deno.test("openConnection() survives servers that reset the connection", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = (async (): Promise<void> => {
    for await (const conn of listener) {
      await conn.write(
        new TextEncoder().encode(
          'INFO {"version":"2.10.0"}\r\n-ERR \'Authorization Violation\'\r\n',
        ),
      );
      // What the client has sent is never read: closing resets the connection.
      conn.close();
    }
  })();
  const url = `nats://127.0.0.1:${listener.addr.port}`;
  for (let i = 0; i < 20; i++) await assert.rejects(openTestConnection(url), /Authorization/);
  listener.close();
  await accepting;
});

Deno.test("openConnection() takes the server of a list that is there", async () => {
  await using connection = await openTestConnection(["nats://127.0.0.1:1", server.url]);
  assert.equal(connection.isConnected, true);
});

Deno.test("openConnection() rejects with the addresses when no server is there", async () => {
  await assert.rejects(
    openTestConnection("nats://user:s3cret@127.0.0.1:1"),
    (error: Error) => {
      assert.match(error.message, /^Cannot connect to NATS at nats:\/\/127\.0\.0\.1:1 as /);
      assert.doesNotMatch(Deno.inspect(error), /s3cret/);
      return true;
    },
  );
});

Deno.test("openConnection() logs in with user and password, of URL or settings", async () => {
  await using own = await startNats({
    configLines: [`authorization { user: "me", password: "p@ss:word" }`],
  });
  await using _byUrl = await openTestConnection(withUser(own.url, "me:p%40ss%3Aword"));
  await using _bySettings = await openTestConnection(own.url, {
    settings: { ...NO_SETTINGS, credentials: { kind: "user", user: "me", password: "p@ss:word" } },
  });
  await assert.rejects(
    openTestConnection(withUser(own.url, "me:wr0ng")),
    (error: Error) =>
      /Authorization/i.test(error.message) && !Deno.inspect(error).includes("wr0ng"),
  );
});

Deno.test("openConnection() logs in with a token", async () => {
  await using own = await startNats({ configLines: [`authorization { token: "t0ken" }`] });
  await using _byUrl = await openTestConnection(withUser(own.url, "t0ken"));
  await using _bySettings = await openTestConnection(own.url, {
    settings: { ...NO_SETTINGS, credentials: { kind: "token", token: "t0ken" } },
  });
});

Deno.test("openConnection() logs in with an nkey's seed", async () => {
  const user = nkeys.createUser();
  await using own = await startNats({
    configLines: [`authorization { users: [ { nkey: ${user.getPublicKey()} } ] }`],
  });
  const seed = `${new TextDecoder().decode(user.getSeed())}\n`;
  await using _opened = await openTestConnection(own.url, {
    settings: { ...NO_SETTINGS, credentials: { kind: "nkey", seed } },
  });
});

Deno.test("openConnection() reads a credentials file at each connect", async () => {
  const user = nkeys.createUser();
  await using own = await startNats({
    configLines: [`authorization { users: [ { nkey: ${user.getPublicKey()} } ] }`],
  });
  const seed = new TextDecoder().decode(user.getSeed());
  // The server knows the key by itself and does not look at the JWT.
  const text = [
    "-----BEGIN NATS USER JWT-----",
    "e30.e30.e30",
    "------END NATS USER JWT------",
    "",
    "-----BEGIN USER NKEY SEED-----",
    seed,
    "------END USER NKEY SEED------",
    "",
  ].join("\n");
  const asked: string[] = [];
  await using connection = await openTestConnection(own.url, {
    settings: { ...NO_SETTINGS, credentials: { kind: "credentials-file", path: "user.creds" } },
    readFile: (path) => {
      asked.push(path);
      return text;
    },
  });
  const before = asked.length;
  assert.ok(before > 0 && asked.every((path) => path === "user.creds"));
  const reconnected = Promise.withResolvers<void>();
  using _listening = connection.onReconnect(reconnected.resolve);
  await connection.client.reconnect();
  await reconnected.promise;
  assert.ok(asked.length > before);
});

Deno.test("openConnection() does not use tls:// servers without TLS", async () => {
  await assert.rejects(
    openTestConnection(server.url.replace("nats://", "tls://")),
    /as the server does not support TLS/,
  );
});

Deno.test("a source works for a user who may do no more than it needs", async () => {
  const route = streamRoute();
  const { name, queue } = route;
  const mayPublish = [
    `$JS.API.STREAM.INFO.${name}`,
    `$JS.API.CONSUMER.INFO.${name}.${queue}`,
    `$JS.API.CONSUMER.MSG.NEXT.${name}.${queue}`,
    `$JS.ACK.${name}.${queue}.>`,
    `$JS.ACK.*.*.${name}.${queue}.>`,
  ].map((subject) => `"${subject}"`).join(", ");
  await using own = await startNats({
    configLines: [
      `authorization { users: [
        { user: "admin", password: "admin" },
        { user: "worker", password: "worker", permissions: {
            publish: { allow: [${mayPublish}] }, subscribe: { allow: ["_INBOXworker.>"] } } }
      ] }`,
    ],
  });
  await using admin = await openTestSource(withUser(own.url, "admin:admin"), route);
  await admin.connection.client.request(route.subject, "a");
  await using connection = await openTestConnection(withUser(own.url, "worker:worker"), {
    inboxPrefix: "_INBOXworker",
  });
  const inbox = new Inbox();
  inbox.onMessage = (message) => message.ack();
  const source = await openTestSourceOn(connection, route);
  await using _open = source;
  source.start(inbox.receive);
  await waitFor(() => inbox.taken.length === 1, { what: "the message" });
  await waitFor(async () => await source.ackPending() === 0, { what: "the ack" });
  const denied = { ...route, queue: "denied" };
  await assert.rejects(
    openTestSourceOn(connection, denied),
    /the NATS user may not publish to '\$JS\.API/,
  );
});

Deno.test("a subscription that the server refuses shows in health()", async () => {
  await using own = await startNats({
    configLines: [
      `authorization { users: [ { user: "me", password: "me", permissions: {
          publish: { allow: [">"] }, subscribe: { allow: ["_INBOX.>"] } } } ] }`,
    ],
  });
  await using opened = await openTestSource(withUser(own.url, "me:me"), coreRoute());
  opened.source.start(() => {});
  const health = await waitFor(() => opened.source.health(), { what: "the refusal" });
  assert.match(health, /NATS ended the subscription/);
});

Deno.test("disposing a connection twice is the same as once", async () => {
  const log = new RecordedLog();
  const connection = await openTestConnection(server.url, { log });
  await connection[Symbol.asyncDispose]();
  await connection[Symbol.asyncDispose]();
  assert.equal(connection.isConnected, false);
  assert.deepEqual(log.lines, []);
});
