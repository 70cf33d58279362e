/** Failpoints end the program exactly where they say, and not before their time. */
import assert from "node:assert/strict";
import {
  decorateWithFailpoint,
  type Failpoint,
  readFailpoint,
} from "../../../dev/faults/failpoints.ts";
import type { IncomingMessage } from "../../../lib/ingest/delivery.ts";
import { ALONE, type Flush, type FlushPace } from "../../../lib/ingest/ports.ts";
import type { Ports } from "../../../lib/service.ts";

/** Never looked into: the ports below take anything. */
const FLUSH = {} as Flush;

Deno.test("readFailpoint() reads name and occurrence", () => {
  assert.deepEqual(readFailpoint("after-commit:3"), { failpoint: "after-commit", occurrence: 3 });
});

Deno.test("readFailpoint() refuses what is no failpoint", () => {
  for (const text of ["", "after-commit", "after-commit:0", "after-commit:x", "never:1"]) {
    assert.throws(() => readFailpoint(text), TypeError, text);
  }
});

Deno.test("a flush comes by its failpoints in order, a status behind them", async () => {
  const expected: readonly [Failpoint, readonly string[]][] = [
    ["before-write", []],
    ["before-commit", ["begun"]],
    ["commit-sent", ["begun", "sent"]],
    ["after-commit", ["begun", "sent", "committed"]],
    ["after-status", ["begun", "sent", "committed", "status"]],
  ];
  for (const [failpoint, before] of expected) {
    const { steps, ports } = recorded(failpoint, 1);
    await ports.store.write(FLUSH, { ...ALONE, onSent: () => {} });
    await ports.publisher?.publish({
      routeId: "route",
      status: "COMPLETED",
      exception: "",
      data: null,
      messageId: null,
    });
    assert.deepEqual(steps.slice(0, steps.indexOf("end")), before, failpoint);
  }
});

Deno.test("the program ends at the occurrence that was chosen, once", async () => {
  const { steps, ports } = recorded("after-commit", 2);
  await ports.store.write(FLUSH);
  assert.equal(steps.includes("end"), false);
  await ports.store.write(FLUSH);
  await ports.store.write(FLUSH);
  assert.equal(steps.filter((step) => step === "end").length, 1);
});

Deno.test("a flush that was not committed does not count", async () => {
  const { steps, ports } = recorded("after-commit", 1, "plan-stale");
  await ports.store.write(FLUSH);
  assert.equal(steps.includes("end"), false);
});

Deno.test("half-acked lets three acks of a flush go and no other, and ends behind them", async () => {
  const { steps, ports, deliver, ended } = recorded("half-acked", 2);
  const messages: IncomingMessage[] = [];
  ports.source.start((message) => messages.push(message));
  for (let index = 0; index < 14; index++) deliver();
  for (const message of messages.slice(0, 4)) message.ack();
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(steps, ["ack", "ack", "ack", "ack"], "the first flush is acked as a whole");
  for (const message of messages.slice(4, 9)) message.ack();
  for (const message of messages.slice(9)) message.ack();
  await ended;
  assert.deepEqual(steps.slice(4), ["ack", "ack", "ack", "asked", "end"]);
});

/** Ports that write down what reached them, with a failpoint around them. */
interface RecordedPorts {
  readonly ports: Ports;
  readonly steps: string[];
  /** Resolves when the failpoint ended the program. */
  readonly ended: Promise<void>;
  /** Hands one more message over. */
  deliver(): void;
}

function recorded(
  failpoint: Failpoint,
  occurrence: number,
  outcome: "committed" | "plan-stale" = "committed",
): RecordedPorts {
  const steps: string[] = [];
  const end = Promise.withResolvers<void>();
  let receive: (message: IncomingMessage) => void = () => {};
  const ports = {
    store: {
      async write(_: Flush, pace: FlushPace): Promise<{ kind: string }> {
        steps.push("begun");
        await pace.mayWrite;
        steps.push("sent");
        pace.onSent();
        steps.push("committed");
        return { kind: outcome };
      },
    },
    source: {
      start: (onMessage: (message: IncomingMessage) => void) => receive = onMessage,
      ackPending: () => {
        steps.push("asked");
        return Promise.resolve(0);
      },
    },
    publisher: {
      publish: () => {
        steps.push("status");
        return Promise.resolve();
      },
    },
  } as unknown as Ports;
  const decorate = decorateWithFailpoint({ failpoint, occurrence }, () => {
    steps.push("end");
    end.resolve();
  });
  const deliver = (): void =>
    receive({ ack: () => steps.push("ack") } as unknown as IncomingMessage);
  return { steps, ports: decorate(ports), deliver, ended: end.promise };
}
