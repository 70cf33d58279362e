/** Routes picked out of the content of a routing file. Reading its YAML is tested with permissions. */
import assert from "node:assert/strict";
import {
  readRoutingRows,
  type Route,
  selectRoute,
  usesJetStream,
} from "../../../lib/config/routing.ts";
import { ConfigurationError } from "../../../lib/errors.ts";

const OURS = {
  selector: "data/transformers/mixer/state-tables-1.0",
  name: "stream",
  queue: "durable",
  subject: "processor.transformer.state.tables",
  url: "nats://127.0.0.1:4222",
};

function rowsOf(...routes: readonly unknown[]): ReturnType<typeof readRoutingRows> {
  return readRoutingRows({ messageConfig: { routes } });
}

function picked(
  route: Readonly<Record<string, unknown>>,
  use: "consume" | "publish" = "consume",
): Route {
  const row = { ...OURS, ...route };
  const found = selectRoute(rowsOf(row), OURS.selector, { use, urls: null });
  assert.ok(found !== null);
  return found;
}

function faultOf(
  route: Readonly<Record<string, unknown>>,
  use: "consume" | "publish" = "consume",
): string {
  try {
    picked(route, use);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return error.message;
  }
  return "accepted";
}

Deno.test("selectRoute() gives every field of a route", () => {
  assert.deepEqual(
    picked({
      url: "nats://a:4222, nats://b:4222",
      jetstream_enabled: true,
      max_ack_pending: 500,
      ack_wait: 90,
      mode: "pull",
      batch_size: 10,
      mirror: "origin",
      something_else: [1],
    }),
    {
      selector: OURS.selector,
      name: "stream",
      queue: "durable",
      subject: OURS.subject,
      urls: ["nats://a:4222", "nats://b:4222"],
      jetstreamEnabled: true,
      maxAckPending: 500,
      ackWaitMs: 90_000,
      mode: "pull",
      batchSize: 10,
      mirror: "origin",
    },
  );
});

Deno.test("selectRoute() gives null for fields that are absent, null, empty or 0", () => {
  const route = picked({
    name: "",
    queue: null,
    ack_wait: 0,
    max_ack_pending: 0,
    batch_size: 0,
    mode: "",
  });
  assert.deepEqual(
    [route.name, route.queue, route.ackWaitMs, route.maxAckPending, route.batchSize, route.mode],
    [null, null, null, null, null, null],
  );
  assert.deepEqual([route.mirror, route.jetstreamEnabled], [null, null]);
});

Deno.test("selectRoute() ignores the rows of others, however odd", () => {
  const rows = rowsOf(7, null, ["x"], { selector: 3 }, { selector: "other", subject: 9 }, OURS);
  assert.equal(
    selectRoute(rows, OURS.selector, { use: "consume", urls: null })?.subject,
    OURS.subject,
  );
});

Deno.test("selectRoute() gives null when no row has the selector", () => {
  assert.equal(
    selectRoute(rowsOf(OURS), "processor/monitor", { use: "publish", urls: null }),
    null,
  );
});

Deno.test("selectRoute() takes the last of rows with the same selector, as the Go service does", () => {
  const rows = rowsOf(OURS, { ...OURS, subject: "second" });
  assert.equal(selectRoute(rows, OURS.selector, { use: "consume", urls: null })?.subject, "second");
});

Deno.test("selectRoute() falls back to one trailing wildcard", () => {
  const rows = rowsOf({ ...OURS, selector: "data/transformers/*", subject: "wild" }, {
    ...OURS,
    selector: "data/*x",
  });
  assert.equal(selectRoute(rows, OURS.selector, { use: "consume", urls: null })?.subject, "wild");
});

Deno.test("selectRoute() prefers the exact selector to a wildcard", () => {
  const rows = rowsOf(OURS, { ...OURS, selector: "data/*", subject: "wild" });
  assert.equal(
    selectRoute(rows, OURS.selector, { use: "consume", urls: null })?.subject,
    OURS.subject,
  );
});

