/**
 * docs/performance.svg: where the CPU goes, by workload and part, from results of the bench. The
 * program's share is divided by the parts of its profile where there is one. Pure.
 */
import { type BarPanel, type StackedBar, stackedBars } from "../pictures/stacked_bars.ts";
import type { BenchResults, WorkloadResult } from "./bench_results.ts";
import { PROGRAM_VARIANT } from "./program_variant.ts";
import { CPU_FIGURE } from "./run_figures.ts";
import { formatNumber, mediansOf, type VariantRounds } from "./summary.ts";

/** Workloads whose rows are about as large share a scale. */
const PANELS: readonly { readonly title: string; readonly ids: readonly string[] }[] = [
  { title: "Ten columns, ten records a message", ids: ["W1", "W7"] },
  { title: "Ten columns, one record a message", ids: ["W2", "W3"] },
  { title: "200 columns, five records a message", ids: ["W5wide"] },
  { title: "100 KB of text, one record a message", ids: ["W5text"] },
];

const SERVERS = ["nats-server", "PostgreSQL"];

/** Draws the picture; workloads that were not measured are left out. */
export function performancePicture({ results }: BenchResults): string {
  const panels = PANELS.flatMap(({ title, ids }): BarPanel[] => {
    const bars = ids.flatMap((id) => results.filter((result) => result.id === id).flatMap(barsOf));
    return bars.length === 0 ? [] : [{ title, bars }];
  });
  return stackedBars({
    title: "CPU seconds per 1,000,000 rows",
    note: "user and system time of every process; each panel has its own scale",
    panels,
    format: formatNumber,
  });
}

function barsOf({ id, variants }: WorkloadResult): StackedBar[] {
  // Runs of another workload, which stand in this one as its yardstick, have a bar of their own.
  const own = variants.filter(({ name }) => !name.startsWith(`${PROGRAM_VARIANT}, `));
  return own.map((variant) => ({ label: `${id}, ${variant.name}`, parts: partsOf(variant) }));
}

function partsOf(variant: VariantRounds): Record<string, number> {
  const figures = mediansOf(variant);
  const isProgram = variant.name.startsWith(PROGRAM_VARIANT);
  const program = figures[`${CPU_FIGURE} program`] ?? 0;
  const shares = Object.entries(variant.parts ?? { [isProgram ? "program" : "client"]: 1 });
  const sum = shares.reduce((total, [, share]) => total + share, 0);
  const parts = shares.map(([name, share]) => [name, program * share / sum] as const);
  const servers = SERVERS.map((name) => [name, figures[`${CPU_FIGURE} ${name}`] ?? 0] as const);
  return Object.fromEntries([...parts, ...servers]);
}
