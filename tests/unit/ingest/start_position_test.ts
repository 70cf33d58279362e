import assert from "node:assert/strict";
import { ConfigurationError } from "../../../lib/errors.ts";
import { chooseStartPosition, type StartFacts } from "../../../lib/ingest/start_position.ts";
import { ORIGIN } from "../../support/deliveries.ts";

function facts(changes: Partial<StartFacts> = {}): StartFacts {
  return {
    stream: {
      origin: ORIGIN,
      retention: "limits",
      messages: 10,
      firstSequence: 5,
      lastSequence: 14,
    },
    ledger: { isKnown: false, begins: null, prunedFloor: null },
    startFrom: null,
    hasProcessorTables: false,
    ...changes,
  };
}

Deno.test("chooseStartPosition() begins at the start when nobody wrote anything before", () => {
  assert.deepEqual(chooseStartPosition(facts()), { kind: "all" });
});

Deno.test("chooseStartPosition() begins behind the pruned floor when the ledger knows the stream", () => {
  const ledger = {
    isKnown: true,
    begins: { kind: "all" } as const,
    prunedFloor: { sequence: 8, storedNs: "1" },
  };
  assert.deepEqual(chooseStartPosition(facts({ ledger, hasProcessorTables: true })), {
    kind: "sequence",
    sequence: 9,
  });
});

Deno.test("chooseStartPosition() begins at the start when the ledger knows it and pruned nothing", () => {
  const ledger = { isKnown: true, begins: null, prunedFloor: null };
  assert.deepEqual(chooseStartPosition(facts({ ledger, hasProcessorTables: true })), {
    kind: "all",
  });
});

Deno.test("chooseStartPosition() refuses when tables exist and nobody says how far they got", () => {
  assert.throws(
    () => chooseStartPosition(facts({ hasProcessorTables: true })),
    (error) =>
      error instanceof ConfigurationError && error.faults[0]?.key === "START_FROM" &&
      /START_FROM=15/.test(error.message),
  );
});

Deno.test("chooseStartPosition() does as START_FROM says when the ledger knows nothing", () => {
  const startFrom = { kind: "sequence", sequence: 12 } as const;
  assert.deepEqual(chooseStartPosition(facts({ startFrom, hasProcessorTables: true })), startFrom);
});

Deno.test("chooseStartPosition() needs no answer when the stream is empty or keeps no history", () => {
  const empty = facts({
    hasProcessorTables: true,
    stream: { ...facts().stream, messages: 0 },
  });
  assert.deepEqual(chooseStartPosition(empty), { kind: "all" });
  for (const retention of ["workqueue", "interest"] as const) {
    const stream = { ...facts().stream, retention };
    assert.deepEqual(chooseStartPosition(facts({ stream, hasProcessorTables: true })), {
      kind: "all",
    });
  }
});

Deno.test("chooseStartPosition() begins where it began when the consumer was deleted", () => {
  const begins = { kind: "sequence", sequence: 9 } as const;
  const ledger = { isKnown: true, begins, prunedFloor: null };
  const startFrom = { kind: "all" } as const;
  assert.deepEqual(chooseStartPosition(facts({ ledger, startFrom })), begins);
});

Deno.test("chooseStartPosition() makes a sequence of START_FROM=new, good for a second time", () => {
  const startFrom = { kind: "new" } as const;
  assert.deepEqual(chooseStartPosition(facts({ startFrom })), { kind: "sequence", sequence: 15 });
});
