/**
 * From the measurements of a workload to what is shown: medians, ratios to the yardsticks round by
 * round, and a table. Pure.
 */
import type { Figures, Reach } from "./workload.ts";

/** All measurements of one variant, a round each. */
export interface VariantRounds {
  readonly name: string;
  readonly rounds: readonly Figures[];
  /** Shares of the program's CPU by part, from a profile; absent when none was made. */
  readonly parts?: Readonly<Record<string, number>>;
}

/** What became of something to be reached. */
export interface ReachResult extends Reach {
  readonly measured: number;
  readonly isReached: boolean;
}

/** The middle of the values; the mean of the middle two when they are even in number. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  if (upper === undefined || lower === undefined) {
    throw new RangeError("Cannot take the median of nothing");
  }
  return (upper + lower) / 2;
}

/** Medians of a variant's figures, by name, in the order of their first appearance. */
export function mediansOf({ rounds }: VariantRounds): Figures {
  const names = new Set(rounds.flatMap((figures) => Object.keys(figures)));
  return Object.fromEntries([...names].map((name) => [name, median(valuesOf(rounds, name))]));
}

/**
 * Compares with what should be reached. Figures that are measured against a yardstick are divided
 * by, or reduced by, the yardstick of the same round, so that a machine that slows down slows both.
 */
export function judge(reach: Reach, variants: readonly VariantRounds[]): ReachResult {
  const values = roundsOf(variants, reach.variant, reach.figure);
  const yardstick = reach.yardstick === null
    ? null
    : roundsOf(variants, reach.yardstick, reach.figure);
  const measured = median(values.map((value, round) => {
    const against = yardstick?.[round];
    if (against === undefined) return value;
    return reach.by === "difference" ? value - against : value / against;
  }));
  const isReached = reach.bound === "min" ? measured >= reach.value : measured <= reach.value;
  return { ...reach, measured, isReached };
}

/** A sentence about {@linkcode judge}'s result. */
export function describeReach(result: ReachResult): string {
  const { variant, figure, yardstick, by = "ratio", bound, value, measured, isReached } = result;
  const against = yardstick === null ? "" : by === "ratio" ? ` ÷ ${yardstick}` : ` − ${yardstick}`;
  const relation = bound === "min" ? "≥" : "≤";
  return `${isReached ? "reached" : "not reached"}: ${variant}${against}, ${figure} = ` +
    `${formatNumber(measured)} (${relation} ${formatNumber(value)})`;
}

/** A text table of the medians: a line for each variant, a column for each figure. */
export function formatTable(variants: readonly VariantRounds[]): string {
  const medians = variants.map((variant) => ({ name: variant.name, figures: mediansOf(variant) }));
  const columns = [...new Set(medians.flatMap(({ figures }) => Object.keys(figures)))];
  const lines = [
    ["", ...columns],
    ...medians.map(({ name, figures }) => [
      name,
      ...columns.map((column) => {
        const value = figures[column];
        return value === undefined ? "–" : formatNumber(value);
      }),
    ]),
  ];
  const widths = ["", ...columns].map((_, i) => Math.max(...lines.map((l) => (l[i] ?? "").length)));
  return lines.map((line) =>
    line.map((cell, i) => i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))
      .join("  ")
  ).join("\n");
}

/** Three significant digits, thousands grouped. */
export function formatNumber(value: number): string {
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString("en-US");
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

function roundsOf(
  variants: readonly VariantRounds[],
  name: string,
  figure: string,
): number[] {
  const variant = variants.find((candidate) => candidate.name === name);
  if (variant === undefined) throw new RangeError(`Cannot judge ${name}: it was not measured`);
  return valuesOf(variant.rounds, figure);
}

function valuesOf(rounds: readonly Figures[], figure: string): number[] {
  return rounds.map((figures) => {
    const value = figures[figure];
    if (value === undefined) {
      throw new RangeError(`Cannot find the figure ${figure} in every round`);
    }
    return value;
  });
}
