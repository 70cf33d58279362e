/** What the fault suite reads from the program's log and from its own command line. */
import assert from "node:assert/strict";
import { complaints, parseLog, summed } from "../../../dev/faults/service_log.ts";
import { readFaultArguments } from "../../../dev/faults/fault_arguments.ts";

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

Deno.test("readFaultArguments() reads names, rounds and seed", () => {
  const parsed = readFaultArguments(["--only", "a,b", "--rounds=3", "--seed", "9"], ["a", "b"]);
  assert.deepEqual(parsed, {
    kind: "run",
    rounds: 3,
    seed: 9,
    only: ["a", "b"],
    isShort: false,
    logs: null,
  });
});

Deno.test("readFaultArguments() refuses a scenario that does not exist", () => {
  const parsed = readFaultArguments(["--only", "c"], ["a", "b"]);
  assert.deepEqual(parsed, { kind: "wrong", reason: "There is no scenario c; see --list" });
});
