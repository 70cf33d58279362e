import assert from "node:assert/strict";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import type { Log } from "../../../lib/log.ts";
import { StoreGate, type StoreTurn } from "../../../lib/ingest/store_gate.ts";
import { FakeClock } from "../../support/fake_clock.ts";

function gateOf(turnsMax: number): { gate: StoreGate; clock: FakeClock; lines: string[] } {
  const lines: string[] = [];
  const line = (message: string): void => {
    lines.push(message);
  };
  const log: Log = { debug: line, info: line, warn: line, error: line };
  const clock = new FakeClock();
  return { gate: new StoreGate({ turnsMax, clock, log }), clock, lines };
}

/** Takes a turn in the background and says whether it came. */
function asking(gate: StoreGate): { turn: StoreTurn | null } {
  const asked: { turn: StoreTurn | null } = { turn: null };
  gate.take().then((turn) => asked.turn = turn);
  return asked;
}

Deno.test("StoreGate hands out as many turns as there are connections, first come first served", async () => {
  const { gate, clock } = gateOf(2);
  const first = asking(gate);
  const second = asking(gate);
  const third = asking(gate);
  await clock.advance(0);
  assert.ok(first.turn !== null && second.turn !== null);
  assert.equal(third.turn, null);
  first.turn[Symbol.dispose]();
  await clock.advance(0);
  assert.notEqual(third.turn, null);
});

Deno.test("StoreGate lets one try at growing intervals during an outage, all of them after it", async () => {
  const { gate, clock, lines } = gateOf(4);
  const first = await gate.take();
  first.failed(new StoreUnavailableError("connection refused"));
  first[Symbol.dispose]();
  assert.equal(gate.isOutage, true);
  const waiting = [asking(gate), asking(gate), asking(gate)];
  await clock.advance(0);
  assert.equal(waiting.filter(({ turn }) => turn !== null).length, 0);
  await clock.advance(100);
  assert.equal(waiting.filter(({ turn }) => turn !== null).length, 1);
  waiting[0]?.turn?.succeeded();
  await clock.advance(0);
  assert.equal(gate.isOutage, false);
  assert.equal(waiting.filter(({ turn }) => turn !== null).length, 3);
  assert.equal(lines.length, 2);
});

Deno.test("StoreGate logs a long outage once a minute", async () => {
  const { gate, clock, lines } = gateOf(1);
  for (let second = 0; second < 300; second++) {
    const turn = await gate.take();
    turn.failed(new StoreUnavailableError("connection refused"));
    turn[Symbol.dispose]();
    await clock.advance(2_000);
  }
  assert.ok(lines.length >= 9 && lines.length <= 11, `${lines.length} lines`);
});

Deno.test("StoreGate says once for each SQLSTATE, and at once, why an outage goes on", async () => {
  const { gate, clock, lines } = gateOf(1);
  for (const sqlState of [undefined, "57P03", "28P01", undefined, "57P03", "28P01"]) {
    const turn = await gate.take();
    turn.failed(new StoreUnavailableError("why", sqlState === undefined ? {} : { sqlState }));
    turn[Symbol.dispose]();
    await clock.advance(2_000);
  }
  assert.equal(lines.length, 3);
});

Deno.test("StoreGate sees no outage in a deadlock or a timeout of one transaction", async () => {
  const { gate, lines } = gateOf(1);
  for (const sqlState of ["40P01", "40001", "55P03", "57014"]) {
    using turn = await gate.take();
    turn.failed(new StoreUnavailableError("once", { sqlState }));
  }
  assert.equal(gate.isOutage, false);
  assert.deepEqual(lines, []);
});

Deno.test("StoreGate.take() rejects when its signal aborts, and passes the turn on", async () => {
  const { gate } = gateOf(1);
  const held = await gate.take();
  const stop = new AbortController();
  const waiting = gate.take(stop.signal);
  stop.abort(new Error("stop"));
  await assert.rejects(waiting, /stop/);
  held[Symbol.dispose]();
  (await gate.take())[Symbol.dispose]();
});

Deno.test("StoreGate gives turns to small flushes beside those of large ones, up to 128", async () => {
  const { gate } = gateOf(1);
  const large = await gate.take();
  const waiting = gate.take();
  const small = await Promise.all(Array.from({ length: 128 }, () => gate.take(undefined, true)));
  let isTaken = false;
  const next = gate.take(undefined, true).then((turn) => {
    isTaken = true;
    return turn;
  });
  large[Symbol.dispose]();
  await waiting;
  assert.equal(isTaken, false);
  small[0]?.[Symbol.dispose]();
  await next;
});

Deno.test("StoreGate lets a single small flush try during an outage", async () => {
  const { gate, clock } = gateOf(4);
  using first = await gate.take(undefined, true);
  first.failed(new StoreUnavailableError("connection refused"));
  first[Symbol.dispose]();
  let taken = 0;
  for (let asked = 0; asked < 3; asked++) gate.take(undefined, true).then(() => taken++);
  await clock.advance(100);
  assert.equal(taken, 1);
});

Deno.test("takeSpare() leaves one turn free for whoever comes", async () => {
  const { gate } = gateOf(3);
  using first = await gate.take();
  using second = gate.takeSpare();
  assert.notEqual(second, null);
  assert.equal(gate.takeSpare(), null);
  using third = await gate.take();
  assert.notEqual(third, first);
});

Deno.test("takeSpare() gives nothing while somebody waits", async () => {
  const { gate, clock } = gateOf(3);
  const turns = [await gate.take(), await gate.take(), await gate.take()];
  const waiting = asking(gate);
  assert.equal(gate.takeSpare(), null);
  for (const turn of turns) turn[Symbol.dispose]();
  await clock.advance(0);
  waiting.turn?.[Symbol.dispose]();
  assert.notEqual(gate.takeSpare(), null);
});

Deno.test("takeSpare() gives nothing during an outage", async () => {
  const { gate } = gateOf(4);
  using turn = await gate.take();
  turn.failed(new StoreUnavailableError("connection refused"));
  assert.equal(gate.takeSpare(), null);
});