Deno.test("selectRoute() refuses several wildcards that match", () => {
  const rows = rowsOf({ ...OURS, selector: "data/*" }, {
    ...OURS,
    selector: "data/transformers/*",
  });
  assert.throws(
    () => selectRoute(rows, OURS.selector, { use: "consume", urls: null }),
    /messageConfig\.routes: must have one route .*rows 0, 1 all match/,
  );
});

Deno.test("selectRoute() uses the given servers instead of the row's, which may be missing", () => {
  const row = { ...OURS, url: undefined };
  const options = { use: "consume", urls: ["nats://other"] } as const;
  assert.deepEqual(selectRoute(rowsOf(row), OURS.selector, options)?.urls, ["nats://other"]);
});

Deno.test("selectRoute() takes NATS wildcards in a subject that is consumed", () => {
  assert.equal(picked({ subject: "a.*.b.>" }).subject, "a.*.b.>");
});

Deno.test("selectRoute() takes any mode in a route that is published to", () => {
  assert.equal(picked({ mode: "request-reply" }, "publish").mode, null);
});

const WRONG: readonly (readonly [Readonly<Record<string, unknown>>, RegExp])[] = [
  [{ subject: undefined }, /routes\[0\]\.subject: must be text/],
  [{ subject: "" }, /routes\[0\]\.subject: must not be empty/],
  [{ subject: "state.{state_id}" }, /subject: cannot hold a placeholder/],
  [{ subject: "a..b" }, /subject: must be a NATS subject/],
  [{ subject: "a.>.b" }, /subject: must be a NATS subject/],
  [{ subject: "a b" }, /subject: must be a NATS subject/],
  [{ url: undefined }, /url: must name a server/],
  [{ url: "http://h" }, /url: must begin with/],
  [{ name: 5 }, /name: must be text/],
  [{ name: "a.b" }, /name: cannot hold/],
  [{ queue: "a b" }, /queue: cannot hold/],
  [{ queue: "a b", name: null }, /queue: cannot hold white space/],
  [{ mirror: "a*" }, /mirror: cannot hold/],
  [{ mode: "request-reply" }, /mode: must be push or pull/],
  [{ ack_wait: "30" }, /ack_wait: must be a number of seconds/],
  [{ ack_wait: -1 }, /ack_wait: must not be negative/],
  [{ max_ack_pending: 1.5 }, /max_ack_pending: must be a whole number/],
  [{ max_ack_pending: -2 }, /max_ack_pending: must be a count, or -1/],
  [{ batch_size: -1 }, /batch_size: must not be negative/],
  [{ jetstream_enabled: "yes" }, /jetstream_enabled: must be true or false/],
];

for (const [route, rule] of WRONG) {
  Deno.test(`selectRoute() refuses a route with ${Deno.inspect(route, { breakLength: Infinity })}`, () => {
    assert.match(faultOf(route), rule);
  });
}

Deno.test("selectRoute() refuses a wildcard in a subject that is published to", () => {
  assert.match(faultOf({ subject: "a.*" }, "publish"), /subject: cannot hold a wildcard/);
});

Deno.test("selectRoute() reports every fault of a route, and no URL", () => {
  const message = faultOf({ mode: "x", subject: "a..b", url: "nats://u:canary@h:x" });
  assert.equal(message.split("\n").length, 3);
  assert.ok(!message.includes("canary"));
});

Deno.test("readRoutingRows() refuses content without a list of routes", () => {
  for (const content of [null, [], "text", {}, { messageConfig: { routes: {} } }]) {
    assert.throws(
      () => readRoutingRows(content),
      /messageConfig\.routes: must be a list of routes/,
    );
  }
});

Deno.test("usesJetStream() is true when a route has name and queue and does not turn it off", () => {
  assert.equal(usesJetStream(picked({})), true);
  assert.equal(usesJetStream(picked({ jetstream_enabled: true })), true);
  assert.equal(usesJetStream(picked({ jetstream_enabled: false })), false);
  assert.equal(usesJetStream(picked({ name: null })), false);
  assert.equal(usesJetStream(picked({ queue: "" })), false);
});
