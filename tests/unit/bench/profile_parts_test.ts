import assert from "node:assert/strict";
import type { CpuProfile } from "../../../dev/bench/cpu_profile.ts";
import { partShares } from "../../../dev/bench/profile_parts.ts";

/** A profile of one stack, from the outermost caller to the function that ran for all of the time. */
function stack(...frames: (readonly [functionName: string, url: string])[]): CpuProfile {
  const nodes = frames.map(([functionName, url], id) => ({
    id,
    callFrame: { functionName, url },
    children: id + 1 < frames.length ? [id + 1] : [],
  }));
  return { nodes, samples: [nodes.length - 1], timeDeltas: [1_000] };
}

function partOf(...frames: (readonly [functionName: string, url: string])[]): string {
  const shares = Object.entries(partShares([stack(["(root)", ""], ...frames)]));
  return shares.find(([, share]) => share === 1)?.[0] ?? "none";
}

const SOURCE = "file:///src/lib";

Deno.test("partShares() counts native code and WebAssembly for whoever called it", () => {
  const wasm = ["wasm-function[3]", "wasm://wasm/1"] as const;
  assert.equal(partOf(["encode", `${SOURCE}/encoder/fast_encoder.ts`], wasm), "encoding");
  assert.equal(
    partOf(["take", `${SOURCE}/ingest/batch.ts`], ["slice", ""]),
    "envelope and batching",
  );
});

Deno.test("partShares() counts the fast envelope pass as envelope", () => {
  const reader = ["readEnvelope", `${SOURCE}/encoder/fast_encoder.ts`] as const;
  assert.equal(partOf(["arrive", `${SOURCE}/ingest/intake.ts`], reader), "envelope and batching");
});

Deno.test("partShares() knows the clients by package and by folder", () => {
  const npm = "file:///cache/npm/registry";
  assert.equal(partOf(["parse", `${npm}/@nats-io/nats-core/3.4.0/lib/parser.js`]), "NATS client");
  assert.equal(partOf(["data", `${npm}/postgres/3.4.9/src/connection.js`]), "PostgreSQL client");
  assert.equal(partOf(["settle", `${SOURCE}/nats/pull_source.ts`]), "NATS client");
  assert.equal(partOf(["run", `${SOURCE}/store/session.ts`]), "PostgreSQL client");
});

Deno.test("partShares() counts Node's sockets for the PostgreSQL client, the rest as other", () => {
  assert.equal(partOf(["onRead", "ext:deno_node/net.ts"]), "PostgreSQL client");
  assert.equal(partOf(["run", "ext:core/01_core.js"]), "other");
  assert.equal(partOf(["(garbage collector)", ""]), "garbage collection");
});

Deno.test("partShares() adds profiles up and leaves idle time out", () => {
  const busy = stack(["run", `${SOURCE}/store/session.ts`]);
  const shares = partShares([busy, stack(["(idle)", ""]), stack(["(program)", ""]), busy]);
  assert.equal(shares["PostgreSQL client"], 0.667);
  assert.equal(shares.other, 0.333);
});

Deno.test("partShares() of nothing is nothing", () => {
  assert.deepEqual(partShares([stack(["(idle)", ""])]), {});
});
