import assert from "node:assert/strict";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import type { RejectShelf, TrimmedRejects } from "../../../lib/ingest/kept_reject.ts";
import { RejectCap } from "../../../lib/ingest/reject_cap.ts";
import type { Log } from "../../../lib/log.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const BOUNDS = { ageMaxMs: 30 * 86_400_000, bytesMax: 1024 };

interface Outcome {
  readonly warnings: unknown[];
  readonly bugs: unknown[];
}

/** What the cap says when its first trim ends so. */
async function outcomeOf(trim: () => Promise<TrimmedRejects>): Promise<Outcome> {
  const clock = new FakeClock();
  const warnings: unknown[] = [];
  const bugs: unknown[] = [];
  const refuse = (): never => assert.fail("not to be called");
  const rejects: RejectShelf = {
    list: refuse,
    read: refuse,
    count: refuse,
    purge: refuse,
    restate: refuse,
    parkedProcessors: refuse,
    trim,
  };
  const log: Log = {
    debug: refuse,
    info: refuse,
    error: refuse,
    warn: (message, fields) => warnings.push({ message, ...fields }),
  };
  {
    await using _cap = new RejectCap({
      rejects,
      bounds: BOUNDS,
      clock,
      log,
      onBug: (error) => bugs.push(error),
    });
    await clock.advance(5 * 60_000);
  }
  return { warnings, bugs };
}

Deno.test("RejectCap says loudly what was dropped", async () => {
  const { warnings } = await outcomeOf(() => Promise.resolve({ forAge: 2, forSize: 3 }));
  assert.deepEqual(warnings, [{
    message: "Rejects were dropped for good, the oldest first, to stay within the bounds",
    dropped_for_age: 2,
    dropped_for_size: 3,
    age_max_days: 30,
    bytes_max: 1024,
  }]);
});

Deno.test("RejectCap says nothing when nothing was dropped", async () => {
  const { warnings } = await outcomeOf(() => Promise.resolve({ forAge: 0, forSize: 0 }));
  assert.deepEqual(warnings, []);
});

Deno.test("RejectCap leaves an unavailable database to the next time", async () => {
  const outcome = await outcomeOf(() => Promise.reject(new StoreUnavailableError("away")));
  assert.deepEqual(outcome, { warnings: [], bugs: [] });
});

Deno.test("RejectCap reports what only a mistake in the program explains", async () => {
  const bug = new TypeError("mistake");
  const { bugs } = await outcomeOf(() => Promise.reject(bug));
  assert.deepEqual(bugs, [bug]);
});
