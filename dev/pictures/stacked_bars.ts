/** Horizontal stacked bars in panels, each panel with a scale of its own, and one legend. Pure. */
import { fillClass, picture, rectangle, roundUp, rule, text } from "./svg.ts";

/** A bar: a length for each part that it has. */
export interface StackedBar {
  readonly label: string;
  readonly parts: Readonly<Record<string, number>>;
}

/** Bars that share a scale. */
export interface BarPanel {
  readonly title: string;
  readonly bars: readonly StackedBar[];
}

const WIDTH = 860;
const LABEL_WIDTH = 190;
const TOTAL_WIDTH = 60;
const MARGIN = 16;
const BAR_HEIGHT = 20;
const BAR_STEP = 28;
const PANEL_HEAD = 26;
const PANEL_FOOT = 30;
const TOP = 52;
const LEGEND_STEP = 20;
const LEGEND_COLUMNS = 4;
/** A segment shorter than this has no room for its figure. */
const INSIDE_WIDTH_MIN = 34;
const TICKS = 5;

/** Draws panels below each other; parts are coloured in the order of their first appearance. */
export function stackedBars(
  { title, note, panels, format }: {
    readonly title: string;
    readonly note: string;
    readonly panels: readonly BarPanel[];
    readonly format: (value: number) => string;
  },
): string {
  const names = [
    ...new Set(panels.flatMap(({ bars }) => bars.flatMap(({ parts }) => Object.keys(parts)))),
  ];
  const content = [
    text(title, { x: MARGIN, y: 24, kind: "title" }),
    text(note, { x: MARGIN, y: 42, kind: "note" }),
  ];
  let y = TOP;
  for (const panel of panels) {
    content.push(...drawPanel(panel, { y, names, format }));
    y += PANEL_HEAD + panel.bars.length * BAR_STEP + PANEL_FOOT;
  }
  content.push(...drawLegend(names, y));
  const height = y + Math.ceil(names.length / LEGEND_COLUMNS) * LEGEND_STEP + MARGIN / 2;
  return picture({ width: WIDTH, height, description: `${title}. ${note}`, content });
}

function drawPanel(
  { title, bars }: BarPanel,
  { y, names, format }: {
    readonly y: number;
    readonly names: readonly string[];
    readonly format: (value: number) => string;
  },
): string[] {
  const longest = roundUp(Math.max(...bars.map(totalOf)));
  const left = MARGIN + LABEL_WIDTH;
  const scale = (WIDTH - left - TOTAL_WIDTH - MARGIN) / longest;
  const top = y + PANEL_HEAD;
  const bottom = top + bars.length * BAR_STEP;
  const ticks = Array.from({ length: TICKS + 1 }, (_, i) => longest / TICKS * i);
  return [
    text(title, { x: MARGIN, y: y + 16 }),
    ...ticks.flatMap((value) => {
      const x = left + value * scale;
      return [
        rule([x, top - 2], [x, bottom]),
        text(format(value), { x, y: bottom + 13, anchor: "middle", kind: "note" }),
      ];
    }),
    ...bars.flatMap((bar, i) =>
      drawBar(bar, { left, scale, y: top + i * BAR_STEP + 3, names, format })
    ),
  ];
}

function drawBar(
  bar: StackedBar,
  { left, scale, y, names, format }: {
    readonly left: number;
    readonly scale: number;
    readonly y: number;
    readonly names: readonly string[];
    readonly format: (value: number) => string;
  },
): string[] {
  const baseline = y + BAR_HEIGHT - 6;
  const drawn = [text(bar.label, { x: left - 8, y: baseline, anchor: "end" })];
  let x = left;
  for (const [name, value] of Object.entries(bar.parts)) {
    if (value === 0) continue;
    const width = value * scale;
    const kind = fillClass(names.indexOf(name));
    const title = `${bar.label}, ${name}: ${format(value)}`;
    drawn.push(rectangle({ x, y, width, height: BAR_HEIGHT, kind, title }));
    if (width >= INSIDE_WIDTH_MIN) {
      const middle = { x: x + width / 2, y: baseline, anchor: "middle", kind: "inside" } as const;
      drawn.push(text(format(value), middle));
    }
    x += width;
  }
  return [...drawn, text(format(totalOf(bar)), { x: x + 6, y: baseline })];
}

function drawLegend(names: readonly string[], y: number): string[] {
  const step = (WIDTH - 2 * MARGIN) / LEGEND_COLUMNS;
  return names.flatMap((name, i) => {
    const x = MARGIN + (i % LEGEND_COLUMNS) * step;
    const top = y + Math.floor(i / LEGEND_COLUMNS) * LEGEND_STEP;
    return [
      rectangle({ x, y: top, width: 12, height: 12, kind: fillClass(i) }),
      text(name, { x: x + 18, y: top + 11 }),
    ];
  });
}

function totalOf({ parts }: StackedBar): number {
  return Object.values(parts).reduce((sum, value) => sum + value, 0);
}
