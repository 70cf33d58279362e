import assert from "node:assert/strict";
import type { ConsumerConfig, StreamInfo } from "@nats-io/jetstream";
import type { Route } from "../../../lib/config/routing.ts";
import {
  differencesOf,
  filterOf,
  kindOf,
  limitsOf,
  newConsumer,
  refusalOf,
} from "../../../lib/nats/consumer_rules.ts";
import type { StreamRoute } from "../../../lib/nats/stream_route.ts";

const ROUTE: StreamRoute & Route = {
  selector: "mine",
  name: "stream",
  queue: "queue",
  subject: "orders.new",
  urls: [],
  jetstreamEnabled: null,
  maxAckPending: null,
  ackWaitMs: null,
  mode: null,
  batchSize: null,
  mirror: null,
};

const CONFIG: ConsumerConfig = {
  ack_policy: "explicit",
  deliver_policy: "all",
  replay_policy: "instant",
  ack_wait: 30e9,
  max_ack_pending: 1_000,
  max_deliver: -1,
  filter_subject: "orders.new",
};

const limitsStream = { config: { retention: "limits" } } as StreamInfo;

Deno.test("kindOf() tells a push consumer by where it delivers", () => {
  assert.equal(kindOf(CONFIG), "pull");
  assert.equal(kindOf({ ...CONFIG, deliver_subject: "inbox" }), "push");
});

Deno.test("filterOf() joins several filters, and is empty for the whole stream", () => {
  assert.equal(filterOf(CONFIG), "orders.new");
  const { filter_subject: _, ...whole } = CONFIG;
  assert.equal(filterOf(whole), "");
  assert.equal(filterOf({ ...whole, filter_subjects: ["a", "b"] }), "a,b");
});

Deno.test("limitsOf() gives unlimited counts as Infinity", () => {
  assert.deepEqual(limitsOf({ ...CONFIG, max_ack_pending: -1 }), {
    ackWaitMs: 30_000,
    maxAckPending: Infinity,
    maxDeliver: Infinity,
  });
});

Deno.test("limitsOf() takes the shortest wait of a backoff list", () => {
  assert.equal(limitsOf({ ...CONFIG, backoff: [5e9, 2e9] }).ackWaitMs, 2_000);
});

Deno.test("refusalOf() refuses consumers whose acks would lose messages", () => {
  assert.equal(refusalOf(CONFIG), null);
  assert.match(refusalOf({ ...CONFIG, ack_policy: "all" }) ?? "", /not written yet/);
  assert.match(refusalOf({ ...CONFIG, ack_policy: "none" }) ?? "", /lost/);
  assert.match(refusalOf({ ...CONFIG, headers_only: true }) ?? "", /headers/);
  assert.match(refusalOf({ ...CONFIG, priority_groups: ["a"] }) ?? "", /priority/);
});

Deno.test("differencesOf() is silent when the route leaves everything open", () => {
  assert.deepEqual(differencesOf(CONFIG, ROUTE), []);
});

Deno.test("differencesOf() names each difference once", () => {
  const route = { ...ROUTE, maxAckPending: 5, ackWaitMs: 1_000, subject: "orders.old" };
  const found = differencesOf({ ...CONFIG, max_deliver: 3, deliver_subject: "inbox" }, route);
  assert.deepEqual(found.map((text) => text.split(" ").slice(0, 3).join(" ")), [
    "max_ack_pending is 1000,",
    "ack_wait is 30000",
    "it reads 'orders.new',",
    "max_deliver is 3:",
    "it has no",
  ]);
});

Deno.test("differencesOf() takes -1 in the route for no limit", () => {
  const route = { ...ROUTE, maxAckPending: -1 };
  assert.deepEqual(differencesOf({ ...CONFIG, max_ack_pending: -1 }, route), []);
});

Deno.test("newConsumer() makes a pull consumer with room for large batches", () => {
  const start = { kind: "sequence", sequence: 7 } as const;
  const options = { kind: "pull", route: ROUTE, stream: limitsStream, start } as const;
  assert.deepEqual(newConsumer({ ...options, deliverSubject: "unused" }), {
    durable_name: "queue",
    ack_policy: "explicit",
    ack_wait: 30e9,
    max_ack_pending: 50_000,
    max_deliver: -1,
    replay_policy: "instant",
    filter_subject: "orders.new",
    deliver_policy: "by_start_sequence",
    opt_start_seq: 7,
  });
});

Deno.test("newConsumer() honours the route's limits and the stream's", () => {
  const stream = {
    config: { retention: "limits", consumer_limits: { max_ack_pending: 100 } },
  } as StreamInfo;
  const options = { kind: "pull", stream, start: { kind: "all" }, deliverSubject: "" } as const;
  assert.equal(newConsumer({ ...options, route: ROUTE }).max_ack_pending, 100);
  const route = { ...ROUTE, maxAckPending: 20, ackWaitMs: 500 };
  assert.equal(newConsumer({ ...options, route }).max_ack_pending, 20);
  assert.equal(newConsumer({ ...options, route }).ack_wait, 5e8);
});

Deno.test("newConsumer() makes a push consumer in the queue's group", () => {
  const start = { kind: "time", time: new Date(0) } as const;
  const options = { kind: "push", route: ROUTE, stream: limitsStream, start } as const;
  const config = newConsumer({ ...options, deliverSubject: "inbox.push" });
  assert.equal(config.deliver_subject, "inbox.push");
  assert.equal(config.deliver_group, "queue");
  assert.equal(config.opt_start_time, "1970-01-01T00:00:00.000Z");
});

Deno.test("newConsumer() begins at the start of a work queue, which takes nothing else", () => {
  const stream = { config: { retention: "workqueue" } } as StreamInfo;
  const start = { kind: "new" } as const;
  const config = newConsumer({ kind: "pull", route: ROUTE, stream, start, deliverSubject: "" });
  assert.equal(config.deliver_policy, "all");
});
