import assert from "node:assert/strict";
import { Background } from "../../../lib/ingest/background.ts";

/** Whether the promise is settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol();
  for (let round = 0; round < 5; round++) await Promise.resolve();
  return await Promise.race([promise, Promise.resolve(open)]) !== open;
}

Deno.test("Background.idle() resolves at once when there is no work", async () => {
  assert.equal(await isSettled(new Background().idle()), true);
});

Deno.test("Background.idle() waits for all work, also for what comes while it waits", async () => {
  const background = new Background();
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  background.add(first.promise);
  const [idle, alsoIdle] = [background.idle(), background.idle()];
  background.add(second.promise);
  first.resolve();
  assert.equal(await isSettled(idle), false);
  second.resolve();
  assert.equal(await isSettled(idle), true);
  assert.equal(await isSettled(alsoIdle), true);
  background.add(new Promise(() => {}));
  assert.equal(await isSettled(background.idle()), false);
});
