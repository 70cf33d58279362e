/** What all batch writers share. Put together by the service; nothing here knows an adapter. */
import type { FastEncoder } from "../encoder/fast_encoder.ts";
import type { RowBuffer } from "../encoder/row_buffer.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { FlushCap } from "./batch.ts";
import type { Counters } from "./counters.ts";
import type { FlowControl } from "./flow_control.ts";
import type { RejectShelf } from "./kept_reject.ts";
import type { ProcessorSettings } from "./processor_settings.ts";
import type { TableStore } from "./ports.ts";
import type { StatusReporter } from "./status_reporter.ts";
import type { StoreGate } from "./store_gate.ts";

/** The surroundings of a batch writer. */
export interface WriterContext {
  readonly store: TableStore;
  readonly rejects: RejectShelf;
  readonly gate: StoreGate;
  readonly flow: FlowControl;
  readonly reporter: StatusReporter;
  readonly counters: Counters;
  readonly fastEncoder: FastEncoder;
  readonly clock: Clock;
  readonly log: Log;
  readonly flushCap: FlushCap;
  readonly heldBytesMax: number;
  /** What applies to a processor where its properties say nothing. */
  readonly processorDefaults: ProcessorSettings;
  /** Messages unsettled over all instances that the consumer allows; Infinity under core NATS. */
  readonly ackPendingMax: number;
  /** Aborted when the grace of a shutdown is over: nothing waits or retries any more. */
  readonly stopped: AbortSignal;
  /** Lends an output buffer for one flush; as many exist as flushes run at once. */
  withBuffer<T>(work: (buffer: RowBuffer) => Promise<T>): Promise<T>;
  /** Takes over work that shutdown must await. */
  track(work: Promise<void>): void;
  /** Told of an error that only a mistake in the program explains. */
  readonly onBug: (error: unknown) => void;
}
