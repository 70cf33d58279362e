import assert from "node:assert/strict";
import { sharedNats, uniqueName, waitFor } from "../../support/servers.ts";
import { coreRoute, Inbox, numbered, openOtherClient, openTestSource } from "./nats_setup.ts";

const server = await sharedNats();

Deno.test("CoreSource hands over what is published while it listens", async () => {
  const route = coreRoute();
  await using opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const inbox = new Inbox();
  inbox.onMessage = (message) => message.ack();
  opened.source.start(inbox.receive);
  await opened.connection.client.flush();
  for (const text of numbered(20)) other.client.publish(route.subject, text);
  await waitFor(() => inbox.taken.length === 20, { what: "20 messages" });
  assert.deepEqual(inbox.texts, numbered(20));
  assert.equal(inbox.taken[0]?.identity, null);
  assert.equal(inbox.taken[0]?.deliveryCount, 1);
});

Deno.test("CoreSource says that core NATS delivers at most once", async () => {
  await using opened = await openTestSource(server.url, coreRoute());
  assert.equal(opened.source.kind, "core");
  assert.equal(opened.source.limits, null);
  assert.equal(await opened.source.ackPending(), null);
  assert.ok(opened.log.has(/at most once/));
});

Deno.test("CoreSource shares its queue group", async () => {
  const route = coreRoute({ queue: uniqueName("queue") });
  await using one = await openTestSource(server.url, route);
  await using two = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const inboxes = [new Inbox(), new Inbox()] as const;
  one.source.start(inboxes[0].receive);
  two.source.start(inboxes[1].receive);
  await one.connection.client.flush();
  await two.connection.client.flush();
  for (const text of numbered(200)) other.client.publish(route.subject, text);
  await waitFor(() => inboxes[0].taken.length + inboxes[1].taken.length === 200, {
    what: "200 messages",
  });
  assert.ok(inboxes[0].taken.length > 0 && inboxes[1].taken.length > 0);
});

Deno.test("CoreSource listens to core NATS when jetstream_enabled is false", async () => {
  const route = coreRoute({ name: "stream", queue: "queue", jetstreamEnabled: false });
  await using opened = await openTestSource(server.url, route);
  assert.equal(opened.source.kind, "core");
});

Deno.test("CoreSource hands over what the server has sent when it is stopped", async () => {
  const route = coreRoute();
  await using opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const inbox = new Inbox();
  opened.source.start(inbox.receive);
  await opened.connection.client.flush();
  for (const text of numbered(500)) other.client.publish(route.subject, text);
  await other.client.flush();
  await opened.source.stop();
  assert.equal(inbox.taken.length, 500);
  other.client.publish(route.subject, "late");
  await other.client.flush();
  await opened.connection.client.flush();
  assert.equal(inbox.taken.length, 500);
});
