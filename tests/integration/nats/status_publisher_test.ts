import assert from "node:assert/strict";
import { systemClock } from "../../../lib/clock.ts";
import type { Route } from "../../../lib/config/routing.ts";
import type { RouteStatus, StatusPublisher } from "../../../lib/ingest/ports.ts";
import { openStatusPublisher } from "../../../lib/nats/status_publisher.ts";
import { sharedNats, waitFor } from "../../support/servers.ts";
import {
  coreRoute,
  openOtherClient,
  openTestConnection,
  RecordedLog,
  streamRoute,
} from "./nats_setup.ts";

const server = await sharedNats();

const STATUS: RouteStatus = {
  routeId: "route:processor",
  status: "FAILED",
  exception: "1 row rejected",
  data: { rejected: 1 },
  messageId: "durable:stream:1:FAILED",
};

async function openPublisher(
  route: Route,
): Promise<{ publisher: StatusPublisher } & AsyncDisposable> {
  const connection = await openTestConnection(server.url);
  const options = { connection, route, clock: systemClock, log: new RecordedLog() };
  const publisher = await openStatusPublisher(options);
  return {
    publisher,
    [Symbol.asyncDispose]: () => {
      publisher[Symbol.dispose]();
      return connection[Symbol.asyncDispose]();
    },
  };
}

Deno.test("publish() stores a status in the monitor's stream, which it creates", async () => {
  const route = streamRoute();
  await using opened = await openPublisher(route);
  await using other = await openOtherClient(server.url);
  await opened.publisher.publish(STATUS);
  const stored = await other.api.streams.getMessage(route.name, { seq: 1 });
  assert.equal(
    stored?.string(),
    '{"type":"models","route_id":"route:processor","status":"FAILED",' +
      '"exception":"1 row rejected","data":{"rejected":1}}',
  );
});

Deno.test("publish() stores a repeated status once", async () => {
  const route = streamRoute();
  await using opened = await openPublisher(route);
  await using other = await openOtherClient(server.url);
  await opened.publisher.publish(STATUS);
  await opened.publisher.publish(STATUS);
  await opened.publisher.publish({ ...STATUS, messageId: "another" });
  assert.equal((await other.api.streams.info(route.name)).state.messages, 2);
});

Deno.test("publish() rejects when the monitor's stream is gone", async () => {
  const route = streamRoute();
  await using opened = await openPublisher(route);
  await using other = await openOtherClient(server.url);
  await other.api.streams.delete(route.name);
  await assert.rejects(
    opened.publisher.publish(STATUS),
    /^Error: Cannot send the status of route 'route:processor' as/,
  );
});

Deno.test("publish() sends over core NATS when the route has no stream", async () => {
  const route = coreRoute();
  await using opened = await openPublisher(route);
  await using other = await openOtherClient(server.url);
  const received: string[] = [];
  other.client.subscribe(route.subject, {
    callback: (_error, message) => void received.push(message.string()),
  });
  await other.client.flush();
  await opened.publisher.publish({ ...STATUS, status: "COMPLETED", exception: "", data: null });
  await waitFor(() => received.length === 1, { what: "the status" });
  assert.equal(
    received[0],
    '{"type":"models","route_id":"route:processor","status":"COMPLETED","data":null}',
  );
});
