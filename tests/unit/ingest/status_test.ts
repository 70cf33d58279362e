import assert from "node:assert/strict";
import type { MessageIdentity } from "../../../lib/ingest/delivery.ts";
import { StatusTally } from "../../../lib/ingest/status.ts";
import { ORIGIN } from "../../support/deliveries.ts";

function identity(sequence: number): MessageIdentity {
  return { origin: ORIGIN, sequence, storedSeconds: 0, storedFraction: sequence * 1_000 };
}

Deno.test("StatusTally says COMPLETED when no row of the route was rejected", () => {
  const tally = new StatusTally();
  tally.countMessage("a", 3, identity(1));
  tally.countMessage("a", 2, identity(4));
  assert.deepEqual(tally.statuses([]), [{
    routeId: "a",
    status: "COMPLETED",
    exception: "",
    data: null,
    messageId: "durable:stream:2026-11-24T00:00:00Z:4:4000:COMPLETED",
  }]);
});

Deno.test("StatusTally says FAILED with the count, the first three reasons and where to look", () => {
  const tally = new StatusTally();
  tally.countMessage("it's", 9, identity(1));
  for (const reason of ["one", "two", "three", "four"]) tally.countRejects("it's", 1, [reason]);
  tally.countMessage("b", 1, identity(2));
  const [failed, completed] = tally.statuses([]);
  assert.equal(failed?.status, "FAILED");
  assert.equal(failed?.exception, "Rejected 4 of 9 rows: one; two; three");
  assert.deepEqual(failed?.data, {
    rejected: 4,
    rows: 9,
    reasons: ["one", "two", "three"],
    command: "state-tables rejects list --route='it'\\''s'",
    details: "SELECT * FROM state_tables.rejected WHERE route_id = 'it''s'",
  });
  assert.equal(completed?.status, "COMPLETED");
});

Deno.test("StatusTally keeps reasons short, and says notes with every status", () => {
  const tally = new StatusTally();
  tally.countMessage("a", 1, null);
  tally.countRejects("a", 1, ["x".repeat(5_000)]);
  const [status] = tally.statuses(["property 'batchSize' must be a whole number"]);
  assert.ok((status?.exception.length ?? 0) < 500);
  assert.match(status?.exception ?? "", /property 'batchSize'/);
  assert.equal(status?.messageId, null);
});

Deno.test("StatusTally has no status for messages without a route", () => {
  const tally = new StatusTally();
  tally.countMessage(null, 1, identity(1));
  tally.countRejects(null, 1, ["x"]);
  assert.deepEqual(tally.statuses([]), []);
});
