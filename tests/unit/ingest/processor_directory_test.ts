/** The cache of processors: what it asks the catalog for, and when. */
import assert from "node:assert/strict";
import { Counters } from "../../../lib/ingest/counters.ts";
import type { ProcessorKey, ProcessorRecord } from "../../../lib/ingest/processor_catalog.ts";
import { ProcessorDirectory } from "../../../lib/ingest/processor_directory.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const CACHE_MS = 30_000;
const LOOKUP_MS = 5;

/** A directory, and the keys that it asks for; each has a processor of its route's name. */
function openDirectory(clock: FakeClock): { directory: ProcessorDirectory; asked: ProcessorKey[] } {
  const asked: ProcessorKey[] = [];
  const find = (keys: readonly ProcessorKey[]): readonly ProcessorRecord[] => {
    asked.push(...keys.map((key) => ({ ...key })));
    return keys.map(({ routeId }) => ({ processorId: `of ${routeId}`, properties: null }));
  };
  const line = (): void => {};
  const directory = new ProcessorDirectory({
    catalog: {
      findProcessor: () => Promise.reject(new TypeError("nobody asks for one")),
      findProcessors: (keys) => clock.delay(LOOKUP_MS).then(() => find(keys)),
    },
    lookupsMax: 1,
    clock,
    log: { debug: line, info: line, warn: line, error: line },
    counters: new Counters(),
    cacheMs: CACHE_MS,
    onRecord: line,
    onBug: (error) => {
      throw error;
    },
    stopped: new AbortController().signal,
  });
  return { directory, asked };
}

Deno.test("ProcessorDirectory.peek() asks anew for the key that it was given, whatever becomes of it", async () => {
  const clock = new FakeClock();
  const { directory, asked } = openDirectory(clock);
  const key = { routeId: "a", processorId: null };
  assert.equal(directory.peek(key, clock.monotonic()), undefined);
  const lookup = directory.lookUp({ ...key });
  await clock.advance(LOOKUP_MS);
  assert.equal((await lookup)?.processorId, "of a");
  await clock.advance(CACHE_MS);
  assert.equal(directory.peek(key, clock.monotonic())?.processorId, "of a");
  key.routeId = "b"; // the next message's
  await clock.advance(LOOKUP_MS);
  assert.deepEqual(asked.map(({ routeId }) => routeId), ["a", "a"]);
  assert.equal(directory.peek({ ...key, routeId: "a" }, clock.monotonic())?.processorId, "of a");
  assert.equal(directory.peek(key, clock.monotonic()), undefined);
});
