import assert from "node:assert/strict";
import { ConfigurationError } from "../../../lib/errors.ts";
import {
  chooseStartPosition,
  isPrunedUnchanged,
  isUnchanged,
  type StartFacts,
} from "../../../lib/ingest/start_position.ts";
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
    ledger: { isKnown: false, begins: null, shared: null, prunedFloor: null },
    startFrom: null,
    hasProcessorTables: false,
    wasAttached: false,
    isSharedFloorUnchanged: true,
    isPrunedFloorUnchanged: true,
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
    shared: null,
    prunedFloor: { sequence: 8, storedNs: "1" },
  };
  assert.deepEqual(chooseStartPosition(facts({ ledger, hasProcessorTables: true })), {
    kind: "sequence",
    sequence: 9,
  });
});

Deno.test("chooseStartPosition() begins by time when the floor's sequence is another message's", () => {
  const ledger = {
    isKnown: true,
    begins: { kind: "all" } as const,
    shared: null,
    prunedFloor: { sequence: 12, storedNs: "1763976000123456789" },
  };
  assert.deepEqual(chooseStartPosition(facts({ ledger, isPrunedFloorUnchanged: false })), {
    kind: "time",
    time: new Date(1763976000123),
  });
});

Deno.test("isPrunedUnchanged() looks whether the floor's message is younger than what was pruned", async () => {
  const { stream } = facts();
  const floor = { sequence: 8, storedNs: "1763976000123456789" };
  const at = (text: string | null): Promise<string | null> => Promise.resolve(text);
  const stored = new Date(1763976000123).toISOString();
  assert.equal(await isPrunedUnchanged(floor, stream, () => at(stored)), true);
  const later = new Date(1763976000124).toISOString();
  assert.equal(await isPrunedUnchanged(floor, stream, () => at(later)), false, "used again");
  assert.equal(await isPrunedUnchanged(floor, stream, () => at(null)), false, "not there");
  const refuse = (): Promise<never> => Promise.reject(new Error("not permitted"));
  assert.equal(await isPrunedUnchanged(floor, stream, refuse), false, "nobody can tell");
  const dropped = { ...stream, firstSequence: 9 };
  assert.equal(await isPrunedUnchanged(floor, dropped, refuse), true, "dropped since");
  const cut = { ...stream, lastSequence: 7 };
  assert.equal(await isPrunedUnchanged(floor, cut, refuse), false, "the stream ends before it");
});

Deno.test("chooseStartPosition() begins at the start when the ledger knows it and pruned nothing", () => {
  const ledger = { isKnown: true, begins: null, shared: null, prunedFloor: null };
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
  const ledger = { isKnown: true, begins, shared: null, prunedFloor: null };
  const startFrom = { kind: "all" } as const;
  assert.deepEqual(chooseStartPosition(facts({ ledger, startFrom })), begins);
});

Deno.test("chooseStartPosition() makes a sequence of START_FROM=new, good for a second time", () => {
  const startFrom = { kind: "new" } as const;
  assert.deepEqual(chooseStartPosition(facts({ startFrom })), { kind: "sequence", sequence: 15 });
});

/** The ledger's memory of a consumer that was another program's, settled up to 10. */
const SHARED = {
  isKnown: true,
  begins: null,
  shared: { sequence: 10, storedAt: "2026-11-24T10:00:00Z" },
  prunedFloor: null,
};

Deno.test("chooseStartPosition() goes on behind a shared consumer that went while we were attached", () => {
  const startFrom = { kind: "new" } as const;
  const shared = facts({ ledger: SHARED, wasAttached: true, startFrom, hasProcessorTables: true });
  assert.deepEqual(chooseStartPosition(shared), { kind: "sequence", sequence: 11 });
  const ledger = { ...SHARED, prunedFloor: { sequence: 12, storedNs: "1" } };
  assert.deepEqual(chooseStartPosition({ ...shared, ledger }), { kind: "sequence", sequence: 13 });
});

Deno.test("chooseStartPosition() asks when a shared consumer went behind our back", () => {
  assert.throws(() => chooseStartPosition(facts({ ledger: SHARED })), /START_FROM.*sequence 10/);
  const startFrom = { kind: "sequence", sequence: 9 } as const;
  assert.deepEqual(chooseStartPosition(facts({ ledger: SHARED, startFrom })), startFrom);
});

Deno.test("chooseStartPosition() asks when the stream lost what a shared consumer had settled", () => {
  const lost = facts({ ledger: SHARED, wasAttached: true, isSharedFloorUnchanged: false });
  assert.throws(() => chooseStartPosition(lost), /message 10 is not the one any more/);
});

Deno.test("chooseStartPosition() goes to START_FROM beyond what the ledger remembers, at a start", () => {
  const ledger = {
    isKnown: true,
    begins: { kind: "sequence", sequence: 6 } as const,
    shared: null,
    prunedFloor: null,
  };
  const from = (sequence: number): StartFacts =>
    facts({ ledger, startFrom: { kind: "sequence", sequence } });
  assert.deepEqual(chooseStartPosition(from(12)), { kind: "sequence", sequence: 12 });
  assert.deepEqual(chooseStartPosition({ ...from(12), wasAttached: true }), ledger.begins);
  for (const sequence of [5, 6, 16]) {
    assert.deepEqual(chooseStartPosition(from(sequence)), ledger.begins);
  }
  const pruned = { ...ledger, prunedFloor: { sequence: 12, storedNs: "1" } };
  assert.deepEqual(chooseStartPosition({ ...from(12), ledger: pruned }), {
    kind: "sequence",
    sequence: 13,
  });
});

Deno.test("isUnchanged() compares the stored time of a message that the stream still has", async () => {
  const { stream } = facts();
  const { shared } = SHARED;
  const stored = (time: string | null) => (): Promise<string | null> => Promise.resolve(time);
  assert.equal(await isUnchanged(shared, stream, stored(shared.storedAt)), true);
  assert.equal(await isUnchanged(shared, stream, stored("2026-11-24T10:00:01Z")), false);
  assert.equal(await isUnchanged(shared, stream, stored(null)), false);
  assert.equal(await isUnchanged({ ...shared, storedAt: null }, stream, stored(null)), false);
  assert.equal(await isUnchanged({ ...shared, sequence: 4 }, stream, stored(null)), true);
  assert.equal(await isUnchanged({ sequence: 0, storedAt: null }, stream, stored(null)), true);
});
