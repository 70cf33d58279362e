import assert from "node:assert/strict";
import { sharedNats, uniqueName, waitFor } from "../../support/servers.ts";
import type { OtherClient } from "./nats_setup.ts";
import { Inbox, numbered, openOtherClient, openTestSource, streamRoute } from "./nats_setup.ts";
import type { StreamRoute } from "../../../lib/nats/stream_route.ts";
import type { ConsumerConfig } from "@nats-io/jetstream";

const server = await sharedNats();

/** Makes stream and push durable as the Go service's client does. */
async function makePushDurable(
  other: OtherClient,
  route: StreamRoute,
  overrides: Partial<ConsumerConfig> = {},
): Promise<void> {
  await other.api.streams.add({ name: route.name, subjects: [route.subject] });
  await addPushDurable(other, route, overrides);
}

async function addPushDurable(
  other: OtherClient,
  route: StreamRoute,
  overrides: Partial<ConsumerConfig> = {},
): Promise<void> {
  await other.api.consumers.add(route.name, {
    durable_name: route.queue,
    ack_policy: "explicit",
    deliver_subject: `_INBOX.${uniqueName("go")}`,
    deliver_group: route.queue,
    filter_subject: route.subject,
    ...overrides,
  });
}

Deno.test("PushSource reads a push durable that another client made", async () => {
  const route = streamRoute();
  await using other = await openOtherClient(server.url);
  await makePushDurable(other, route);
  await using opened = await openTestSource(server.url, route);
  assert.equal(opened.source.kind, "push");
  assert.equal(opened.source.canPause, false);
  const inbox = new Inbox();
  inbox.onMessage = (message) => message.ack();
  opened.source.start(inbox.receive);
  await other.publish(route.subject, ...numbered(30));
  await waitFor(() => inbox.taken.length === 30, { what: "30 messages" });
  assert.deepEqual(inbox.texts, numbered(30));
  assert.equal(inbox.taken[0]?.identity?.origin.consumer, route.queue);
  await waitFor(async () => await opened.source.ackPending() === 0, { what: "all acks" });
});

Deno.test("PushSource shares the deliver group with the client that made the durable", async () => {
  const route = streamRoute();
  await using other = await openOtherClient(server.url);
  const deliver_subject = `_INBOX.${uniqueName("go")}`;
  await makePushDurable(other, route, { deliver_subject });
  let theirs = 0;
  other.client.subscribe(deliver_subject, {
    queue: route.queue,
    callback: (_error, message) => {
      theirs++;
      message.respond("+ACK");
    },
  });
  await using opened = await openTestSource(server.url, route);
  const inbox = new Inbox();
  inbox.onMessage = (message) => message.ack();
  opened.source.start(inbox.receive);
  await other.publish(route.subject, ...numbered(200));
  await waitFor(() => inbox.taken.length + theirs === 200, { what: "200 messages" });
  assert.ok(inbox.taken.length > 0 && theirs > 0);
});

Deno.test("PushSource answers flow control", async () => {
  const route = streamRoute();
  await using other = await openOtherClient(server.url);
  await makePushDurable(other, route);
  await other.api.consumers.delete(route.name, route.queue);
  // The client's own API forbids flow control; the server wants it without a group.
  const config = {
    durable_name: route.queue,
    ack_policy: "explicit",
    deliver_policy: "all",
    replay_policy: "instant",
    deliver_subject: `_INBOX.${uniqueName("flow")}`,
    flow_control: true,
    idle_heartbeat: 5e8,
    max_ack_pending: 10_000,
  };
  await other.client.request(
    `$JS.API.CONSUMER.DURABLE.CREATE.${route.name}.${route.queue}`,
    JSON.stringify({ stream_name: route.name, config }),
  );
  await using opened = await openTestSource(server.url, route);
  assert.ok(opened.log.has(/has no deliver group/));
  const inbox = new Inbox();
  inbox.onMessage = (message) => message.ack();
  const large = "x".repeat(60_000);
  for (let i = 0; i < 200; i++) other.client.publish(route.subject, large);
  opened.source.start(inbox.receive);
  // Far more than the server sends without an answer.
  await waitFor(() => inbox.taken.length === 200, { what: "12 MB of messages" });
});

Deno.test("PushSource creates a push durable when the route says push", async () => {
  const route = streamRoute({ mode: "push" });
  await using opened = await openTestSource(server.url, route);
  await using second = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const { config } = await other.api.consumers.info(route.name, route.queue);
  assert.equal(config.deliver_group, route.queue);
  assert.match(config.deliver_subject ?? "", /^_INBOX\./);
  const inbox = new Inbox();
  inbox.onMessage = (message) => message.ack();
  opened.source.start(inbox.receive);
  second.source.start(inbox.receive);
  await other.publish(route.subject, ...numbered(20));
  await waitFor(() => inbox.taken.length === 20, { what: "20 messages" });
});

Deno.test("PushSource hands nothing over after stop, and gives back what came late", async () => {
  const route = streamRoute();
  await using other = await openOtherClient(server.url);
  // A message on its way at the very moment of the stop comes again when ack_wait is over.
  await makePushDurable(other, route, { ack_wait: 2e9 });
  await using opened = await openTestSource(server.url, route);
  const settlements: string[] = [];
  other.client.subscribe(`$JS.ACK.${route.name}.>`, {
    callback: (_error, message) => void settlements.push(message.string()),
  });
  await other.publish(route.subject, ...numbered(300));
  const inbox = new Inbox();
  const stopped = Promise.withResolvers<void>();
  inbox.onMessage = (message) => {
    message.ack();
    if (inbox.taken.length === 10) opened.source.stop().then(stopped.resolve, stopped.reject);
  };
  opened.source.start(inbox.receive);
  await stopped.promise;
  await waitFor(() => settlements.includes("-NAK"), { what: "messages given back" });
  await using next = await openTestSource(server.url, route);
  const rest = new Inbox();
  rest.onMessage = (message) => message.ack();
  next.source.start(rest.receive);
  await waitFor(() => new Set([...inbox.texts, ...rest.texts]).size === 300, { what: "the rest" });
  assert.deepEqual(inbox.texts, numbered(10));
});

Deno.test("PushSource attaches again when the durable was deleted and made anew", async () => {
  const route = streamRoute();
  await using other = await openOtherClient(server.url);
  await makePushDurable(other, route);
  await using opened = await openTestSource(server.url, route);
  const inbox = new Inbox();
  inbox.onMessage = (message) => message.ack();
  opened.source.start(inbox.receive);
  await other.publish(route.subject, "a");
  await waitFor(() => inbox.taken.length === 1, { what: "the first message" });
  await other.api.consumers.delete(route.name, route.queue);
  await addPushDurable(other, route);
  await opened.connection.client.reconnect();
  await waitFor(() => inbox.taken.length === 2, { what: "the same message again" });
  const [first, second] = inbox.taken.map(({ identity }) => identity?.origin);
  assert.equal(first?.created, second?.created);
  assert.notEqual(first?.consumerCreated, second?.consumerCreated);
});
