import assert from "node:assert/strict";
import v8 from "node:v8";
import vm from "node:vm";
import { Counters } from "../../../lib/ingest/counters.ts";
import type { RouteStatus } from "../../../lib/ingest/ports.ts";
import { StatusReporter } from "../../../lib/ingest/status_reporter.ts";
import type { Log } from "../../../lib/log.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const silently = (): void => undefined;
const SILENT: Log = { debug: silently, info: silently, warn: silently, error: silently };

function statusOf(routeId: string, exception = ""): RouteStatus {
  return { routeId, status: "COMPLETED", exception, data: null, messageId: null };
}

interface Reported {
  readonly reporter: StatusReporter;
  readonly clock: FakeClock;
  readonly counters: Counters;
  readonly published: RouteStatus[];
}

/** A reporter whose monitor answers as `answer` says. */
function reporterTo(answer: (status: RouteStatus) => Promise<unknown>): Reported {
  const clock = new FakeClock();
  const counters = new Counters();
  const published: RouteStatus[] = [];
  const publisher = {
    publish: async (status: RouteStatus): Promise<void> => {
      published.push(status);
      // Whatever it is that the promise resolves to.
      return await answer(status) as void;
    },
  };
  const reporter = new StatusReporter({ publisher, clock, log: SILENT, counters });
  return { reporter, clock, counters, published };
}

Deno.test("StatusReporter.report() resolves when all are stored", async () => {
  const { reporter, counters } = reporterTo(() => Promise.resolve());
  await reporter.report([statusOf("a"), statusOf("b")]);
  assert.equal(counters.statuses, 2);
});

Deno.test("StatusReporter sends the next status of a route behind the one before", async () => {
  const first = Promise.withResolvers<void>();
  const { reporter, published } = reporterTo(({ exception }) =>
    exception === "1" ? first.promise : Promise.resolve()
  );
  const reported = reporter.report([statusOf("a", "1"), statusOf("b"), statusOf("a", "2")]);
  await Promise.resolve();
  assert.deepEqual(published.map(({ routeId }) => routeId), ["a", "b"]);
  first.resolve();
  await reported;
  assert.equal(published.at(-1)?.exception, "2");
});

Deno.test("StatusReporter.drain() waits for what is under way, and no longer than it may", async () => {
  const { reporter, clock, counters } = reporterTo(() => new Promise<never>(() => undefined));
  const reported = reporter.report([statusOf("a"), statusOf("a")]);
  const drained = reporter.drain(1_000);
  await clock.advance(1_000);
  await drained;
  await reported;
  assert.equal(counters.statusesLost, 2);
  assert.equal(counters.statuses, 0);
});

Deno.test("StatusReporter.reportInTime() waits for the monitor no longer than a moment", async () => {
  const stored = Promise.withResolvers<void>();
  const { reporter, clock, counters } = reporterTo(() => stored.promise);
  let isOver = false;
  const reported = reporter.reportInTime([statusOf("a"), statusOf("b")]).then(() => isOver = true);
  await clock.advance(249);
  assert.equal(isOver, false);
  await clock.advance(1);
  assert.equal(isOver, true);
  stored.resolve();
  await clock.advance(0);
  assert.equal(counters.statuses, 2);
  await reported;
});

Deno.test("StatusReporter tries again what failed, in order, and waits longer each time", async () => {
  let isAway = true;
  const { reporter, clock, counters, published } = reporterTo(() =>
    isAway ? Promise.reject(new Error("away")) : Promise.resolve()
  );
  const reported = reporter.report([statusOf("a", "1"), statusOf("a", "2"), statusOf("b", "3")]);
  await clock.advance(0);
  const triesBefore = published.length;
  await clock.advance(60_000);
  const tries = published.length - triesBefore;
  assert(tries >= 10 && tries < 100, `${tries} tries in a minute`);
  isAway = false;
  published.length = 0;
  await clock.advance(10_000);
  await reported;
  assert.equal(counters.statuses, 3);
  assert.deepEqual(
    published.filter(({ routeId }) => routeId === "a").map(({ exception }) => exception),
    ["1", "2"],
  );
});

Deno.test("StatusReporter has so many statuses under way and no more, each route once", async () => {
  const answers: (() => void)[] = [];
  const { reporter, counters, published } = reporterTo(() =>
    new Promise<void>((resolve) => answers.push(resolve))
  );
  const routes = Array.from({ length: 300 }, (_, index) => `route ${index}`);
  const reported = reporter.report([...routes, ...routes].map((route) => statusOf(route)));
  await Promise.resolve();
  assert.equal(published.length, 256);
  while (counters.statuses < 600) {
    // From the last on, so that routes end in another order than they began.
    answers.splice(0).reverse().forEach((answer) => answer());
    await Promise.resolve();
    await Promise.resolve();
  }
  await reported;
  assert.equal(published.length, 600);
});

Deno.test("StatusReporter keeps the order of every route when many wait", async () => {
  let isAway = true;
  const { reporter, clock, counters, published } = reporterTo(() =>
    isAway ? Promise.reject(new Error("away")) : Promise.resolve()
  );
  const statuses = Array.from(
    { length: 9_000 },
    (_, index) => statusOf(`route ${index % 200}`, String(index)),
  );
  const reported = reporter.report(statuses);
  await clock.advance(1_000);
  isAway = false;
  published.length = 0;
  await clock.advance(10_000);
  await reported;
  assert.equal(counters.statuses, 9_000);
  const last = new Map<string, number>();
  for (const { routeId, exception } of published) {
    assert(Number(exception) > (last.get(routeId) ?? -1), `${exception} comes too late`);
    last.set(routeId, Number(exception));
  }
});

Deno.test("StatusReporter gives up the oldest when too many wait", async () => {
  const { reporter, clock, counters, published } = reporterTo(() => new Promise<never>(() => {}));
  const late = reporter.report(
    Array.from({ length: 10_003 }, (_, index) => statusOf("a", String(index))),
  );
  assert.equal(published.length, 1);
  assert.equal(counters.statusesLost, 2);
  const drained = reporter.drain(1_000);
  await clock.advance(1_000);
  await drained;
  await late;
  assert.equal(counters.statusesLost, 10_003);
  await reporter.report([statusOf("b")]);
  assert.equal(counters.statusesLost, 10_004);
  assert.equal(published.length, 1);
});

// Each window raced against one promise that lived as long as the reporter, which kept them all.
Deno.test("StatusReporter keeps nothing of what the monitor has stored", async () => {
  const answers: WeakRef<object>[] = [];
  const { reporter } = reporterTo(() => {
    const answer = {};
    answers.push(new WeakRef(answer));
    return Promise.resolve(answer);
  });
  for (let count = 0; count < 10; count++) await reporter.report([statusOf("a")]);
  v8.setFlagsFromString("--expose-gc");
  const collect: () => void = vm.runInNewContext("gc");
  await new Promise((resolve) => setTimeout(resolve)); // a target lives on in the job that saw it
  collect();
  assert.equal(answers.length, 10);
  assert.equal(answers.filter((answer) => answer.deref() !== undefined).length, 0);
});
