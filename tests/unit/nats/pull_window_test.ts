import assert from "node:assert/strict";
import fc from "fast-check";
import { type PullRequest, PullWindow } from "../../../lib/nats/pull_window.ts";

const MIB = 1024 * 1024;

function windowOf(limits: Partial<ConstructorParameters<typeof PullWindow>[0]> = {}): PullWindow {
  return new PullWindow({
    messagesMax: 2_000,
    bytesMax: 4 * MIB,
    batchMax: 2_000,
    requestBytesMax: Infinity,
    ...limits,
  });
}

function askAll(window: PullWindow, room = () => Infinity): PullRequest[] {
  const requests: PullRequest[] = [];
  for (let next = window.next(room); next !== null; next = window.next(room)) requests.push(next);
  return requests;
}

const ended = (messagesLeft: number | null, isOversized = false) =>
  ({ kind: "ended", messagesLeft, isOversized }) as const;

Deno.test("PullWindow asks for unequal parts that fill the bounds", () => {
  assert.deepEqual(askAll(windowOf()), [
    { id: 1, batch: 667, maxBytes: 2 * MIB },
    { id: 2, batch: 1_333, maxBytes: 2 * MIB },
  ]);
});

Deno.test("PullWindow asks for what is missing when a request is used up", () => {
  const window = windowOf();
  askAll(window);
  for (let i = 0; i < 1_333; i++) window.received();
  window.answered(1, ended(0));
  assert.deepEqual(askAll(window), [{ id: 3, batch: 1_333, maxBytes: 2 * MIB }]);
});

Deno.test("PullWindow asks for no more than there is room for", () => {
  const window = windowOf({ messagesMax: 9_000, batchMax: 9_000 });
  const [first, second] = askAll(window, () => 6_000);
  assert.deepEqual([first?.batch, second?.batch], [2_000, 4_000]);
  for (let i = 0; i < 2_000; i++) window.received();
  window.answered(1, ended(0));
  assert.deepEqual(askAll(window, () => 4_000), []);
  for (let i = 0; i < 1_000; i++) window.received();
  assert.deepEqual(askAll(window, () => 5_000).map(({ batch }) => batch), [2_000]);
});

Deno.test("PullWindow asks for something where there is no room: the source is paused elsewhere", () => {
  const window = windowOf({ messagesMax: 9_000, batchMax: 9_000 });
  assert.deepEqual(askAll(window, () => -1).map(({ batch }) => batch), [667, 1_333]);
});

Deno.test("PullWindow bounds the messages of one request", () => {
  const batches = askAll(windowOf({ batchMax: 10 })).map(({ batch }) => batch);
  assert.deepEqual(batches, Array(8).fill(10));
});

Deno.test("PullWindow keeps a request within the bytes that the consumer allows", () => {
  assert.equal(askAll(windowOf({ requestBytesMax: 1_000 }))[0]?.maxBytes, 1_000);
});

Deno.test("PullWindow starts anew when 2.9 does not say that requests were used up", () => {
  const window = windowOf();
  askAll(window);
  for (let i = 0; i < 2_000; i++) window.received();
  assert.equal(window.outstanding, 0);
  assert.equal(askAll(window).length, 2);
});

Deno.test("PullWindow asks for one message of any size when the next is too large", () => {
  const window = windowOf();
  const [first, second] = askAll(window);
  window.answered(first?.id ?? 0, ended(667, true));
  assert.equal(window.next(() => Infinity), null);
  window.answered(second?.id ?? 0, ended(1_333, true));
  assert.deepEqual(askAll(window), [{ id: 3, batch: 1, maxBytes: null }]);
});

Deno.test("PullWindow goes back to full requests when the large message has come", () => {
  const window = windowOf();
  for (const { id, batch } of askAll(window)) window.answered(id, ended(batch, true));
  askAll(window);
  window.received();
  assert.equal(askAll(window).length, 2);
});

Deno.test("PullWindow does not take a request that delivered something for oversized", () => {
  const window = windowOf();
  const [first] = askAll(window);
  window.received();
  window.answered(first?.id ?? 0, ended(600, true));
  assert.notEqual(window.next(() => Infinity)?.maxBytes ?? null, null);
});

Deno.test("PullWindow frees a request that the server refused", () => {
  const window = windowOf();
  for (const { id } of askAll(window)) window.answered(id, { kind: "refused" });
  assert.equal(window.outstanding, 0);
});

Deno.test("PullWindow never owes more than its bounds, whatever is answered", () => {
  const step = fc.oneof(
    fc.constant({ kind: "received" as const }),
    fc.record({
      kind: fc.constant("ended" as const),
      nth: fc.nat(8),
      left: fc.option(fc.nat(3_000)),
      isOversized: fc.boolean(),
    }),
  );
  fc.assert(fc.property(fc.array(step), fc.integer({ min: 1, max: 300 }), (steps, batchMax) => {
    const window = windowOf({ messagesMax: 200, batchMax });
    const sent = askAll(window);
    for (const each of steps) {
      if (each.kind === "received") window.received();
      else window.answered(sent.at(-each.nth - 1)?.id ?? 0, ended(each.left, each.isOversized));
      sent.push(...askAll(window));
      assert.ok(window.outstanding > 0 && window.outstanding <= 200);
    }
  }));
});
