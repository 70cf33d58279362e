/** What the suite prints: one line a scenario, and below it what went wrong. Pure. */
import type { ScenarioResult } from "./run_scenario.ts";

const COLUMNS = [
  ["scenario", 26],
  ["sent", 8],
  ["landed", 8],
  ["lost", 6],
  ["twice", 6],
  ["rejected", 9],
  ["dropped", 8],
  ["stall s", 8],
  ["probe s", 8],
  ["peak MiB", 9],
] as const;

/** The head of the table: what was sent and landed counts rows; dropped by the ledger, messages. */
export function headLine(): string {
  return `${lineOf(COLUMNS.map(([title]) => title))}  verdict`;
}

/** One line of the table. */
export function resultLine(result: ScenarioResult): string {
  const { comparison, counts, probeMs, faults } = result;
  const cells = [
    result.scenario.name,
    comparison.published,
    comparison.landed,
    comparison.lost.length,
    comparison.duplicated.length,
    counts.rejectedRows,
    counts.ledgerDrops,
    seconds(result.longestStallMs),
    probeMs === null ? "never" : seconds(probeMs),
    Math.round(result.peakBytes / 2 ** 20),
  ];
  return `${lineOf(cells)}  ${faults.length === 0 ? "ok" : "FAILED"}`;
}

/** Why a scenario failed, with the end of the logs. */
export function failureLines({ faults, evidence, seed, scenario }: ScenarioResult): string[] {
  if (faults.length === 0) return [];
  return [
    ...faults.map((fault) => `    ${fault}`),
    ...evidence.map((line) => `      ${line}`),
    `    again: deno task faults --only ${scenario.name} --seed ${seed}`,
  ];
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}

/** The first column to the left, numbers to the right. */
function lineOf(cells: readonly (string | number)[]): string {
  return cells.map((cell, index) => {
    const width = COLUMNS[index]?.[1] ?? 0;
    return index === 0 ? String(cell).padEnd(width) : String(cell).padStart(width);
  }).join("");
}
