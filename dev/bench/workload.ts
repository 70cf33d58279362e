/**
 * What a workload of the bench is: variants that are measured in turn, figures that each measurement
 * gives, and what the figures should reach. How they are run and shown stands elsewhere.
 */
import type { BenchStage } from "./bench_stage.ts";

/** Figures of one measurement by name; the name holds the unit. */
export type Figures = Readonly<Record<string, number>>;

/** One of the things compared. */
export interface Variant {
  readonly name: string;
  /** Measures once; rejects when the run lost, doubled or changed a row. */
  readonly measure: () => Promise<Figures>;
}

/** What a figure should reach. */
export interface Reach {
  readonly variant: string;
  readonly figure: string;
  /** Variant that the figure is divided by, or that is subtracted from it; null: the figure itself. */
  readonly yardstick: string | null;
  /** How the yardstick is applied; `ratio` when absent. */
  readonly by?: "ratio" | "difference";
  readonly bound: "min" | "max";
  readonly value: number;
}

/** How long and how often a workload is run. */
export interface WorkloadOptions {
  /** Small sizes, to see that it works. */
  readonly isQuick: boolean;
  /** Adds a CPU profile of the program to each of its runs; null does not. */
  readonly profileFolder: string | null;
}

/** A workload of the table in docs/performance.md. */
export interface Workload {
  readonly id: string;
  readonly title: string;
  readonly reaches: readonly Reach[];
  /** Rounds at most, however many are asked for, where one takes long and differs little. */
  readonly roundsMax?: number;
  /** Makes data and streams, once; what it returns is measured in turn, every round. */
  readonly prepare: (stage: BenchStage, options: WorkloadOptions) => Promise<readonly Variant[]>;
}
