/**
 * One flush of a batch writer while it is under way, and how far it is: whether the next one of the
 * same table may begin behind it, and what that one is told. It decides nothing; its writer restores
 * or settles the deliveries by the result.
 */
import type { FlushReason } from "./batch.ts";
import type { Delivery } from "./delivery.ts";
import type { FlushPace } from "./ports.ts";
import type { Segment } from "./segments.ts";
import type { StoreTurn } from "./store_gate.ts";
import type { FlushReport } from "./table_writer.ts";

/** How a flush ended. */
export type FlushResult =
  | { readonly kind: "committed"; readonly report: FlushReport }
  /** The one before it was not durable in time; nothing was written. */
  | { readonly kind: "called-off" }
  | { readonly kind: "failed"; readonly error: unknown };

/** What a flush is made of. */
export interface FlushStart {
  readonly segment: Segment;
  readonly deliveries: readonly Delivery[];
  readonly reason: FlushReason;
  readonly turn: StoreTurn;
  /** Monotonic, milliseconds. */
  readonly startedMs: number;
}

/** See the head of this file. */
export class RunningFlush {
  readonly start: FlushStart;
  readonly #sent = Promise.withResolvers<void>();
  readonly #landed = Promise.withResolvers<boolean>();
  readonly #over: Promise<void>;
  #mode: "writing" | "sent" | "setback" | "over" = "writing";
  #result: FlushResult | null = null;

  /**
   * Begins.
   *
   * @param before the flush that it follows; only what that one says is kept, as it holds its rows
   * @param write makes the deliveries durable at this pace; null when it was called off
   */
  constructor(
    start: FlushStart,
    before: RunningFlush | null,
    write: (pace: FlushPace) => Promise<FlushReport | null>,
  ) {
    this.start = start;
    this.#over = write({
      mayWrite: before === null ? Promise.resolve(true) : before.#landed.promise,
      onSent: () => this.#moveTo("sent"),
      onSetback: () => this.#moveTo("setback"),
    }).then(
      (report) =>
        this.#end(report === null ? { kind: "called-off" } : { kind: "committed", report }),
      (error) => this.#end({ kind: "failed", error }),
    );
  }

  /** All data is on its way: the next may begin behind it. */
  get mayBeFollowed(): boolean {
    return this.#mode === "sent";
  }

  /** Null while it is under way. */
  get result(): FlushResult | null {
    return this.#result;
  }

  /** Resolves when the data is sent, or the flush over. */
  get sent(): Promise<void> {
    return this.#sent.promise;
  }

  /** Resolves to the result; never rejects. */
  async over(): Promise<FlushResult> {
    await this.#over;
    if (this.#result === null) throw new TypeError("Cannot end a flush without a result");
    return this.#result;
  }

  #end(result: FlushResult): void {
    this.#result = result;
    this.#landed.resolve(result.kind === "committed");
    this.#moveTo("over");
  }

  #moveTo(mode: "sent" | "setback" | "over"): void {
    if (mode === "setback") this.#landed.resolve(false);
    // A flush with a setback is repeated by other means, which nobody follows.
    if (mode !== "sent" || this.#mode === "writing") this.#mode = mode;
    if (mode !== "setback") this.#sent.resolve();
  }
}
