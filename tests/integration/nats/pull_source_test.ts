import assert from "node:assert/strict";
import { type MessageIdentity, storedNs } from "../../../lib/ingest/delivery.ts";
import { sharedNats, waitFor } from "../../support/servers.ts";
import { Inbox, numbered, openOtherClient, openTestSource, streamRoute } from "./nats_setup.ts";

const server = await sharedNats();

function identityOf(inbox: Inbox, index: number): MessageIdentity {
  const identity = inbox.taken[index]?.identity;
  assert.ok(identity);
  return identity;
}

Deno.test("PullSource hands messages over in stream order", async () => {
  const route = streamRoute();
  await using opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const inbox = new Inbox();
  opened.source.start(inbox.receive);
  await other.publish(route.subject, ...numbered(50));
  await waitFor(() => inbox.taken.length >= 50, { what: "50 messages" });
  assert.deepEqual(inbox.texts, numbered(50));
  assert.equal(opened.source.kind, "pull");
});

Deno.test("PullSource names messages as the server stored them", async () => {
  const route = streamRoute();
  await using opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const inbox = new Inbox();
  opened.source.start(inbox.receive);
  await other.publish(route.subject, "a", "b");
  await waitFor(() => inbox.taken.length === 2, { what: "two messages" });
  const { origin, sequence, storedFraction } = identityOf(inbox, 1);
  const stream = await other.api.streams.info(route.name);
  const consumer = await other.api.consumers.info(route.name, route.queue);
  assert.deepEqual(origin, {
    consumer: route.queue,
    filter: route.subject,
    stream: route.name,
    created: stream.created,
    consumerCreated: consumer.created,
  });
  assert.equal(sequence, 2);
  const stored = await other.api.streams.getMessage(route.name, { seq: 2 });
  const nanoseconds = /\.(\d+)/.exec(stored?.timestamp ?? "")?.[1]?.padEnd(9, "0");
  assert.equal(storedFraction, Number(nanoseconds));
});

Deno.test("PullSource acks so that the consumer owes nothing", async () => {
  const route = streamRoute();
  await using opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const inbox = new Inbox();
  opened.source.start(inbox.receive);
  await other.publish(route.subject, ...numbered(10));
  await waitFor(() => inbox.taken.length === 10, { what: "ten messages" });
  assert.equal(await opened.source.ackPending(), 10);
  for (const { message } of inbox.taken) message.ack();
  await waitFor(async () => await opened.source.ackPending() === 0, { what: "all acks" });
});

Deno.test("PullSource gets a message again after its nak delay, counted", async () => {
  const route = streamRoute();
  await using opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const inbox = new Inbox();
  inbox.onMessage = (message) => message.deliveryCount === 1 ? message.nak(20) : message.ack();
  opened.source.start(inbox.receive);
  await other.publish(route.subject, "a");
  await waitFor(() => inbox.taken.length === 2, { what: "the redelivery" });
  assert.deepEqual(inbox.taken.map(({ deliveryCount }) => deliveryCount), [1, 2]);
  assert.deepEqual(storedNs(identityOf(inbox, 0)), storedNs(identityOf(inbox, 1)));
});

Deno.test("PullSource asks for little where there is no room for more", async () => {
  const route = streamRoute();
  await using opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  for (const text of numbered(4_000)) other.client.publish(route.subject, text);
  await other.client.flush();
  const inbox = new Inbox();
  inbox.onMessage = () => opened.source.pause();
  opened.source.start(inbox.receive, () => 0);
  await waitFor(() => inbox.taken.length === 2_000, { what: "what was asked for" });
  assert.equal(await opened.source.ackPending(), 2_000);
});

Deno.test("PullSource never gets a message again after term", async () => {
  const route = streamRoute({ ackWaitMs: 100 });
  await using opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const inbox = new Inbox();
  inbox.onMessage = (message) => message.identity?.sequence === 1 ? message.term() : undefined;
  opened.source.start(inbox.receive);
  await other.publish(route.subject, "terminated", "left alone");
  // The second comes again and again, so the first would have come as well.
  await waitFor(() => inbox.texts.filter((text) => text === "left alone").length >= 3, {
    what: "redeliveries",
  });
  assert.equal(inbox.texts.filter((text) => text === "terminated").length, 1);
});

Deno.test("PullSource keeps a message that is extended", async () => {
  const route = streamRoute({ ackWaitMs: 600 });
  await using opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const inbox = new Inbox();
  opened.source.start(inbox.receive);
  await other.publish(route.subject, "extended", "left alone");
  const extending = setInterval(() => {
    inbox.taken.find(({ text }) => text === "extended")?.message.extend();
  }, 100);
  await waitFor(() => inbox.texts.filter((text) => text === "left alone").length >= 3, {
    what: "redeliveries",
  });
  clearInterval(extending);
  assert.equal(inbox.texts.filter((text) => text === "extended").length, 1);
});

