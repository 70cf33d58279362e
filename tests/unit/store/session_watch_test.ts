import assert from "node:assert/strict";
import { type BackendActivity, patienceFor } from "../../../lib/store/session_watch.ts";

function activity(changes: Partial<BackendActivity>): BackendActivity {
  return { state: "active", waitType: null, stateSince: "now", copiedBytes: null, ...changes };
}

Deno.test("patienceFor() leaves a server process that works alone", () => {
  for (const waitType of [null, "Lock", "IO", "IPC", "Timeout"]) {
    assert.equal(patienceFor(activity({ waitType })), null);
  }
  assert.equal(patienceFor(activity({ state: "disabled" })), null);
  assert.equal(patienceFor(activity({ state: null })), null);
});

Deno.test("patienceFor() waits longer for data than for a statement", () => {
  const data = patienceFor(activity({ waitType: "Client", copiedBytes: "0" })) ?? 0;
  const statement = patienceFor(activity({ state: "idle in transaction" })) ?? 0;
  assert.ok(statement > 0 && data > statement);
  assert.equal(patienceFor(activity({ state: "idle" })), statement);
});
