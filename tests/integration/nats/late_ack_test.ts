/**
 * nats-server before 2.10.26 takes an ack of a message that the consumer never delivered for a sign of
 * how far it is, and goes on behind it (nats-server pull request 6469). So a consumer that is made
 * anew must not hear of the messages of the one before.
 */
import assert from "node:assert/strict";
import { FaultProxy } from "../../../dev/faults/fault_proxy.ts";
import { sharedNats, waitFor } from "../../support/servers.ts";
import {
  Inbox,
  numbered,
  type OpenedSource,
  openOtherClient,
  openTestSource,
  type OtherClient,
  streamRoute,
} from "./nats_setup.ts";

const server = await sharedNats("2.10.25");
const MESSAGES = 20;

/** A source that has taken all messages of a stream, and acked none of them. */
async function sourceThatHolds(
  url: string,
  other: OtherClient,
  { isPaused = false }: { readonly isPaused?: boolean } = {},
): Promise<{ opened: OpenedSource; inbox: Inbox; makeAnew: () => Promise<void> }> {
  const route = streamRoute();
  // Paused with the first of as many as it asks for: the server has no request left to answer.
  const opened = await openTestSource(url, route, isPaused ? { pullMessagesMax: MESSAGES } : {});
  const inbox = new Inbox();
  if (isPaused) inbox.onMessage = () => opened.source.pause();
  opened.source.start(inbox.receive);
  await other.publish(route.subject, ...numbered(MESSAGES));
  await waitFor(() => inbox.taken.length === MESSAGES, { what: "all messages" });
  return {
    opened,
    inbox,
    makeAnew: async () => {
      const { config } = await other.api.consumers.info(route.name, route.queue);
      await other.api.consumers.delete(route.name, route.queue).catch((error) => {
        // This server has not yet removed the old one's folder when somebody makes the new one.
        assert.match(String(error), /directory not empty/);
      });
      await other.api.consumers.add(route.name, config);
    },
  };
}

/** All messages come again, and are settled as ever. */
async function assertAllAnew({ source }: OpenedSource, inbox: Inbox): Promise<void> {
  await waitFor(() => inbox.taken.length === MESSAGES, { what: "all messages once more" });
  assert.deepEqual(inbox.texts, numbered(MESSAGES));
  for (const { message } of inbox.taken) message.ack();
  await waitFor(async () => await source.ackPending() === 0, { what: "all acks" });
}

Deno.test("a consumer made anew delivers all, though what is held of the one before is acked late", async () => {
  const route = streamRoute();
  await using opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const inbox = new Inbox();
  opened.source.start(inbox.receive);
  await other.publish(route.subject, ...numbered(20));
  await waitFor(() => inbox.taken.length === 20, { what: "20 messages" });
  const held = inbox.taken.splice(0);
  opened.source.pause();
  await other.api.consumers.delete(route.name, route.queue).catch((error) => {
    // This server has not yet removed the old one's folder when the source makes the new one.
    assert.match(String(error), /directory not empty/);
  });
  const isAnew = (): Promise<boolean> => opened.source.ackFloor().then(() => true, () => false);
  await waitFor(isAnew, { what: "the consumer to be made anew" });
  for (const { message } of held) message.ack();
  await opened.connection.client.flush();
  opened.source.resume();
  await assertAllAnew(opened, inbox);
});

Deno.test("a source without any request open learns from the pending count that others made the consumer anew", async () => {
  await using other = await openOtherClient(server.url);
  const { opened, inbox, makeAnew } = await sourceThatHolds(server.url, other, { isPaused: true });
  await using _closed = opened;
  const held = inbox.taken.splice(0);
  inbox.onMessage = () => {};
  await makeAnew();
  await assert.rejects(opened.source.ackPending(), /was made anew/);
  for (const { message } of held) message.ack();
  await opened.connection.client.flush();
  opened.source.resume();
  await assertAllAnew(opened, inbox);
});

Deno.test("acks given while the connection is away are not for a consumer made anew meanwhile", async () => {
  await using other = await openOtherClient(server.url);
  await using proxy = await FaultProxy.open({ targetPort: Number(new URL(server.url).port) });
  const { opened, inbox, makeAnew } = await sourceThatHolds(
    `nats://127.0.0.1:${proxy.port}`,
    other,
  );
  await using _closed = opened;
  const held = inbox.taken.splice(0);
  proxy.refuses = true;
  proxy.resetAll();
  await waitFor(() => !opened.connection.isConnected, { what: "the disconnect" });
  for (const { message } of held) message.ack();
  await makeAnew();
  proxy.refuses = false;
  await assertAllAnew(opened, inbox);
});

Deno.test("acks given while the connection is away reach a consumer that is the same", async () => {
  await using other = await openOtherClient(server.url);
  await using proxy = await FaultProxy.open({ targetPort: Number(new URL(server.url).port) });
  const { opened, inbox } = await sourceThatHolds(`nats://127.0.0.1:${proxy.port}`, other);
  await using _closed = opened;
  proxy.refuses = true;
  proxy.resetAll();
  await waitFor(() => !opened.connection.isConnected, { what: "the disconnect" });
  for (const { message } of inbox.taken) message.ack();
  proxy.refuses = false;
  await waitFor(() => opened.source.ackPending().then((left) => left === 0, () => false), {
    what: "all acks",
  });
  assert.deepEqual(inbox.texts, numbered(MESSAGES));
});
