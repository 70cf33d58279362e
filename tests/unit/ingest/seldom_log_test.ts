import assert from "node:assert/strict";
import { SeldomLog } from "../../../lib/ingest/seldom_log.ts";
import type { Log, LogFields } from "../../../lib/log.ts";
import { FakeClock } from "../../support/fake_clock.ts";

function setup(): { seldom: SeldomLog; clock: FakeClock; lines: [string, LogFields][] } {
  const clock = new FakeClock();
  const lines: [string, LogFields][] = [];
  const write = (level: string) => (message: string, fields: LogFields = {}): void => {
    lines.push([`${level} ${message}`, fields]);
  };
  const log: Log = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
  };
  return { seldom: new SeldomLog(log, clock), clock, lines };
}

Deno.test("SeldomLog warns once a minute and says how often it came meanwhile", async () => {
  const { seldom, clock, lines } = setup();
  for (let times = 0; times < 3; times++) seldom.warn("locked", "It is locked", { table: "t" });
  await clock.advance(60_000);
  seldom.warn("locked", "It is locked", { table: "t" });
  assert.deepEqual(lines, [
    ["warn It is locked", { table: "t" }],
    ["debug It is locked", { table: "t" }],
    ["debug It is locked", { table: "t" }],
    ["warn It is locked", { table: "t", times_before: 2 }],
  ]);
});

Deno.test("SeldomLog warns of each thing by itself", () => {
  const { seldom, lines } = setup();
  seldom.warn("locked", "It is locked", {});
  seldom.warn("refused", "It refuses", {});
  assert.deepEqual(lines.map(([line]) => line), ["warn It is locked", "warn It refuses"]);
});
