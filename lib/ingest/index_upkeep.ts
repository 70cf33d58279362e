/**
 * Looks now and then whether `indexColumns` names keys whose columns came later than the table, or
 * whose table was there before. Building may take as long as reading the table does: nobody waits
 * for it, a flush or a shutdown least of all.
 */
import { StoreUnavailableError, TableUnavailableError } from "../errors.ts";
import type { ProcessorSettings } from "./processor_settings.ts";
import { tableIdentity } from "./table_writer.ts";
import type { WriterContext } from "./writer_context.ts";

/** Indexes are looked at again after this long, in milliseconds. */
const AGAIN_MS = 10 * 60_000;

/** The indexes of one processor's table. */
export class IndexUpkeep {
  readonly #processorId: string;
  readonly #context: WriterContext;
  #againAtMs = 0;

  constructor(processorId: string, context: WriterContext) {
    this.#processorId = processorId;
    this.#context = context;
  }

  /** The settings changed: look at the next flush. */
  lookSoon(): void {
    this.#againAtMs = 0;
  }

  /** Called after each flush. */
  look({ tableName, indexKeys }: ProcessorSettings): void {
    const { store, clock, log, onBug } = this.#context;
    const nowMs = clock.monotonic();
    if (indexKeys.length === 0 || nowMs < this.#againAtMs) return;
    this.#againAtMs = nowMs + AGAIN_MS;
    store.ensureIndexes(tableIdentity(this.#processorId, tableName), indexKeys).catch((error) => {
      const isPassing = error instanceof StoreUnavailableError ||
        error instanceof TableUnavailableError;
      if (!isPassing) return onBug(error);
      log.debug("Cannot make indexes now", { reason: error.message });
    });
  }
}
