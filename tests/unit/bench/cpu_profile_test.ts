import assert from "node:assert/strict";
import { partOf, sumProfile } from "../../../dev/bench/cpu_profile.ts";

Deno.test("partOf() names our folders, npm packages and Deno's own code", () => {
  assert.equal(partOf("scan", "file:///app/lib/encoder/scanner.ts"), "lib/encoder");
  const registry = "file:///cache/npm/registry.npmjs.org";
  assert.equal(
    partOf("parse", `${registry}/@nats-io/nats-core/3.4.0/lib/parser.js`),
    "npm @nats-io/nats-core",
  );
  assert.equal(partOf("write", `${registry}/postgres/3.4.9/src/connection.js`), "npm postgres");
  assert.equal(partOf("read", "ext:deno_net/01_net.js"), "ext:deno_net");
  assert.equal(partOf("(garbage collector)", ""), "(garbage collector)");
});

Deno.test("sumProfile() adds up samples by name and leaves idle time out", () => {
  const frame = (id: number, functionName: string): {
    id: number;
    callFrame: { functionName: string; url: string };
  } => ({ id, callFrame: { functionName, url: "" } });
  const profile = {
    nodes: [frame(1, "a"), frame(2, "(idle)"), frame(3, "b")],
    samples: [1, 2, 3, 1],
    timeDeltas: [1_000_000, 9_000_000, 3_000_000, 1_000_000],
  };
  assert.deepEqual(sumProfile(profile, (name) => name), [
    { name: "b", seconds: 3 },
    { name: "a", seconds: 2 },
  ]);
});
