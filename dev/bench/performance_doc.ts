/**
 * The part of docs/performance.md that is made from results: what was reached, and every variant's
 * figures. It stands between two markers; the rest of the document is written by people. Pure.
 */
import { type BenchResults, highestOthersPercent, type WorkloadResult } from "./bench_results.ts";
import { formatNumber, mediansOf, type ReachResult, type VariantRounds } from "./summary.ts";
import { CPU_FIGURE, OTHERS_FIGURE } from "./run_figures.ts";

const BEGIN = "<!-- results: written by `deno task bench --report` -->";
const END = "<!-- end of results -->";

/** Figures with a column of their own; all others stand in the last one. */
const COLUMNS: readonly (readonly [title: string, figure: string])[] = [
  ["rows/s", "rows/s"],
  ["CPU program", `${CPU_FIGURE} program`],
  ["nats-server", `${CPU_FIGURE} nats-server`],
  ["PostgreSQL", `${CPU_FIGURE} PostgreSQL`],
  ["all", `${CPU_FIGURE} all`],
  ["peak MB", "peak MB"],
];
const COLUMN_FIGURES = new Set(COLUMNS.map(([, figure]) => figure));

/**
 * The document with the results' part as these results give it.
 *
 * @throws {TypeError} the markers are missing
 */
export function withResults(document: string, results: BenchResults): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin === -1 || end < begin) throw new TypeError("Cannot find the markers of the results");
  const head = document.slice(0, begin + BEGIN.length);
  return `${head}\n\n${resultsMarkdown(results)}\n${document.slice(end)}`;
}

function resultsMarkdown({ machine, results }: BenchResults): string {
  const { cpu, cores, memoryGib, program, deno, natsServer, postgres, psql } = machine;
  return [
    `Measured on ${cpu}, ${cores} cores, ${memoryGib} GiB;`,
    `state-tables ${program}, Deno ${deno}, nats-server ${natsServer}, PostgreSQL ${postgres}` +
    (psql === null ? "." : `, psql ${/[\d.]+/.exec(psql)?.[0]}.`),
    "",
    markdownTable(
      ["", "figure", "wanted", "measured", "", "run"],
      results.flatMap(reachRows),
    ),
    "",
    "CPU is in seconds per 1,000,000 rows, the figures are medians:",
    "",
    markdownTable(
      ["", "variant", ...COLUMNS.map(([title]) => title), "also"],
      results.flatMap((result) => result.variants.map((variant) => variantRow(result, variant))),
    ),
    "",
  ].join("\n");
}

function reachRows(result: WorkloadResult): string[][] {
  return result.reaches.map((reach, index) => [
    index === 0 ? result.id : "",
    `${against(reach)}, ${reach.figure}`,
    `${reach.bound === "min" ? "≥" : "≤"} ${formatNumber(reach.value)}`,
    formatNumber(reach.measured),
    reach.isReached ? "reached" : "not reached",
    index === 0 ? runOf(result) : "",
  ]);
}

function against({ variant, yardstick, by = "ratio" }: ReachResult): string {
  if (yardstick === null) return code(variant);
  return `${code(variant)} ${by === "ratio" ? "÷" : "−"} ${code(yardstick)}`;
}

/** Day, commit and number of rounds, and whatever makes the figures worth less. */
function runOf(result: WorkloadResult): string {
  const rounds = Math.max(...result.variants.map((variant) => variant.rounds.length));
  const others = highestOthersPercent(result);
  return [
    result.at.slice(0, 10),
    result.commit,
    `${rounds} ${rounds === 1 ? "round" : "rounds"}`,
    ...(result.isQuick ? ["quick"] : []),
    ...(others > 1 ? [`others ${formatNumber(others)} %`] : []),
  ].join(", ");
}

function variantRow({ id }: WorkloadResult, variant: VariantRounds): string[] {
  const figures = mediansOf(variant);
  const others = Object.entries(figures).filter(([name]) =>
    !COLUMN_FIGURES.has(name) && name !== OTHERS_FIGURE
  );
  return [
    id,
    code(variant.name),
    ...COLUMNS.map(([, figure]) => {
      const value = figures[figure];
      return value === undefined ? "" : formatNumber(value);
    }),
    others.map(([name, value]) => `${name} ${formatNumber(value)}`).join(", "),
  ];
}

/** Names hold what Markdown would read as something else: a backslash, an asterisk. */
function code(name: string): string {
  return `\`${name}\``;
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0))
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
