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
