/** What a soak gives: rows by what became of them, samples, trends and faults. */
import type { Trend } from "./soak_growth.ts";
import type { SoakSample } from "./soak_sample.ts";

/** The figures of one soak. */
export interface SoakFigures {
  readonly at: string;
  readonly commit: string;
  readonly minutes: number;
  readonly seed: number;
  /** Messages a second. */
  readonly rate: number;
  /** Rows by what became of them. */
  readonly rows: {
    readonly published: number;
    readonly lost: number;
    readonly duplicated: number;
    readonly changed: number;
  };
  readonly longestLatencyMs: number;
  /** How often each fault was done. */
  readonly faultCounts: Readonly<Record<string, number>>;
  /** When, in seconds since the load began. */
  readonly faultSeconds: readonly number[];
  readonly trends: readonly Trend[];
  readonly samples: readonly SoakSample[];
  /** What the program did wrong, as sentences. */
  readonly faults: readonly string[];
}
