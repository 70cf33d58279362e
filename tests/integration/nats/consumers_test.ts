import assert from "node:assert/strict";
import { ConfigurationError } from "../../../lib/errors.ts";
import type { StreamState } from "../../../lib/ingest/ports.ts";
import { sharedNats, uniqueName, waitFor } from "../../support/servers.ts";
import { Inbox, numbered, openOtherClient, openTestSource, streamRoute } from "./nats_setup.ts";

const server = await sharedNats();

/** Opening fails with a configuration error whose text matches. */
async function assertRefused(opening: Promise<AsyncDisposable>, pattern: RegExp): Promise<void> {
  await assert.rejects(async () => {
    await using _opened = await opening;
  }, (error) => {
    assert.ok(error instanceof ConfigurationError, String(error));
    assert.match(error.message, pattern);
    return true;
  });
}

Deno.test("openSource() creates the stream as the Go service does", async () => {
  const route = streamRoute();
  await using _opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const { config } = await other.api.streams.info(route.name);
  assert.deepEqual(config.subjects, [route.subject]);
  assert.equal(config.retention, "limits");
  assert.equal(config.storage, "file");
});

Deno.test("openSource() creates a pull consumer that can hold large batches", async () => {
  const route = streamRoute();
  await using opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const { config } = await other.api.consumers.info(route.name, route.queue);
  assert.equal(config.durable_name, route.queue);
  assert.equal(config.deliver_subject, undefined);
  assert.equal(config.ack_policy, "explicit");
  assert.equal(config.filter_subject, route.subject);
  assert.deepEqual(opened.source.limits, {
    ackWaitMs: 30_000,
    maxAckPending: 50_000,
    maxDeliver: Infinity,
  });
});

Deno.test("openSource() honours max_ack_pending and ack_wait on what it creates", async () => {
  const route = streamRoute({ maxAckPending: 12, ackWaitMs: 4_000 });
  await using opened = await openTestSource(server.url, route);
  assert.equal(opened.source.limits?.maxAckPending, 12);
  assert.equal(opened.source.limits?.ackWaitMs, 4_000);
});

Deno.test("openSource() uses the stream that owns the subject whatever its name", async () => {
  const route = streamRoute();
  const owner = uniqueName("owner");
  await using other = await openOtherClient(server.url);
  await other.api.streams.add({ name: owner, subjects: [`${route.name}.>`] });
  await using opened = await openTestSource(server.url, route);
  await other.publish(route.subject, "a");
  const inbox = new Inbox();
  opened.source.start(inbox.receive);
  await waitFor(() => inbox.taken.length === 1, { what: "the message" });
  assert.equal(inbox.taken[0]?.identity?.origin.stream, owner);
  await assert.rejects(other.api.streams.info(route.name));
});

Deno.test("openSource() refuses a stream of the name that holds other subjects", async () => {
  const route = streamRoute();
  await using other = await openOtherClient(server.url);
  await other.api.streams.add({ name: route.name, subjects: [`${route.name}.elsewhere`] });
  await assertRefused(openTestSource(server.url, route), /exists with the subjects/);
});

Deno.test("openSource() refuses a wildcard that several streams hold", async () => {
  const route = { ...streamRoute(), subject: `${uniqueName("many")}.*` };
  const prefix = route.subject.slice(0, -2);
  await using other = await openOtherClient(server.url);
  for (const part of ["a", "b"]) {
    await other.api.streams.add({ name: uniqueName(part), subjects: [`${prefix}.${part}`] });
  }
  await assertRefused(openTestSource(server.url, route), /must be held by one stream/);
});

Deno.test("openSource() reads a subject with a wildcard", async () => {
  const route = streamRoute();
  const wildcard = { ...route, subject: `${route.name}.*` };
  await using opened = await openTestSource(server.url, wildcard);
  await using other = await openOtherClient(server.url);
  await other.publish(`${route.name}.x`, "a");
  const inbox = new Inbox();
  opened.source.start(inbox.receive);
  await waitFor(() => inbox.taken.length === 1, { what: "the message" });
});

