/**
 * Whether anything grew during a soak: medians of each third of its samples, the slope over all of
 * them, and what the last third may be compared with the first. Pure.
 */
import { percentile } from "../bench/run_figures.ts";
import { median } from "../bench/summary.ts";
import type { SoakSample } from "./soak_sample.ts";

/** One figure over the time of a soak. */
export interface Trend {
  readonly name: string;
  /** Medians of first, middle and last third; null when nothing could be read. */
  readonly thirds: readonly (number | null)[];
  /** By least squares, per hour. */
  readonly slopePerHour: number | null;
  /** Bound of the last third against the first; null: the figure is only shown. */
  readonly bound: Bound | null;
  /** False when the bound is broken; true when it holds or there is none. */
  readonly isFlat: boolean;
}

/**
 * What the last third may be, as a multiple of the first. Memory goes up and down with garbage
 * collection, at low rates over minutes: a median counts as worse only when it also lies outside of
 * what nine tenths of the first third were.
 */
export interface Bound {
  readonly kind: "max" | "min";
  readonly ratio: number;
}

type Point = readonly [seconds: number, value: number];

/** Compiled code, caches and pools fill at first: these seconds do not count. */
const WARM_UP_SECONDS = 60;

/** In a shorter soak the thirds are too short to say that something grows. */
export const GROWTH_SECONDS_MIN = 600;

const FIGURES: readonly {
  readonly name: string;
  readonly read: (sample: SoakSample) => number | null;
  readonly bound: Bound | null;
}[] = [
  {
    name: "memory, MB",
    read: ({ memoryMb }) => memoryMb,
    bound: { kind: "max", ratio: 1.2 },
  },
  {
    name: "memory of the instance that is killed, MB",
    read: ({ otherMemoryMb }) => otherMemoryMb,
    bound: null,
  },
  {
    name: "file descriptors",
    read: ({ fileDescriptors }) => fileDescriptors,
    bound: { kind: "max", ratio: 1.2 },
  },
  {
    name: "ledger, rows",
    read: ({ ledgerRows }) => ledgerRows,
    bound: { kind: "max", ratio: 1.2 },
  },
  { name: "ledger, MB", read: ({ ledgerMb }) => ledgerMb, bound: { kind: "max", ratio: 1.5 } },
  {
    name: "publish → visible, ms",
    read: ({ latencyMs }) => latencyMs,
    bound: { kind: "max", ratio: 1.5 },
  },
];

/** The trends of all figures; bounds are applied to soaks that are long enough. */
export function trendsOf(samples: readonly SoakSample[]): Trend[] {
  const seconds = samples.at(-1)?.seconds ?? 0;
  const isJudged = seconds >= GROWTH_SECONDS_MIN;
  const counted = isJudged
    ? samples.filter((sample) => sample.seconds >= WARM_UP_SECONDS)
    : samples;
  const trends = FIGURES.map(({ name, read, bound }) => {
    const points = counted.flatMap((sample): Point[] => {
      const value = read(sample);
      return value === null ? [] : [[sample.seconds, value]];
    });
    return trendOf({ name, points, bound: isJudged ? bound : null });
  });
  const points = throughput(counted);
  const bound: Bound | null = isJudged ? { kind: "min", ratio: 0.8 } : null;
  return [...trends, trendOf({ name: "settled, messages/s", points, bound })];
}

/** Messages settled a second between two looks at which the server could be asked. */
export function throughput(samples: readonly SoakSample[]): Point[] {
  const points: Point[] = [];
  let before: Point | null = null;
  for (const { seconds, settled } of samples) {
    if (settled === null) continue;
    if (before !== null && seconds > before[0]) {
      points.push([seconds, (settled - before[1]) / (seconds - before[0])]);
    }
    before = [seconds, settled];
  }
  return points;
}

function trendOf(
  { name, points, bound }: {
    readonly name: string;
    readonly points: readonly Point[];
    readonly bound: Bound | null;
  },
): Trend {
  const third = points.length / 3;
  const values = [0, 1, 2].map((i) =>
    points.slice(Math.round(i * third), Math.round((i + 1) * third)).map(([, value]) => value)
  );
  const thirds = values.map((some) => some.length === 0 ? null : median(some));
  const isFlat = bound === null || isWithin(bound, values[0] ?? [], thirds[2] ?? null);
  return { name, thirds, slopePerHour: slopePerHour(points), bound, isFlat };
}

function isWithin({ kind, ratio }: Bound, first: readonly number[], last: number | null): boolean {
  if (first.length === 0 || last === null) return true;
  const sorted = first.toSorted((a, b) => a - b);
  const limit = median(sorted) * ratio;
  return kind === "max"
    ? last <= Math.max(limit, percentile(sorted, 0.9))
    : last >= Math.min(limit, percentile(sorted, 0.1));
}

function slopePerHour(points: readonly Point[]): number | null {
  if (points.length < 2) return null;
  const mean = (pick: (point: Point) => number): number =>
    points.reduce((sum, point) => sum + pick(point), 0) / points.length;
  const meanSeconds = mean(([seconds]) => seconds);
  const meanValue = mean(([, value]) => value);
  const spread = mean(([seconds]) => (seconds - meanSeconds) ** 2);
  if (spread === 0) return null;
  const joint = mean(([seconds, value]) => (seconds - meanSeconds) * (value - meanValue));
  return joint / spread * 3_600;
}
