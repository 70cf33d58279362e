import assert from "node:assert/strict";
import { LookupLane } from "../../lib/lookup_lane.ts";
import type { ProcessorKey, ProcessorRecord } from "../../lib/ingest/processor_catalog.ts";

interface Query {
  readonly routes: readonly (string | null)[];
  readonly answer: PromiseWithResolvers<readonly (ProcessorRecord | null)[]>;
}

function laneOf(
  atOnceMax: number,
): { lane: LookupLane<ProcessorKey, ProcessorRecord>; queries: Query[] } {
  const queries: Query[] = [];
  const lane = new LookupLane<ProcessorKey, ProcessorRecord>(atOnceMax, (keys) => {
    const answer = Promise.withResolvers<readonly (ProcessorRecord | null)[]>();
    queries.push({ routes: keys.map(({ routeId }) => routeId), answer });
    return answer.promise;
  });
  return { lane, queries };
}

function keyOf(routeId: string): ProcessorKey {
  return { routeId, processorId: null };
}

function record(processorId: string): ProcessorRecord {
  return { processorId, properties: null };
}

Deno.test("LookupLane asks together for what came while a query was under way", async () => {
  const { lane, queries } = laneOf(1);
  const first = lane.find(keyOf("a"));
  const others = ["b", "c"].map((route) => lane.find(keyOf(route)));
  assert.deepEqual(queries.map(({ routes }) => routes), [["a"]]);
  queries[0]?.answer.resolve([record("p-a")]);
  assert.deepEqual(await first, record("p-a"));
  await Promise.resolve();
  assert.deepEqual(queries.map(({ routes }) => routes), [["a"], ["b", "c"]]);
  queries[1]?.answer.resolve([null, record("p-c")]);
  assert.deepEqual(await Promise.all(others), [null, record("p-c")]);
});

Deno.test("LookupLane asks so many queries at once, of 100 keys at most", async () => {
  const { lane, queries } = laneOf(2);
  const found = Array.from({ length: 152 }, (_, index) => lane.find(keyOf(String(index))));
  assert.deepEqual(queries.map(({ routes }) => routes.length), [1, 1]);
  for (const { answer } of queries.slice()) answer.resolve([null]);
  await Promise.all(found.slice(0, 2));
  await Promise.resolve();
  assert.deepEqual(queries.map(({ routes }) => routes.length), [1, 1, 100, 50]);
  for (const { routes, answer } of queries.slice(2)) answer.resolve(routes.map(() => null));
  await Promise.all(found);
});

Deno.test("LookupLane rejects the keys of a failed query and goes on", async () => {
  const { lane, queries } = laneOf(1);
  const failed = assert.rejects(lane.find(keyOf("a")), /away/);
  const next = lane.find(keyOf("b"));
  queries[0]?.answer.reject(new Error("the database is away"));
  await failed;
  await Promise.resolve();
  queries[1]?.answer.resolve([record("p-b")]);
  assert.deepEqual(await next, record("p-b"));
});