Deno.test("openSource() creates the stream as a mirror", async () => {
  await using other = await openOtherClient(server.url);
  const upstream = streamRoute();
  await other.api.streams.add({ name: upstream.name, subjects: [upstream.subject] });
  await other.publish(upstream.subject, "a");
  const route = streamRoute({ subject: upstream.subject, mirror: upstream.name });
  await using opened = await openTestSource(server.url, route);
  const inbox = new Inbox();
  opened.source.start(inbox.receive);
  await waitFor(() => inbox.taken.length === 1, { what: "the mirrored message" });
  assert.equal(inbox.taken[0]?.identity?.origin.stream, route.name);
});

Deno.test("openSource() refuses a stream that should mirror and does not", async () => {
  const route = streamRoute();
  await using other = await openOtherClient(server.url);
  await other.api.streams.add({ name: route.name, subjects: [route.subject] });
  const mirroring = { ...route, mirror: "upstream" };
  await assertRefused(openTestSource(server.url, mirroring), /is no mirror of 'upstream'/);
});

Deno.test("openSource() begins where chooseStart says, and asks only when it creates", async () => {
  const route = streamRoute();
  await using other = await openOtherClient(server.url);
  await other.api.streams.add({ name: route.name, subjects: [route.subject] });
  await other.publish(route.subject, ...numbered(5));
  const asked: StreamState[] = [];
  const chooseStart = (stream: StreamState): Promise<{ kind: "sequence"; sequence: number }> => {
    asked.push(stream);
    return Promise.resolve({ kind: "sequence", sequence: 4 });
  };
  await using opened = await openTestSource(server.url, route, { chooseStart });
  await using _second = await openTestSource(server.url, route, { chooseStart });
  const inbox = new Inbox();
  opened.source.start(inbox.receive);
  await waitFor(() => inbox.taken.length === 2, { what: "the last two messages" });
  assert.deepEqual(inbox.texts, ["3", "4"]);
  assert.equal(asked.length, 1);
  const { created } = await other.api.streams.info(route.name);
  assert.deepEqual(asked[0], {
    origin: { consumer: route.queue, filter: route.subject, stream: route.name, created },
    retention: "limits",
    messages: 5,
    firstSequence: 1,
    lastSequence: 5,
  });
});

Deno.test("openSource() begins with new messages, or at a time", async () => {
  const route = streamRoute();
  await using other = await openOtherClient(server.url);
  await other.api.streams.add({ name: route.name, subjects: [route.subject] });
  await other.publish(route.subject, "old");
  await using onlyNew = await openTestSource(server.url, route, {
    chooseStart: () => Promise.resolve({ kind: "new" }),
  });
  const second = { ...route, queue: uniqueName("queue") };
  await using byTime = await openTestSource(server.url, second, {
    chooseStart: () => Promise.resolve({ kind: "time", time: new Date(0) }),
  });
  await other.publish(route.subject, "young");
  const [inbox, all] = [new Inbox(), new Inbox()];
  onlyNew.source.start(inbox.receive);
  byTime.source.start(all.receive);
  await waitFor(() => inbox.taken.length === 1 && all.taken.length === 2, { what: "messages" });
  assert.deepEqual(inbox.texts, ["young"]);
});

Deno.test("openSource() passes on what chooseStart throws", async () => {
  class NoStartError extends Error {}
  const chooseStart = (): Promise<never> => Promise.reject(new NoStartError("say where"));
  await assert.rejects(async () => {
    await using _opened = await openTestSource(server.url, streamRoute(), { chooseStart });
  }, NoStartError);
});

