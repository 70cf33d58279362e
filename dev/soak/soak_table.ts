/** What a soak says in the end, as Markdown that is read on a terminal as well. Pure. */
import { formatNumber } from "../bench/summary.ts";
import type { SoakFigures } from "./soak_figures.ts";
import { GROWTH_SECONDS_MIN, type Trend } from "./soak_growth.ts";

/** The table of trends, and sentences on rows and faults. */
export function soakTable(soak: SoakFigures): string {
  const { at, commit, minutes, seed, rate, rows, faultCounts, trends, longestLatencyMs } = soak;
  const faults = Object.entries(faultCounts).map(([name, count]) => `${name} ${count}`).join(", ");
  const note = minutes * 60 >= GROWTH_SECONDS_MIN ? [] : ["", "Too short to judge growth."];
  return [
    `${minutes} minutes at ${formatNumber(rate)} messages/s, seed ${seed}, ` +
    `${at.slice(0, 10)}, commit ${commit}: ${formatNumber(rows.published)} rows published, ` +
    `${rows.lost} lost, ${rows.duplicated} there twice, ${rows.changed} changed; ` +
    `longest publish → visible ${formatNumber(longestLatencyMs / 1_000)} s.`,
    "",
    `Faults: ${faults === "" ? "none" : faults}.`,
    ...note,
    "",
    trendTable(trends),
  ].join("\n");
}

function trendTable(trends: readonly Trend[]): string {
  const head = ["", "first third", "middle third", "last third", "slope per hour", ""];
  const rows = trends.map((trend) => [
    trend.name,
    ...trend.thirds.map(formatOptional),
    formatOptional(trend.slopePerHour),
    verdictOf(trend),
  ]);
  const widths = head.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0))
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

function verdictOf({ bound, isFlat }: Trend): string {
  if (bound === null) return "";
  const limit = `${bound.kind === "max" ? "≤" : "≥"} ${bound.ratio} × first`;
  return isFlat ? `flat (${limit})` : `NOT FLAT (${limit})`;
}

function formatOptional(value: number | null): string {
  return value === null ? "–" : formatNumber(value);
}
