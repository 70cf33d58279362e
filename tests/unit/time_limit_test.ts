import assert from "node:assert/strict";
import { TimeLimit } from "../../lib/time_limit.ts";
import { FakeClock } from "../support/fake_clock.ts";

function limitOf(limitMs: number): { limit: TimeLimit<string>; clock: FakeClock; late: string[] } {
  const clock = new FakeClock();
  const late: string[] = [];
  const limit = new TimeLimit<string>({ clock, limitMs, onLate: (item) => late.push(item) });
  return { limit, clock, late };
}

Deno.test("TimeLimit tells of each wait that lasts longer, at its own time", async () => {
  const { limit, clock, late } = limitOf(100);
  limit.begin("a");
  await clock.advance(60);
  limit.begin("b");
  await clock.advance(39);
  assert.deepEqual(late, []);
  await clock.advance(1);
  assert.deepEqual(late, ["a"]);
  await clock.advance(59);
  assert.deepEqual(late, ["a"]);
  await clock.advance(1);
  assert.deepEqual(late, ["a", "b"]);
});

Deno.test("TimeLimit tells of none that has ended, whichever ends first", async () => {
  const { limit, clock, late } = limitOf(100);
  const [first, second, third] = ["a", "b", "c"].map((item) => limit.begin(item));
  assert(first !== undefined && second !== undefined && third !== undefined);
  limit.end(second);
  limit.end(first);
  limit.end(first); // nothing happens
  await clock.advance(1_000);
  assert.deepEqual(late, ["c"]);
  limit.end(third);
});

Deno.test("TimeLimit begins anew when all have ended", async () => {
  const { limit, clock, late } = limitOf(100);
  limit.end(limit.begin("a"));
  await clock.advance(90);
  limit.begin("b"); // the timer of the first one is still there
  await clock.advance(99);
  assert.deepEqual(late, []);
  await clock.advance(1);
  assert.deepEqual(late, ["b"]);
});

Deno.test("TimeLimit takes what is begun while it tells", async () => {
  const clock = new FakeClock();
  const late: number[] = [];
  const limit = new TimeLimit<number>({
    clock,
    limitMs: 100,
    onLate: (item) => {
      late.push(item);
      if (item < 3) limit.begin(item + 1);
    },
  });
  limit.begin(1);
  await clock.advance(300);
  assert.deepEqual(late, [1, 2, 3]);
});

Deno.test("TimeLimit tells of nothing any more once it is disposed", async () => {
  const { limit, clock, late } = limitOf(100);
  limit.begin("a");
  limit[Symbol.dispose]();
  await clock.advance(1_000);
  assert.deepEqual(late, []);
});
