/** Windows, extensions and eviction go by the monotonic clock: the wall clock may be set at any time. */
import assert from "node:assert/strict";
import type { BatchWriter } from "../../../lib/ingest/batch_writer.ts";
import type { Delivery } from "../../../lib/ingest/delivery.ts";
import { WriterCache } from "../../../lib/ingest/writer_cache.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { sharedPostgres, waitFor } from "../../support/servers.ts";
import { Messages } from "../schema/landing.ts";
import { openFixture } from "../store/store_fixture.ts";
import { writerContext } from "./writer_context_fixture.ts";

const server = await sharedPostgres();

const HOUR_MS = 3_600_000;
const WINDOW_MS = 60_000;
const ACK_WAIT_MS = 30_000;
const IDLE_MS = 600_000;

interface CacheFixture extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly cache: WriterCache;
  /** How the message was settled and extended, in this order. */
  readonly calls: string[];
  /** Hands one message to the processor's writer. */
  add(): void;
}

async function setup(): Promise<CacheFixture> {
  const store = await openFixture(server);
  const clock = new FakeClock();
  const stopped = new AbortController();
  const background = new Set<Promise<void>>();
  const context = writerContext(store, {
    turnsMax: 2,
    clock,
    stopped: stopped.signal,
    track: (work) => background.add(work),
  });
  const cache = new WriterCache({
    context,
    idleMs: IDLE_MS,
    settingsMs: Infinity,
    ackWaitMs: ACK_WAIT_MS,
    ackPending: () => Promise.resolve(null),
    refreshSettings: () => {},
    extendOthers: () => {},
  });
  const properties = { batchSize: 1_000, batchWindowTTL: WINDOW_MS / 1_000 };
  const writer = (): BatchWriter => cache.writer({ processorId: "p", properties });
  const calls: string[] = [];
  const messages = new Messages();
  return {
    clock,
    cache,
    calls,
    add(): void {
      const delivery = messages.next(`{"id":1}`);
      writer().add(recordedInto(calls, { ...delivery, heldSinceMs: clock.monotonic() }));
    },
    async [Symbol.asyncDispose](): Promise<void> {
      cache[Symbol.dispose]();
      stopped.abort(new Error("The test is over"));
      await cache.idle();
      await Promise.all(background);
      await store[Symbol.asyncDispose]();
    },
  };
}

function recordedInto(calls: string[], delivery: Delivery): Delivery {
  const message = {
    ...delivery.message,
    ack: () => calls.push("ack"),
    extend: () => calls.push("extend"),
  };
  return { ...delivery, message };
}

for (const [name, jumpMs] of [["forward", HOUR_MS], ["back", -HOUR_MS]] as const) {
  Deno.test(`a wall clock set ${name} by an hour moves no window and no extension`, async () => {
    await using fixture = await setup();
    const { clock, calls } = fixture;
    fixture.add();
    await clock.advance(1_000);
    clock.jump(jumpMs);
    await clock.advance(ACK_WAIT_MS / 3 - 1_500);
    assert.equal(calls.join(" "), "");
    await clock.advance(1_000);
    assert.equal(calls.join(" "), "extend");
    await clock.advance(WINDOW_MS - ACK_WAIT_MS / 3 - 1_000);
    assert.equal(calls.includes("ack"), false);
    await clock.advance(1_000);
    await waitFor(() => calls.includes("ack"), { what: "the ack when the window is over" });
  });

  Deno.test(`a wall clock set ${name} by an hour forgets no writer that was used`, async () => {
    await using fixture = await setup();
    const { clock, cache, calls } = fixture;
    fixture.add();
    await clock.advance(WINDOW_MS + 1_000);
    await waitFor(() => calls.includes("ack"), { what: "the ack" });
    await cache.idle();
    clock.jump(jumpMs);
    await clock.advance(IDLE_MS - WINDOW_MS);
    assert.equal(cache.size, 1);
    await clock.advance(WINDOW_MS + 2_000);
    assert.equal(cache.size, 0);
  });
}
