/**
 * nats-server before 2.10.26 takes an ack of a message that the consumer never delivered for a sign of
 * how far it is, and goes on behind it (nats-server pull request 6469). So a consumer that is made
 * anew must not hear of the messages of the one before.
 */
import assert from "node:assert/strict";
import { sharedNats, waitFor } from "../../support/servers.ts";
import { Inbox, numbered, openOtherClient, openTestSource, streamRoute } from "./nats_setup.ts";

const server = await sharedNats("2.10.25");

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
  await waitFor(() => inbox.taken.length === 20, { what: "all messages once more" });
  assert.deepEqual(inbox.texts, numbered(20));
  // Those of this consumer are acked as ever.
  for (const { message } of inbox.taken) message.ack();
  await waitFor(async () => await opened.source.ackPending() === 0, { what: "all acks" });
});
