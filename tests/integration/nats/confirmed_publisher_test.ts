/** Publishing with confirmation, on a real server. */
import assert from "node:assert/strict";
import { systemClock } from "../../../lib/clock.ts";
import { JetStreamApiError, jetstreamManager } from "@nats-io/jetstream";
import { PermissionViolationError } from "@nats-io/nats-core";
import { ConfirmedPublisher } from "../../../lib/nats/confirmed_publisher.ts";
import type { Connection } from "../../../lib/nats/connection.ts";
import { startNats } from "../../../dev/servers/nats_server.ts";
import { sharedNats, uniqueName, waitFor } from "../../support/servers.ts";
import { openOtherClient, openTestConnection } from "./nats_setup.ts";

const server = await sharedNats();

const PAYLOAD = new TextEncoder().encode('{"a":"ü"}');

/** A stream with one subject, and a client that may do everything. */
async function openStream(
  url: string,
  config: { readonly max_msgs?: number; readonly discard?: "new"; readonly no_ack?: boolean } = {},
): Promise<Awaited<ReturnType<typeof openOtherClient>> & { name: string; subject: string }> {
  const other = await openOtherClient(url);
  const name = uniqueName("confirmed");
  const subject = `${name}.in`;
  await other.api.streams.add({ name, subjects: [subject], ...config as object });
  return { ...other, name, subject };
}

function publisherOn(
  connection: Connection,
  subject: string,
  timeoutMs = 5_000,
): ConfirmedPublisher {
  return new ConfirmedPublisher({ connection, subject, timeoutMs, clock: systemClock });
}

Deno.test("publish() resolves when the stream has the message, with its id or without", async () => {
  await using stream = await openStream(server.url);
  await using connection = await openTestConnection(server.url);
  using publisher = publisherOn(connection, stream.subject);
  await publisher.publish(PAYLOAD, "id");
  await publisher.publish(PAYLOAD, "id");
  await publisher.publish(PAYLOAD, null);
  assert.equal((await stream.api.streams.info(stream.name)).state.messages, 2);
  const stored = await stream.api.streams.getMessage(stream.name, { seq: 1 });
  assert.equal(stored?.string(), '{"a":"ü"}');
  assert.equal(stored?.header.get("Nats-Msg-Id"), "id");
});

Deno.test("publish() confirms each of many at once, in their order", async () => {
  await using stream = await openStream(server.url);
  await using connection = await openTestConnection(server.url);
  using publisher = publisherOn(connection, stream.subject);
  const ids = Array.from({ length: 5_000 }, (_, index) => `id ${index}`);
  await Promise.all(ids.map((id) => publisher.publish(PAYLOAD, id)));
  assert.equal((await stream.api.streams.info(stream.name)).state.messages, 5_000);
  const last = await stream.api.streams.getMessage(stream.name, { seq: 5_000 });
  assert.equal(last?.header.get("Nats-Msg-Id"), "id 4999");
});

Deno.test("publish() rejects when no stream takes the subject", async () => {
  await using connection = await openTestConnection(server.url);
  using publisher = publisherOn(connection, uniqueName("nobody"));
  await assert.rejects(publisher.publish(PAYLOAD, "id"), /^Error: no stream takes 'nobody/);
});

Deno.test("publish() rejects with what the stream says when it is full, and goes on", async () => {
  await using stream = await openStream(server.url, { max_msgs: 1, discard: "new" });
  await using connection = await openTestConnection(server.url);
  using publisher = publisherOn(connection, stream.subject);
  await publisher.publish(PAYLOAD, "1");
  await assert.rejects(
    publisher.publish(PAYLOAD, "2"),
    (error) => error instanceof JetStreamApiError && /maximum messages/.test(error.message),
  );
  await stream.api.streams.purge(stream.name);
  await publisher.publish(PAYLOAD, "3");
});

Deno.test("publish() rejects when no confirmation comes in time", async () => {
  await using stream = await openStream(server.url, { no_ack: true });
  await using connection = await openTestConnection(server.url);
  using publisher = publisherOn(connection, stream.subject, 200);
  await assert.rejects(publisher.publish(PAYLOAD, "id"), /did not confirm it within 200 ms/);
  await waitFor(
    async () => (await stream.api.streams.info(stream.name)).state.messages === 1,
    { what: "the message" },
  );
});

Deno.test("publish() rejects when the answer is no confirmation", async () => {
  await using other = await openOtherClient(server.url);
  await using connection = await openTestConnection(server.url);
  const subject = uniqueName("liar");
  const answers = ["", "{}", "hello", '{"stream":""}', "null"];
  other.client.subscribe(subject, {
    callback: (_error, message) => void message.respond(answers.shift()),
  });
  await other.client.flush();
  using publisher = publisherOn(connection, subject);
  for (let left = answers.length; left > 0; left--) {
    await assert.rejects(publisher.publish(PAYLOAD, null), /the answer is no confirmation/);
  }
});

Deno.test("publish() rejects at once when the user may not publish, or not hear the answer", async () => {
  const user = (name: string, permissions: string): string =>
    `{ user: "${name}", password: "secret", permissions: { ${permissions} } }`;
  await using own = await startNats({
    configLines: [
      `authorization { users: [
        { user: "admin", password: "secret" },
        ${user("mute", 'publish: { deny: [">"] }, subscribe: { allow: [">"] }')},
        ${user("deaf", 'publish: { allow: [">"] }, subscribe: { deny: ["_INBOX.>"] }')}
      ] }`,
    ],
  });
  const as = (name: string): string => own.url.replace("nats://", `nats://${name}:secret@`);
  await using admin = await openTestConnection(as("admin"));
  const subject = uniqueName("guarded");
  const manager = await jetstreamManager(admin.client);
  await manager.streams.add({ name: subject, subjects: [subject] });
  for (const name of ["mute", "deaf"]) {
    await using connection = await openTestConnection(as(name));
    using publisher = publisherOn(connection, subject, 60_000);
    for (let time = 1; time <= 2; time++) {
      await assert.rejects(publisher.publish(PAYLOAD, null), PermissionViolationError);
    }
  }
});

Deno.test("publish() rejects what the connection may have lost once that is back, and goes on", async () => {
  await using own = await startNats();
  await using stream = await openStream(own.url);
  await using connection = await openTestConnection(own.url);
  using publisher = publisherOn(connection, stream.subject, 60_000);
  await publisher.publish(PAYLOAD, "1");
  const reconnecting = connection.client.reconnect();
  await assert.rejects(publisher.publish(PAYLOAD, "2"), /the connection was lost/);
  await reconnecting;
  await publisher.publish(PAYLOAD, "2");
  assert.equal((await stream.api.streams.info(stream.name)).state.messages, 2);
});

Deno.test("a publisher that is closed waits for nothing any more", async () => {
  await using stream = await openStream(server.url, { no_ack: true });
  await using connection = await openTestConnection(server.url);
  const publisher = publisherOn(connection, stream.subject, 60_000);
  const failed = assert.rejects(publisher.publish(PAYLOAD, "id"), /the publisher was closed/);
  publisher[Symbol.dispose]();
  await failed;
});