Deno.test("PullSource owes no more than its bound while paused, and goes on when resumed", async () => {
  const route = streamRoute();
  await using opened = await openTestSource(server.url, route, { pullMessagesMax: 60 });
  await using other = await openOtherClient(server.url);
  await other.publish(route.subject, ...numbered(300));
  const inbox = new Inbox();
  inbox.onMessage = () => {
    if (inbox.taken.length === 100) opened.source.pause();
  };
  opened.source.start(inbox.receive);
  await waitFor(async () => {
    const pending = await opened.source.ackPending();
    return inbox.taken.length >= 100 && pending === inbox.taken.length;
  }, { what: "what was asked for" });
  // The server has answered after everything that it sent before.
  assert.ok(inbox.taken.length <= 160, `${inbox.taken.length} messages`);
  opened.source.resume();
  await waitFor(() => inbox.taken.length === 300, { what: "the rest" });
});

Deno.test("PullSource honours batch_size", async () => {
  const route = streamRoute({ batchSize: 3 });
  await using opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const inbox = new Inbox();
  opened.source.start(inbox.receive);
  const waiting = await waitFor(async () => {
    const { num_waiting } = await other.api.consumers.info(route.name, route.queue);
    return num_waiting > 0 ? num_waiting : null;
  }, { what: "requests" });
  assert.ok(waiting <= 8, `${waiting} requests`);
  await other.publish(route.subject, ...numbered(100));
  await waitFor(() => inbox.taken.length === 100, { what: "100 messages" });
});

Deno.test("PullSource gets a message that is larger than its byte bound", async () => {
  const route = streamRoute();
  await using opened = await openTestSource(server.url, route, { pullBytesMax: 20_000 });
  await using other = await openOtherClient(server.url);
  const inbox = new Inbox();
  const large = "x".repeat(500_000);
  await other.publish(route.subject, "before", large, large, "after");
  opened.source.start(inbox.receive);
  await waitFor(() => inbox.taken.length === 4, { what: "all messages" });
  assert.deepEqual(inbox.texts, ["before", large, large, "after"]);
});

Deno.test("PullSource hands a message with an empty payload over", async () => {
  const route = streamRoute();
  await using opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const inbox = new Inbox();
  opened.source.start(inbox.receive);
  await other.publish(route.subject, "", "b");
  await waitFor(() => inbox.taken.length === 2, { what: "two messages" });
  assert.deepEqual(inbox.texts, ["", "b"]);
});

Deno.test("PullSource hands nothing over after stop, and gives back what came late", async () => {
  // A message on its way at the very moment of the stop comes again when ack_wait is over.
  const route = streamRoute({ ackWaitMs: 2_000 });
  await using other = await openOtherClient(server.url);
  await using opened = await openTestSource(server.url, route);
  const settlements: string[] = [];
  other.client.subscribe(`$JS.ACK.${route.name}.>`, {
    callback: (_error, message) => void settlements.push(message.string()),
  });
  await other.publish(route.subject, ...numbered(500));
  const inbox = new Inbox();
  const stopped = Promise.withResolvers<void>();
  inbox.onMessage = (message) => {
    message.ack();
    if (inbox.taken.length === 20) opened.source.stop().then(stopped.resolve, stopped.reject);
  };
  opened.source.start(inbox.receive);
  await stopped.promise;
  await waitFor(() => settlements.includes("-NAK"), { what: "messages given back" });
  await using next = await openTestSource(server.url, route);
  const rest = new Inbox();
  rest.onMessage = (message) => message.ack();
  next.source.start(rest.receive);
  await waitFor(() => new Set([...inbox.texts, ...rest.texts]).size === 500, { what: "the rest" });
  assert.deepEqual(inbox.texts, numbered(20));
});

Deno.test("PullSource settles messages after stop", async () => {
  const route = streamRoute();
  await using opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const inbox = new Inbox();
  opened.source.start(inbox.receive);
  await other.publish(route.subject, "a");
  await waitFor(() => inbox.taken.length === 1, { what: "the message" });
  await opened.source.stop();
  inbox.taken[0]?.message.ack();
  await waitFor(async () => await opened.source.ackPending() === 0, { what: "the ack" });
});

Deno.test("PullSource shares a durable with another instance", async () => {
  const route = streamRoute();
  await using one = await openTestSource(server.url, route, { pullMessagesMax: 30 });
  await using two = await openTestSource(server.url, route, { pullMessagesMax: 30 });
  await using other = await openOtherClient(server.url);
  const inboxes = [new Inbox(), new Inbox()] as const;
  for (const inbox of inboxes) inbox.onMessage = (message) => message.ack();
  one.source.start(inboxes[0].receive);
  two.source.start(inboxes[1].receive);
  await other.publish(route.subject, ...numbered(400));
  await waitFor(() => inboxes[0].taken.length + inboxes[1].taken.length === 400, {
    what: "400 messages",
  });
  assert.ok(inboxes[0].taken.length > 0 && inboxes[1].taken.length > 0);
  const texts = [...inboxes[0].texts, ...inboxes[1].texts];
  assert.equal(new Set(texts).size, 400);
});

Deno.test("PullSource gives a message back when taking it over fails", async () => {
  const route = streamRoute();
  await using opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const inbox = new Inbox();
  inbox.onMessage = () => {
    throw new Error("a bug");
  };
  opened.source.start(inbox.receive);
  await other.publish(route.subject, "a", "b");
  await waitFor(() => inbox.taken.length === 2, { what: "both messages" });
  assert.ok(opened.log.has(/error: A message could not be taken over/));
});