Deno.test("openSource() uses an existing consumer as it is and warns of each difference", async () => {
  const route = streamRoute({ maxAckPending: 500, ackWaitMs: 7_000 });
  await using other = await openOtherClient(server.url);
  await other.api.streams.add({ name: route.name, subjects: [`${route.name}.>`] });
  const made = await other.api.consumers.add(route.name, {
    durable_name: route.queue,
    ack_policy: "explicit",
    ack_wait: 9e9,
    max_ack_pending: 3,
  });
  await using opened = await openTestSource(server.url, route);
  const { config } = await other.api.consumers.info(route.name, route.queue);
  assert.deepEqual(config, made.config);
  assert.equal(opened.log.lines.filter((line) => /is used as it is/.test(line)).length, 2);
  assert.ok(opened.log.has(/max_ack_pending is 3, the route says 500/));
  assert.ok(opened.log.has(/ack_wait is 9000 ms, the route says 7000 ms/));
});

Deno.test("openSource() refuses a consumer of the other kind when the route names one", async () => {
  await using other = await openOtherClient(server.url);
  const route = streamRoute();
  await other.api.streams.add({ name: route.name, subjects: [route.subject] });
  await other.api.consumers.add(route.name, { durable_name: route.queue, ack_policy: "explicit" });
  await assertRefused(
    openTestSource(server.url, { ...route, mode: "push" }),
    /is push, but the consumer .* exists as a pull consumer/,
  );
  const pushed = { ...route, queue: uniqueName("queue") };
  await other.api.consumers.add(route.name, {
    durable_name: pushed.queue,
    ack_policy: "explicit",
    deliver_subject: uniqueName("deliver"),
  });
  await assertRefused(
    openTestSource(server.url, { ...pushed, mode: "pull" }),
    /is pull, but the consumer .* exists as a push consumer/,
  );
});

Deno.test("openSource() refuses a consumer whose acks would settle other messages", async () => {
  await using other = await openOtherClient(server.url);
  const route = streamRoute();
  await other.api.streams.add({ name: route.name, subjects: [route.subject] });
  await other.api.consumers.add(route.name, { durable_name: route.queue, ack_policy: "all" });
  await assertRefused(openTestSource(server.url, route), /ack policy is 'all'/);
});

for (const retention of ["workqueue", "interest"] as const) {
  Deno.test(`openSource() reads a stream with ${retention} retention, and acks empty it`, async () => {
    const route = streamRoute();
    await using other = await openOtherClient(server.url);
    await other.api.streams.add({ name: route.name, subjects: [route.subject], retention });
    await using opened = await openTestSource(server.url, route, {
      chooseStart: () => Promise.resolve({ kind: "new" }),
    });
    const inbox = new Inbox();
    inbox.onMessage = (message) => message.ack();
    opened.source.start(inbox.receive);
    await other.publish(route.subject, ...numbered(20));
    await waitFor(() => inbox.taken.length === 20, { what: "20 messages" });
    await waitFor(
      async () => (await other.api.streams.info(route.name)).state.messages === 0,
      { what: "an empty stream" },
    );
  });
}

Deno.test("openSource() names the consumer that a work queue has already", async () => {
  const route = streamRoute();
  await using other = await openOtherClient(server.url);
  await other.api.streams.add({
    name: route.name,
    subjects: [route.subject],
    retention: "workqueue",
  });
  await other.api.consumers.add(route.name, { durable_name: "theirs", ack_policy: "explicit" });
  await assertRefused(openTestSource(server.url, route), /is a work queue.*has 'theirs'/);
});

Deno.test("openSource() meets another instance that creates the same at the same time", async () => {
  const route = streamRoute();
  await using open = new AsyncDisposableStack();
  const opened = await Promise.all(
    numbered(4).map(async () => open.use(await openTestSource(server.url, route))),
  );
  await using other = await openOtherClient(server.url);
  await other.publish(route.subject, ...numbered(8));
  const inbox = new Inbox();
  inbox.onMessage = (message) => message.ack();
  for (const { source } of opened) source.start(inbox.receive);
  await waitFor(() => inbox.taken.length === 8, { what: "eight messages" });
});
