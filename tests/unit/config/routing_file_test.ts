/**
 * The text of a routing file, and configuration as a whole.
 */
import assert from "node:assert/strict";
import { loadConfiguration } from "../../../lib/config/configuration.ts";
import { parseRouting, selectRoute } from "../../../lib/config/routing.ts";
import { ConfigurationError } from "../../../lib/errors.ts";

const ROUTING = `
messageConfig:
  routes:
    - selector: "data/transformers/mixer/state-tables-1.0"
      name: "processor_transformer_state_tables"
      queue: "processor_transformer_state_tables"
      subject: "processor.transformer.state.tables"
      url: "nats://127.0.0.1:4222"
    - selector: "processor/monitor"
      name: "processor_monitor"
      queue: "processor_monitor_queue"
      subject: "processor.monitor"
      url: "nats://127.0.0.1:4222"
    - selector: "processor/state/sync"
      subject: "state.{state_id}"
      ack_wait: odd
`;

function configurationOf(
  variables: Readonly<Record<string, string>>,
  routing = ROUTING,
): ReturnType<typeof loadConfiguration> {
  return loadConfiguration({
    readVariable: (name) => variables[name],
    readTextFile: (path) => {
      if (path === ".routing.yaml") return routing;
      throw new Deno.errors.NotFound("no such file");
    },
  });
}

Deno.test("parseRouting() reads the routing file of the contract", () => {
  const rows = parseRouting(ROUTING);
  assert.deepEqual(rows.map(({ index, selector }) => [index, selector]), [
    [0, "data/transformers/mixer/state-tables-1.0"],
    [1, "processor/monitor"],
    [2, "processor/state/sync"],
  ]);
});

Deno.test("parseRouting() follows anchors and merge keys", () => {
  const rows = parseRouting(
    "base: &base {url: 'nats://h', subject: s}\nmessageConfig: {routes: [{<<: *base, selector: a}]}",
  );
  assert.deepEqual(selectRoute(rows, "a", { use: "consume", urls: null })?.urls, ["nats://h"]);
});

Deno.test("parseRouting() names the place of a fault and shows nothing of the text", () => {
  for (
    const text of ["a: b: 'canary'\n", "a: [canary\n", "- canary\n  x: *canary\n", "\tcanary: 1"]
  ) {
    try {
      parseRouting(text);
      assert.fail("accepted");
    } catch (error) {
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, /^ROUTING_FILE: must be YAML/);
      assert.ok(!error.message.includes("canary"), error.message);
    }
  }
});

Deno.test("parseRouting() shares what aliases name instead of letting it grow", () => {
  const level = (name: string, below: string): string =>
    `${name}: &${name} [${Array(1_000).fill(`*${below}`).join(", ")}]\n`;
  const rows = parseRouting(
    `a: &a [1]\n${level("b", "a")}${level("c", "b")}${level("d", "c")}${level("e", "d")}` +
      "messageConfig: {routes: [{selector: x, subject: s, other: *e}]}",
  );
  assert.equal(selectRoute(rows, "x", { use: "publish", urls: ["nats://h"] })?.subject, "s");
});

Deno.test("parseRouting() takes the last of equal keys", () => {
  const rows = parseRouting("messageConfig: {routes: [{selector: x, subject: a, subject: b}]}");
  assert.equal(selectRoute(rows, "x", { use: "publish", urls: ["nats://h"] })?.subject, "b");
});

Deno.test("parseRouting() refuses several documents", () => {
  assert.throws(
    () => parseRouting("--- {messageConfig: {routes: []}}\n--- {a: 1}\n"),
    /^.*ROUTING_FILE: must be one YAML document, and holds 2/,
  );
});

Deno.test("parseRouting() refuses a file without content", () => {
  for (const text of ["", "\n", "# nothing\n", "---\n"]) {
    assert.throws(() => parseRouting(text), /messageConfig\.routes: must be a list of routes/);
  }
});

Deno.test("loadConfiguration() gives settings and both routes", () => {
  const { settings, consumeRoute, monitorRoute } = configurationOf({ DSN: "user=u" });
  assert.equal(settings.database.target.user, "u");
  assert.equal(consumeRoute.subject, "processor.transformer.state.tables");
  assert.equal(monitorRoute?.subject, "processor.monitor");
});

Deno.test("loadConfiguration() uses NATS_URL for both routes", () => {
  const { consumeRoute, monitorRoute } = configurationOf({ DSN: "user=u", NATS_URL: "nats://h" });
  assert.deepEqual([consumeRoute.urls, monitorRoute?.urls], [["nats://h"], ["nats://h"]]);
});

Deno.test("loadConfiguration() has no monitor route when the file has none", () => {
  assert.equal(configurationOf({ DSN: "user=u", MONITOR_SELECTOR: "x" }).monitorRoute, null);
});

Deno.test("loadConfiguration() lists the faults of environment and routing file together", () => {
  const broken = ROUTING.replace('subject: "processor.monitor"', "subject: 5");
  assert.throws(
    () => configurationOf({ ROUTE_SELECTOR: "nothing", LOG_LEVEL: "loud" }, broken),
    (error) => {
      assert.ok(error instanceof ConfigurationError);
      assert.deepEqual(error.faults.map(({ key }) => key), [
        "DSN",
        "LOG_LEVEL",
        "ROUTING_FILE: messageConfig.routes[1].subject",
        "ROUTE_SELECTOR",
      ]);
      return true;
    },
  );
});

Deno.test("loadConfiguration() says once that NATS_URL is wrong", () => {
  assert.throws(
    () => configurationOf({ DSN: "user=u", NATS_URL: "http://h" }),
    (error) => error instanceof ConfigurationError && error.faults.length === 1,
  );
});
