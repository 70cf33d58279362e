/** The picture of a soak: memory, throughput and latency over time, and when a fault was done. Pure. */
import { timeLines, type TimeSeries } from "../pictures/time_lines.ts";
import { formatNumber } from "../bench/summary.ts";
import type { SoakFigures } from "./soak_figures.ts";
import { throughput } from "./soak_growth.ts";
import type { SoakSample } from "./soak_sample.ts";

/** Draws it. */
export function soakPicture({ minutes, rate, samples, faultSeconds }: SoakFigures): string {
  return timeLines({
    title: `${minutes} minutes of soak at ${formatNumber(rate)} messages/s`,
    note: "two instances of the program; a red mark is a fault",
    seconds: Math.max(minutes * 60, samples.at(-1)?.seconds ?? 0),
    marks: faultSeconds,
    panels: [
      {
        title: "Resident memory, MB",
        series: [
          series("instance that runs throughout", samples, ({ memoryMb }) => memoryMb),
          series("instance that is killed", samples, ({ otherMemoryMb }) => otherMemoryMb),
        ],
      },
      {
        title: "Messages settled a second",
        series: [{ name: "", points: throughput(samples) }],
      },
      {
        title: "Publish → visible, ms",
        isLogarithmic: true,
        series: [
          series("median of five seconds", samples, ({ latencyMs }) => latencyMs),
          series("longest", samples, ({ latencyMaxMs }) => latencyMaxMs),
        ],
      },
      {
        title: "Ledger, rows",
        series: [series("", samples, ({ ledgerRows }) => ledgerRows)],
      },
    ],
  });
}

function series(
  name: string,
  samples: readonly SoakSample[],
  read: (sample: SoakSample) => number | null,
): TimeSeries {
  const points = samples.flatMap((sample) => {
    const value = read(sample);
    return value === null ? [] : [[sample.seconds, value] as const];
  });
  return { name, points };
}
