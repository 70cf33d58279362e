/** What the fault suite reads from the program's log. */
import assert from "node:assert/strict";
import { complaints, parseLog, summed } from "../../../dev/faults/service_log.ts";

const LOG = `{"level":"INFO","message":"Summary","ledger_drops":3}
{"level":"WARN","message":"PostgreSQL is not available; holding and trying again"}
{"level":"INFO","message":"Summary","ledger_drops":4,"rows":1}
error: Uncaught (in promise) Error
`;

Deno.test("summed() adds up what each summary added", () => {
  assert.equal(summed(parseLog(LOG), "ledger_drops"), 7);
  assert.equal(summed(parseLog(LOG), "naks"), 0);
});

Deno.test("complaints() names warnings and lines that are not the program's own", () => {
  assert.deepEqual(complaints(parseLog(LOG)).map(({ message }) => message), [
    "PostgreSQL is not available; holding and trying again",
    "error: Uncaught (in promise) Error",
  ]);
});
