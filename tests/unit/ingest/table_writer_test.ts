/** One flush of one table, while others change that table under it. */
import assert from "node:assert/strict";
import { RowBuffer } from "../../../lib/encoder/row_buffer.ts";
import { TableUnavailableError } from "../../../lib/errors.ts";
import { Counters } from "../../../lib/ingest/counters.ts";
import type { FlushOutcome, TableStore } from "../../../lib/ingest/ports.ts";
import { DEFAULT_PROCESSOR_SETTINGS } from "../../../lib/ingest/processor_settings.ts";
import { TableWriter } from "../../../lib/ingest/table_writer.ts";
import { deliveryOf } from "../../support/deliveries.ts";
import { columnOf, deliveryOfJson, tableOf } from "../../support/encoding.ts";
import { FakeClock } from "../../support/fake_clock.ts";

/** A writer of a table that changes so many times before a write of it lands. */
function writerOf(changes: number): { writer: TableWriter; counters: Counters } {
  let changesLeft = changes;
  const unused = (): never => {
    throw new TypeError("nothing else is asked of the store");
  };
  const write = (): FlushOutcome =>
    changesLeft-- > 0
      ? { kind: "plan-stale" }
      : { kind: "committed", rowsWritten: 1, rejects: [], known: [], gone: [] };
  const store: TableStore = {
    supportsDefaultMarker: true,
    describe: () => Promise.resolve(tableOf(columnOf("n", "int8"))),
    write: () => Promise.resolve(write()),
    change: unused,
    ensureIndexes: unused,
    writeRejects: unused,
  };
  const line = (): void => {};
  const counters = new Counters();
  const writer = new TableWriter({
    processorId: "processor-1",
    settings: { ...DEFAULT_PROCESSOR_SETTINGS, includeTimestamp: false },
    store,
    counters,
    fastEncoder: null,
    clock: new FakeClock(),
    log: { debug: line, info: line, warn: line, error: line },
  });
  return { writer, counters };
}

const DELIVERY = { ...deliveryOf(), ...deliveryOfJson('[{"n":1}]') };

Deno.test("TableWriter goes on while several instances add one column after another", async () => {
  const { writer, counters } = writerOf(60);
  const report = await writer.flush([DELIVERY], new RowBuffer(), []);
  assert.equal(report.rowsWritten, 1);
  assert.equal(counters.stalePlans, 60);
});

Deno.test("TableWriter gives a table up that never stays as it is", async () => {
  const { writer } = writerOf(Infinity);
  await assert.rejects(
    writer.flush([DELIVERY], new RowBuffer(), []),
    (error) =>
      error instanceof TableUnavailableError && /changed 100 times during one/.test(error.message),
  );
});
