/** What the program says of itself when it is no executable; compile_test.ts has the other case. */
import assert from "node:assert/strict";
import configuration from "../../deno.json" with { type: "json" };
import { describeVersion } from "../../lib/version.ts";

Deno.test("describeVersion() says that it runs from source when it is no executable", () => {
  assert.equal(describeVersion(), `${configuration.version} (from source)`);
});
