import assert from "node:assert/strict";
import { FlowControl } from "../../../lib/ingest/flow_control.ts";

function flowOf(options: { canPause?: boolean; ackPendingMax?: number } = {}): {
  flow: FlowControl;
  calls: string[];
} {
  const calls: string[] = [];
  const flow = new FlowControl(
    { heldBytesMax: 1_000, ackPendingMax: options.ackPendingMax ?? Infinity },
    {
      canPause: options.canPause ?? true,
      pause: () => calls.push("pause"),
      resume: () => calls.push("resume"),
    },
    () => calls.push("press"),
  );
  return { flow, calls };
}

function valveCalls(calls: readonly string[]): string[] {
  return calls.filter((call) => call !== "press");
}

Deno.test("FlowControl pauses the source at the bound and resumes it a little below", () => {
  const { flow, calls } = flowOf();
  flow.hold(600);
  flow.hold(399);
  assert.deepEqual(valveCalls(calls), []);
  flow.hold(1);
  flow.hold(50);
  assert.deepEqual(valveCalls(calls), ["pause"]);
  assert.equal(flow.isPaused, true);
  flow.release(50);
  flow.release(1);
  assert.deepEqual(valveCalls(calls), ["pause"]);
  flow.release(399);
  assert.deepEqual(valveCalls(calls), ["pause", "resume"]);
});

Deno.test("FlowControl has room for messages as large as those held, or held last", () => {
  const { flow } = flowOf();
  assert.equal(flow.room, 0, "of a kibibyte while nothing is known");
  flow.hold(940);
  flow.hold(20);
  flow.release(940);
  flow.hold(20);
  assert.equal(flow.room, 5, "a tenth of the bound, though that is far away");
  flow.hold(899);
  flow.release(20);
  flow.release(20);
  flow.hold(20);
  flow.hold(41);
  assert.equal(flow.room, 0, "what is left of the bound");
  flow.hold(41);
  assert.ok(flow.room < 0);
});

Deno.test("FlowControl refuses beyond the bound when the source cannot pause", () => {
  const { flow, calls } = flowOf({ canPause: false });
  flow.hold(1_000);
  assert.equal(flow.mustRefuse, true);
  assert.deepEqual(valveCalls(calls), []);
  flow.release(1_000);
  assert.equal(flow.mustRefuse, false);
});

Deno.test("FlowControl is pressed by bytes before the bound and by messages near the limit", () => {
  const { flow } = flowOf({ ackPendingMax: 10 });
  for (let message = 0; message < 8; message++) flow.hold(1);
  assert.equal(flow.isPressed, false);
  flow.hold(1);
  assert.equal(flow.isPressed, true);
  assert.equal(flow.isPending(8), false);
  assert.equal(flow.isPending(9), true);
  const bytes = flowOf().flow;
  bytes.hold(700);
  assert.equal(bytes.isPressed, false);
  bytes.hold(50);
  assert.equal(bytes.isPressed, true);
});

// The source stayed paused until windows ran out: what was flushed early left just over half of the
// bound, and the source went on at half of it.
Deno.test("FlowControl resumes the source when the excess it names is released", () => {
  for (const overshoot of [0, 10, 400]) {
    const { flow, calls } = flowOf();
    const messages = 100 + overshoot;
    for (let message = 0; message < messages; message++) flow.hold(10);
    assert.equal(flow.isPaused, true);
    const flushed = Math.ceil(messages * flow.excess);
    for (let message = 0; message < flushed; message++) flow.release(10);
    assert.deepEqual(valveCalls(calls), ["pause", "resume"]);
    assert.equal(flow.isPressed, false);
  }
});

Deno.test("FlowControl calls for early flushes again and again while it is pressed", () => {
  const { flow, calls } = flowOf();
  flow.hold(740);
  assert.deepEqual(calls, []);
  flow.hold(10);
  assert.deepEqual(calls, ["press"]);
  flow.hold(62);
  assert.deepEqual(calls, ["press"]);
  flow.hold(1);
  assert.deepEqual(calls, ["press", "press"]);
});

Deno.test("FlowControl pauses the source while a tenth of the bound waits behind one flush", () => {
  const { flow, calls } = flowOf();
  const [writer, other] = [{}, {}];
  flow.hold(130);
  flow.queue(writer, 99);
  assert.deepEqual(valveCalls(calls), []);
  flow.queue(writer, 100);
  flow.queue(other, 30);
  assert.deepEqual(valveCalls(calls), ["pause"]);
  flow.queue(other, 0);
  flow.release(1);
  assert.equal(flow.isPaused, true, "the longest is as long as before");
  flow.queue(writer, 0);
  assert.deepEqual(valveCalls(calls), ["pause", "resume"]);
  flow.queue(other, 1_000);
  assert.equal(flow.isPaused, true);
});

Deno.test("FlowControl stays paused at one bound when the other is relieved", () => {
  const { flow } = flowOf();
  const writer = {};
  flow.hold(1_000);
  flow.queue(writer, 500);
  flow.queue(writer, 0);
  assert.equal(flow.isPaused, true);
  flow.queue(writer, 500);
  flow.release(1_000);
  assert.equal(flow.isPaused, true);
  flow.queue(writer, 0);
  assert.equal(flow.isPaused, false);
});

Deno.test("FlowControl has room for what may still wait behind the longest", () => {
  const { flow } = flowOf();
  for (let message = 0; message < 10; message++) flow.hold(10);
  assert.equal(flow.room, 10);
  flow.queue({}, 80);
  assert.equal(flow.room, 2);
});

Deno.test("FlowControl has no excess while little is held", () => {
  const { flow } = flowOf({ ackPendingMax: 10 });
  assert.equal(flow.excess, 0);
  flow.hold(700);
  assert.equal(flow.excess, 0);
  flow.hold(700);
  assert.equal(flow.excess, 0.5);
});

Deno.test("FlowControl.copyBefore() names the time since which one and a half bounds came", () => {
  const { flow } = flowOf();
  const receive = (bytes: number): void => {
    flow.hold(bytes);
    flow.release(bytes);
  };
  assert.equal(flow.copyBefore(10), -Infinity);
  receive(1_000);
  assert.equal(flow.copyBefore(20), -Infinity);
  receive(500);
  assert.equal(flow.copyBefore(30), 10);
  receive(1_000);
  assert.equal(flow.copyBefore(40), 20);
});
