/** What batch writers need, for tests that run them without a source. */
import { type Clock, systemClock } from "../../../lib/clock.ts";
import { FastEncoder } from "../../../lib/encoder/fast_encoder.ts";
import { RowBuffer } from "../../../lib/encoder/row_buffer.ts";
import { Counters } from "../../../lib/ingest/counters.ts";
import { FlowControl } from "../../../lib/ingest/flow_control.ts";
import { DEFAULT_PROCESSOR_SETTINGS } from "../../../lib/ingest/processor_settings.ts";
import { StatusReporter } from "../../../lib/ingest/status_reporter.ts";
import { StoreGate } from "../../../lib/ingest/store_gate.ts";
import type { WriterContext } from "../../../lib/ingest/writer_context.ts";
import type { StoreFixture } from "../store/store_fixture.ts";

const NO_BOUNDS = { heldBytesMax: Infinity, ackPendingMax: Infinity };
const NO_VALVE = { canPause: false, pause: () => {}, resume: () => {} };

/** The surroundings of batch writers on the fixture's server; nobody is told of statuses. */
export function writerContext(
  { store, log }: StoreFixture,
  options: Pick<WriterContext, "stopped" | "track"> & {
    readonly turnsMax: number;
    readonly clock?: Clock;
    /** One without bounds when absent. */
    readonly flow?: FlowControl;
  },
): WriterContext {
  const counters = new Counters();
  const { clock = systemClock } = options;
  return {
    store: store.tables,
    rejects: store.rejects,
    gate: new StoreGate({ turnsMax: options.turnsMax, clock, log }),
    flow: options.flow ?? new FlowControl(NO_BOUNDS, NO_VALVE, () => {}),
    reporter: new StatusReporter({ publisher: null, clock, log, counters }),
    counters,
    fastEncoder: new FastEncoder(),
    clock,
    log,
    flushCap: { rowsMax: 1_000, bytesMax: 1_000_000 },
    heldBytesMax: 1_000_000,
    processorDefaults: DEFAULT_PROCESSOR_SETTINGS,
    ackPendingMax: Infinity,
    stopped: options.stopped,
    withBuffer: (work) => work(new RowBuffer()),
    track: options.track,
    onBug: (error) => {
      throw error;
    },
  };
}
