import assert from "node:assert/strict";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import { Janitor } from "../../../lib/ingest/janitor.ts";
import type { AckFloor, LedgerKeeper } from "../../../lib/ingest/ports.ts";
import type { Log } from "../../../lib/log.ts";
import { ORIGIN } from "../../support/deliveries.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const silently = (): void => undefined;
const SILENT: Log = { debug: silently, info: silently, warn: silently, error: silently };

/** A janitor whose ledger has `chunks` to prune, and what it did. */
function janitorOf(
  options: {
    chunks?: number;
    floor?: AckFloor | null;
    fails?: boolean;
    isShared?: boolean;
    reclaim?: (signal: AbortSignal) => Promise<void>;
  } = {},
): {
  janitor: Janitor;
  clock: FakeClock;
  calls: string[];
} {
  const clock = new FakeClock();
  const calls: string[] = [];
  let left = options.chunks ?? 0;
  const keeper: LedgerKeeper = {
    recordFloor(floor): Promise<void> {
      calls.push(`record ${floor.sequence}`);
      return options.fails === true
        ? Promise.reject(new StoreUnavailableError("away"))
        : Promise.resolve();
    },
    prune(_origin, ageMs): Promise<boolean> {
      calls.push(`prune ${ageMs}`);
      return Promise.resolve(left-- > 1);
    },
    reclaim(signal): Promise<void> {
      calls.push("reclaim");
      return options.reclaim?.(signal) ?? Promise.resolve();
    },
  };
  const floor = options.floor === undefined ? { origin: ORIGIN, sequence: 7 } : options.floor;
  const janitor = new Janitor({
    keeper,
    ackFloor: () => Promise.resolve(floor),
    isShared: () => options.isShared === true,
    floorAgeMs: 600_000,
    clock,
    log: SILENT,
    onBug: (error) => assert.fail(String(error)),
  });
  return { janitor, clock, calls };
}

Deno.test("Janitor records the floor once a minute and prunes until nothing is left", async () => {
  const { janitor, clock, calls } = janitorOf({ chunks: 3 });
  await clock.advance(60_000);
  const prune = "prune 600000";
  assert.deepEqual(calls, ["record 7", prune, prune, prune, "reclaim"]);
  await clock.advance(60_000);
  assert.equal(calls.filter((call) => call === "record 7").length, 2);
  await janitor[Symbol.asyncDispose]();
});

Deno.test("Janitor has nothing to do under core NATS", async () => {
  const { janitor, clock, calls } = janitorOf({ floor: null });
  await clock.advance(180_000);
  assert.deepEqual(calls, []);
  await janitor[Symbol.asyncDispose]();
});

Deno.test("Janitor waits for the next round when the database is away", async () => {
  const { janitor, clock, calls } = janitorOf({ fails: true });
  await clock.advance(120_000);
  assert.deepEqual(calls, ["record 7", "record 7"]);
  await janitor[Symbol.asyncDispose]();
});

Deno.test("Janitor remembers the floor of a shared consumer at once, often, and at the end", async () => {
  const { janitor, clock, calls } = janitorOf({ isShared: true });
  const records = (): number => calls.filter((call) => call === "record 7").length;
  await clock.advance(0);
  assert.equal(records(), 1);
  await clock.advance(10_000);
  assert.equal(records(), 3);
  await janitor[Symbol.asyncDispose]();
  assert.equal(records(), 4);
});

Deno.test("Janitor goes on with its rounds while space is reclaimed, and ends that when it stops", async () => {
  const untilAborted = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
  const { janitor, clock, calls } = janitorOf({ reclaim: untilAborted });
  await clock.advance(180_000);
  assert.equal(calls.filter((call) => call === "record 7").length, 3);
  assert.equal(calls.filter((call) => call === "reclaim").length, 1);
  await janitor[Symbol.asyncDispose]();
});

Deno.test("Janitor reclaims space in the next round when it could not be done", async () => {
  const away = (): Promise<void> => Promise.reject(new StoreUnavailableError("away"));
  const { janitor, clock, calls } = janitorOf({ reclaim: away });
  await clock.advance(120_000);
  assert.equal(calls.filter((call) => call === "reclaim").length, 2);
  await janitor[Symbol.asyncDispose]();
});
