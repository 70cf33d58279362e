/** What a source does when servers, streams and consumers go away under it. */
import assert from "node:assert/strict";
import { FaultProxy, type LinkFilter } from "../../../dev/faults/fault_proxy.ts";
import { startNats } from "../../../dev/servers/nats_server.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { sharedNats, waitFor } from "../../support/servers.ts";
import {
  Inbox,
  numbered,
  openOtherClient,
  openTestSource,
  type OtherClient,
  streamRoute,
} from "./nats_setup.ts";

const server = await sharedNats();
const old = await sharedNats("2.10.25");

function ackingInbox(): Inbox {
  const inbox = new Inbox();
  inbox.onMessage = (message) => message.ack();
  return inbox;
}

Deno.test("PullSource goes on after the server was killed and started again", async () => {
  await using own = await startNats();
  const route = streamRoute();
  await using opened = await openTestSource(own.url, route);
  const inbox = ackingInbox();
  opened.source.start(inbox.receive);
  {
    await using other = await openOtherClient(own.url);
    await other.publish(route.subject, "before");
  }
  await waitFor(() => inbox.texts.includes("before"), { what: "the first message" });
  await own.kill("SIGKILL");
  await waitFor(() => !opened.connection.isConnected, { what: "the disconnect" });
  await own.restart();
  await waitFor(() => opened.connection.isConnected, { what: "the reconnect" });
  await using other = await openOtherClient(own.url);
  await other.publish(route.subject, "after");
  await waitFor(() => inbox.texts.includes("after"), { what: "a message after the restart" });
  assert.equal(await opened.source.health(), null);
  assert.ok(opened.log.has(/warn: Disconnected from NATS/));
  assert.ok(opened.log.has(/info: Reconnected to NATS/));
});

Deno.test("PullSource stops while the server is away", async () => {
  await using own = await startNats();
  await using opened = await openTestSource(own.url, streamRoute());
  opened.source.start(() => {});
  await own.kill("SIGKILL");
  await waitFor(() => !opened.connection.isConnected, { what: "the disconnect" });
  assert.match(await opened.source.health() ?? "", /NATS is away/);
  await opened.source.stop();
});

for (const [version, url] of [["current", server.url], ["2.10.25", old.url]] as const) {
  Deno.test(`PullSource creates stream and consumer again on ${version} when they are deleted`, async () => {
    const route = streamRoute();
    const clock = new FakeClock();
    await using opened = await openTestSource(url, route, { clock });
    await using other = await openOtherClient(url);
    const inbox = ackingInbox();
    opened.source.start(inbox.receive);
    await other.publish(route.subject, "one", "two");
    await waitFor(() => inbox.taken.length === 2, { what: "two messages" });
    await other.api.streams.delete(route.name);
    await waitUntil(clock, async () => await hasConsumer(other, route), "the consumer again");
    await other.publish(route.subject, "three");
    await waitFor(() => inbox.taken.length === 3, { what: "a message of the new stream" });
    const [, before, after] = inbox.taken.map(({ identity }) => identity);
    assert.equal(after?.sequence, 1);
    assert.notEqual(after?.origin.created, before?.origin.created);
    assert.ok(opened.log.has(/another incarnation/));
  });

  Deno.test(`PullSource attaches on ${version} to a consumer that others made anew`, async () => {
    const route = streamRoute();
    const clock = new FakeClock();
    await using opened = await openTestSource(url, route, { clock });
    await using other = await openOtherClient(url);
    const inbox = ackingInbox();
    opened.source.start(inbox.receive);
    await other.publish(route.subject, ...numbered(3));
    await waitFor(() => inbox.taken.length === 3, { what: "three messages" });
    clock.advance(5);
    // Before 2.10.26 a consumer made anew would go on behind acks that come too late.
    await waitFor(async () => await opened.source.ackPending() === 0, { what: "all acks" });
    await remakeConsumer(other, route);
    // All of the stream comes again from the new consumer.
    await waitUntil(clock, () => inbox.taken.length >= 6, "all messages again");
    const origins = inbox.taken.map(({ identity }) => identity?.origin);
    assert.equal(origins[0]?.created, origins[5]?.created);
    assert.notEqual(origins[0]?.consumerCreated, origins[5]?.consumerCreated);
  });
}

Deno.test("PullSource asks anew when nothing is heard of its requests", async () => {
  const route = streamRoute();
  const clock = new FakeClock();
  await using opened = await openTestSource(server.url, route, { clock });
  await using other = await openOtherClient(server.url);
  const inbox = ackingInbox();
  opened.source.start(inbox.receive);
  await waitFor(async () => await waitingRequests(other, route) === 2, { what: "two requests" });
  // Silence by the clock of the source; its requests at the server are alive.
  clock.advance(20_000);
  await waitFor(async () => await waitingRequests(other, route) === 4, { what: "new requests" });
  await other.publish(route.subject, ...numbered(10));
  await waitFor(() => inbox.taken.length === 10, { what: "messages" });
});

