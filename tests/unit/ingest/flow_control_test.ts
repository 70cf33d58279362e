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
  );
  return { flow, calls };
}

Deno.test("FlowControl pauses the source at the bound and resumes it at half", () => {
  const { flow, calls } = flowOf();
  flow.hold(600);
  flow.hold(399);
  assert.deepEqual(calls, []);
  flow.hold(1);
  flow.hold(50);
  assert.deepEqual(calls, ["pause"]);
  assert.equal(flow.isPaused, true);
  flow.release(399);
  assert.deepEqual(calls, ["pause"]);
  flow.release(600);
  assert.deepEqual(calls, ["pause", "resume"]);
});

Deno.test("FlowControl refuses beyond the bound when the source cannot pause", () => {
  const { flow, calls } = flowOf({ canPause: false });
  flow.hold(1_000);
  assert.equal(flow.mustRefuse, true);
  assert.deepEqual(calls, []);
  flow.release(1_000);
  assert.equal(flow.mustRefuse, false);
});

Deno.test("FlowControl is pressed by bytes at the bound and by messages near the limit", () => {
  const { flow } = flowOf({ ackPendingMax: 10 });
  for (let message = 0; message < 8; message++) flow.hold(1);
  assert.equal(flow.isPressed, false);
  flow.hold(1);
  assert.equal(flow.isPressed, true);
  assert.equal(flow.isPending(8), false);
  assert.equal(flow.isPending(9), true);
  const bytes = flowOf().flow;
  bytes.hold(1_000);
  assert.equal(bytes.isPressed, true);
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
