/** One flush holds each message once, in stream order. */
import assert from "node:assert/strict";
import type { Delivery } from "../../../lib/ingest/delivery.ts";
import { distinctInStreamOrder } from "../../../lib/ingest/distinct_deliveries.ts";
import { deliveryOf, ORIGIN, recordedMessage } from "../../support/deliveries.ts";

function sequencesOf(deliveries: readonly Delivery[]): readonly (number | undefined)[] {
  return distinctInStreamOrder(deliveries).identities.map((identity) => identity?.sequence);
}

Deno.test("distinctInStreamOrder() holds a message once that one fetch held twice", () => {
  const deliveries = [1, 2, 2, 3, 1].map((sequence) => deliveryOf({ sequence }));
  assert.deepEqual(sequencesOf(deliveries), [1, 2, 3]);
});

Deno.test("distinctInStreamOrder() puts a redelivery where it belongs", () => {
  const deliveries = [5, 6, 4].map((sequence) => deliveryOf({ sequence }));
  assert.deepEqual(sequencesOf(deliveries), [4, 5, 6]);
});

Deno.test("distinctInStreamOrder() keeps two messages apart that had one sequence", () => {
  const [first, second] = [1_000, 2_000].map((storedFraction) => ({
    ...deliveryOf(),
    message: {
      ...recordedMessage(7),
      identity: { origin: ORIGIN, sequence: 7, storedSeconds: 0, storedFraction },
    },
  }));
  assert.ok(first !== undefined && second !== undefined);
  assert.deepEqual(distinctInStreamOrder([first, second, first]).deliveries, [first, second]);
});

Deno.test("distinctInStreamOrder() puts an older incarnation of the stream first", () => {
  const older = { ...ORIGIN, created: "2026-11-23T00:00:00Z" };
  const before = {
    ...deliveryOf(),
    message: {
      ...recordedMessage(9),
      identity: { origin: older, sequence: 9, storedSeconds: 0, storedFraction: 1 },
    },
  };
  assert.deepEqual(sequencesOf([deliveryOf({ sequence: 1 }), before]), [9, 1]);
});
