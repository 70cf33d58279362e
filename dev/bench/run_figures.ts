/** Names and units of the figures that several workloads share. Pure. */
import type { CpuSeconds } from "./process_meter.ts";
import type { Figures } from "./workload.ts";

/** What else ran on the machine, in percent of its cores; see `CpuMeter.readOthersPercent`. */
export const OTHERS_FIGURE = "% others";

/** CPU seconds per 1,000,000 rows; the process's name follows, or `all`. */
export const CPU_FIGURE = "CPU s/M";

/** CPU seconds per 1,000,000 rows for each process. */
export function cpuFigures(cpu: CpuSeconds, rows: number): Figures {
  return Object.fromEntries(
    Object.entries(cpu).map(([name, seconds]) => [`${CPU_FIGURE} ${name}`, seconds / rows * 1e6]),
  );
}

/** A value of sorted numbers below which so large a part of them lies. */
export function percentile(sorted: readonly number[], part: number): number {
  const found = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
  if (found === undefined) throw new RangeError("Cannot take a percentile of nothing");
  return found;
}