// The pings would take up to 30 s, and a look-up under way on the dead connection held the next one up.
for (const mode of ["pull", "push"] as const) {
  Deno.test(`a ${mode} source connects anew when packets vanish and silence is noticed`, async () => {
    await using proxy = await FaultProxy.open({ targetPort: server.port });
    // The server knows nothing yet: what it sends to the dead connection comes again after ack_wait.
    const route = streamRoute({ mode, ackWaitMs: 1_000 });
    const clock = new FakeClock();
    await using opened = await openTestSource(`nats://127.0.0.1:${proxy.port}`, route, { clock });
    await using other = await openOtherClient(server.url);
    const inbox = ackingInbox();
    opened.source.start(inbox.receive);
    await other.publish(route.subject, "one");
    await waitFor(() => inbox.taken.length === 1, { what: "a message" });
    proxy.setBlackHole(true);
    clock.advance(20_000);
    await waitFor(() => opened.log.has(/does not answer a ping/), { what: "the doubt" });
    proxy.setBlackHole(false);
    await other.publish(route.subject, "two");
    await waitFor(() => {
      clock.advance(1_000);
      return inbox.texts.includes("two");
    }, { what: "a message by the new connection", timeoutMs: 25_000 });
  });
}

Deno.test("a connection that ends right behind its start is made anew", async () => {
  let connections = 0;
  // Every second one is cut behind the answer that completes it: both are read in one go.
  const filter = (): LinkFilter => {
    const isCut = connections++ % 2 === 1;
    return {
      fromClient: (chunk) => ({ forward: [chunk], cut: false }),
      fromServer: (chunk) => {
        const isStart = new TextDecoder().decode(chunk).includes("PONG\r\n");
        return { forward: [chunk], cut: isCut && isStart };
      },
    };
  };
  await using proxy = await FaultProxy.open({ targetPort: server.port, filter });
  const route = streamRoute();
  await using opened = await openTestSource(`nats://127.0.0.1:${proxy.port}`, route);
  await using other = await openOtherClient(server.url);
  const inbox = ackingInbox();
  opened.source.start(inbox.receive);
  for (let round = 1; round <= 5; round++) {
    proxy.resetAll();
    await waitFor(() => connections > 2 * round, {
      what: `connection ${2 * round + 1}`,
      timeoutMs: 20_000,
    });
    await other.publish(route.subject, `round ${round}`);
    await waitFor(() => inbox.texts.includes(`round ${round}`), {
      what: "a message by the new connection",
      timeoutMs: 20_000,
    });
  }
});

Deno.test("probe() leaves a connection alone that answers", async () => {
  await using opened = await openTestSource(server.url, streamRoute());
  opened.connection.probe();
  await opened.connection.client.flush();
  assert.ok(!opened.log.has(/does not answer/));
});

Deno.test("health() tells of a consumer that is ahead of its stream", async () => {
  const route = streamRoute();
  await using other = await openOtherClient(server.url);
  await other.api.streams.add({ name: route.name, subjects: [route.subject] });
  await other.publish(route.subject, "a");
  await using opened = await openTestSource(server.url, route, {
    chooseStart: () => Promise.resolve({ kind: "sequence", sequence: 10 }),
  });
  assert.match(await opened.source.health() ?? "", /is ahead of its stream .* ends at 1/);
});

Deno.test("health() is silent when all is well", async () => {
  const route = streamRoute();
  await using opened = await openTestSource(server.url, route);
  await using other = await openOtherClient(server.url);
  const inbox = ackingInbox();
  opened.source.start(inbox.receive);
  await other.publish(route.subject, "a");
  await waitFor(() => inbox.taken.length === 1, { what: "the message" });
  assert.equal(await opened.source.health(), null);
});

/** Waits for a condition while the source's own time runs quickly. */
async function waitUntil(
  clock: FakeClock,
  condition: () => boolean | Promise<boolean>,
  what: string,
): Promise<void> {
  await waitFor(() => {
    clock.advance(1_000);
    return condition();
  }, { what });
}

type Names = { readonly name: string; readonly queue: string };

/**
 * Deletes the consumer and makes the same again. Both are repeated: a server that still clears the
 * old one's folder refuses them.
 */
async function remakeConsumer({ api }: OtherClient, { name, queue }: Names): Promise<void> {
  const { config, created } = await api.consumers.info(name, queue);
  await waitFor(async () => {
    try {
      await api.consumers.delete(name, queue);
    } catch {
      // Gone already, or not quite.
    }
    try {
      return (await api.consumers.add(name, config)).created !== created;
    } catch {
      return false;
    }
  }, { what: "a new consumer" });
}

async function hasConsumer({ api }: OtherClient, { name, queue }: Names): Promise<boolean> {
  try {
    await api.consumers.info(name, queue);
    return true;
  } catch {
    return false;
  }
}

async function waitingRequests({ api }: OtherClient, { name, queue }: Names): Promise<number> {
  return (await api.consumers.info(name, queue)).num_waiting;
}
