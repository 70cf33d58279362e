import assert from "node:assert/strict";
import { type BackendActivity, idleMs, patienceFor } from "../../../lib/store/session_watch.ts";

function activity(changes: Partial<BackendActivity>): BackendActivity {
  return {
    state: "active",
    waitType: null,
    stateSince: "now",
    stateMs: 9,
    copiedBytes: null,
    ...changes,
  };
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

Deno.test("idleMs() counts what the server waited for a statement, and nothing else", () => {
  assert.equal(idleMs(activity({ state: "idle in transaction", stateMs: 2_500 })), 2_500);
  assert.equal(idleMs(activity({ state: "idle", stateMs: 2_500 })), 2_500);
  assert.equal(idleMs(activity({ state: "active", waitType: "Client", stateMs: 2_500 })), 0);
  assert.equal(idleMs(null), 0);
});
