/** The cut points in PostgreSQL's protocol: where the connection is cut, and what passes before. */
import assert from "node:assert/strict";
import { FrameSplitter } from "../../../dev/faults/frame_splitter.ts";
import { PostgresCuts } from "../../../dev/faults/postgres_filter.ts";

/** A message of the protocol: type, length, body. */
function frame(type: string, body: string): Uint8Array {
  const bytes = new TextEncoder().encode(type + "    " + body);
  new DataView(bytes.buffer).setUint32(1, bytes.length - 1);
  return bytes;
}

const STARTUP = Uint8Array.of(0, 0, 0, 8, 0, 3, 0, 0);
const COMMIT = frame("Q", "COMMIT\0");
const COPY_DATA = frame("d", "1\tone\n");
const COPY_DONE = frame("c", "");
const WHOLE = frame("Q", "BEGIN; COPY t (a) FROM STDIN; COMMIT\0");

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

Deno.test("push() returns whole messages when bytes come one at a time", () => {
  const splitter = new FrameSplitter({ startsUntyped: true });
  const bytes = joined(STARTUP, COPY_DATA, COMMIT);
  const frames = [...bytes].flatMap((byte) => splitter.push(Uint8Array.of(byte)));
  assert.deepEqual(frames, [STARTUP, COPY_DATA, COMMIT]);
});

Deno.test("fromClient() passes everything when no cut is armed", () => {
  const filter = new PostgresCuts().filter();
  const verdict = filter.fromClient(joined(STARTUP, COPY_DATA, COMMIT));
  assert.deepEqual(verdict, { forward: [STARTUP, COPY_DATA, COMMIT], cut: false });
});

Deno.test("fromClient() cuts before COMMIT when that is armed", () => {
  const cuts = new PostgresCuts();
  const filter = cuts.filter();
  cuts.arm("before-commit", 1);
  const verdict = filter.fromClient(joined(STARTUP, COPY_DATA, COMMIT));
  assert.deepEqual(verdict, { forward: [STARTUP, COPY_DATA], cut: true });
  assert.equal(cuts.made["before-commit"], 1);
  assert.equal(cuts.pending, 0);
});

Deno.test("fromClient() leaves a COMMIT without COPY data alone when a cut is armed", () => {
  const cuts = new PostgresCuts();
  const filter = cuts.filter();
  cuts.arm("before-commit", 1);
  assert.equal(filter.fromClient(joined(STARTUP, COMMIT)).cut, false);
  assert.equal(cuts.pending, 1);
});

Deno.test("fromClient() cuts before the end of the data when COMMIT stands behind the COPY", () => {
  const cuts = new PostgresCuts();
  const filter = cuts.filter();
  cuts.arm("before-commit", 1);
  const verdict = filter.fromClient(joined(STARTUP, WHOLE, COPY_DATA, COPY_DONE));
  assert.deepEqual(verdict, { forward: [STARTUP, WHOLE, COPY_DATA], cut: true });
  assert.equal(cuts.pending, 0);
});

Deno.test("fromClient() passes the end of the data when COMMIT comes by itself", () => {
  const cuts = new PostgresCuts();
  const filter = cuts.filter();
  cuts.arm("before-commit", 1);
  const copy = frame("Q", "COPY t (a) FROM STDIN\0");
  const called = filter.fromClient(joined(STARTUP, WHOLE, frame("f", "called off\0")));
  assert.equal(called.cut, false);
  const verdict = filter.fromClient(joined(copy, COPY_DATA, COPY_DONE, COMMIT));
  assert.deepEqual(verdict, { forward: [copy, COPY_DATA, COPY_DONE], cut: true });
});

Deno.test("fromServer() swallows the answer and cuts when COMMIT was carried out", () => {
  const cuts = new PostgresCuts();
  const filter = cuts.filter();
  cuts.arm("after-commit", 1);
  const passed = filter.fromClient(joined(STARTUP, COPY_DATA, COMMIT));
  assert.deepEqual(passed, { forward: [STARTUP, COPY_DATA, COMMIT], cut: false });
  const copied = filter.fromServer(frame("C", "COPY 1\0"));
  assert.deepEqual(copied, { forward: [], cut: false });
  assert.deepEqual(filter.fromServer(frame("C", "COMMIT\0")), { forward: [], cut: true });
});

Deno.test("fromServer() passes everything, and cuts the next time, when COMMIT was not carried out", () => {
  const cuts = new PostgresCuts();
  const filter = cuts.filter();
  cuts.arm("after-commit", 1);
  const [failed, ready] = [frame("E", "a key is there\0"), frame("Z", "E")];
  filter.fromClient(joined(STARTUP, WHOLE, COPY_DATA, COPY_DONE));
  assert.deepEqual(filter.fromServer(failed), { forward: [], cut: false });
  assert.deepEqual(filter.fromServer(ready), { forward: [failed, ready], cut: false });
  assert.deepEqual([cuts.pending, cuts.made["after-commit"]], [1, 0]);
  filter.fromClient(joined(WHOLE, COPY_DATA, COPY_DONE));
  assert.deepEqual(filter.fromServer(frame("C", "COMMIT\0")), { forward: [], cut: true });
  assert.deepEqual([cuts.pending, cuts.made["after-commit"]], [0, 1]);
});

Deno.test("fromClient() passes half of the data when a cut in COPY is armed", () => {
  const cuts = new PostgresCuts();
  const filter = cuts.filter();
  cuts.arm("in-copy", 1);
  const { forward, cut } = filter.fromClient(joined(STARTUP, COPY_DATA, COMMIT));
  assert.equal(cut, true);
  assert.deepEqual(forward, [STARTUP, COPY_DATA.subarray(0, Math.ceil(COPY_DATA.length / 2))]);
});
