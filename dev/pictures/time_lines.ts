/** Lines over time in panels below each other, with marks where something happened. Pure. */
import { lineClass, picture, polyline, rectangle, roundUp, rule, text } from "./svg.ts";

/** One line: values by time; a name of no characters is not shown. */
export interface TimeSeries {
  readonly name: string;
  readonly points: readonly (readonly [seconds: number, value: number])[];
}

/** Lines that share a scale. */
export interface TimePanel {
  readonly title: string;
  readonly series: readonly TimeSeries[];
  /** Equal distances are equal ratios; for values that differ by orders of magnitude. */
  readonly isLogarithmic?: boolean;
}

const WIDTH = 860;
const LEFT = 70;
const RIGHT = 20;
const TOP = 54;
const PANEL_HEAD = 24;
const PANEL_HEIGHT = 150;
const PANEL_GAP = 18;
const FOOT = 40;
const TICKS = 4;
const TIME_TICKS = 6;
const MARK_HEIGHT = 6;
/** The lowest value of a logarithmic scale. */
const LOG_MIN = 1;

/** Draws panels below each other; `marks` are times in seconds. */
export function timeLines(
  { title, note, seconds, panels, marks }: {
    readonly title: string;
    readonly note: string;
    /** Length of the time axis. */
    readonly seconds: number;
    readonly panels: readonly TimePanel[];
    readonly marks: readonly number[];
  },
): string {
  const plotWidth = WIDTH - LEFT - RIGHT;
  const timeX = (at: number): number => LEFT + at / seconds * plotWidth;
  const content = [
    text(title, { x: 16, y: 24, kind: "title" }),
    text(note, { x: 16, y: 42, kind: "note" }),
  ];
  let y = TOP;
  let firstSeries = 0;
  for (const panel of panels) {
    content.push(...drawPanel(panel, { y, timeX, firstSeries, marks }));
    firstSeries += panel.series.length;
    y += PANEL_HEAD + PANEL_HEIGHT + PANEL_GAP;
  }
  for (let tick = 0; tick <= TIME_TICKS; tick++) {
    const at = seconds / TIME_TICKS * tick;
    const label = `${Number((at / 60).toFixed(1))} min`;
    const anchor = tick === TIME_TICKS ? "end" : "middle";
    content.push(text(label, { x: timeX(at), y: y + 4, anchor, kind: "note" }));
  }
  const height = y + FOOT - PANEL_GAP;
  return picture({ width: WIDTH, height, description: `${title}. ${note}`, content });
}

function drawPanel(
  { title, series, isLogarithmic = false }: TimePanel,
  { y, timeX, firstSeries, marks }: {
    readonly y: number;
    readonly timeX: (seconds: number) => number;
    readonly firstSeries: number;
    readonly marks: readonly number[];
  },
): string[] {
  const top = y + PANEL_HEAD;
  const bottom = top + PANEL_HEIGHT;
  const highest = Math.max(LOG_MIN, ...series.flatMap(({ points }) => points.map(([, v]) => v)));
  const scale = isLogarithmic ? logarithmicScale(highest) : linearScale(highest);
  const valueY = (value: number): number => bottom - scale.part(value) * PANEL_HEIGHT;
  return [
    text(title, { x: 16, y: y + 14 }),
    ...drawLegend(series, { y: y + 14, firstSeries }),
    ...scale.ticks.flatMap((value) => [
      rule([LEFT, valueY(value)], [WIDTH - RIGHT, valueY(value)]),
      text(value.toLocaleString("en-US"), {
        x: LEFT - 6,
        y: valueY(value) + 4,
        anchor: "end",
        kind: "note",
      }),
    ]),
    ...marks.map((at) =>
      rectangle({ x: timeX(at), y: bottom, width: 1.5, height: MARK_HEIGHT, kind: "series-3" })
    ),
    ...series.map(({ points }, i) =>
      polyline(
        points.map(([at, value]) => [timeX(at), valueY(value)] as const),
        lineClass(firstSeries + i),
      )
    ),
  ];
}

/** The names of a panel's lines, in their colours, at its right. */
function drawLegend(
  series: readonly TimeSeries[],
  { y, firstSeries }: { readonly y: number; readonly firstSeries: number },
): string[] {
  const step = 230;
  return series.flatMap(({ name }, i) => {
    if (name === "") return [];
    const x = WIDTH - RIGHT - (series.length - i) * step;
    return [
      polyline([[x, y - 4], [x + 20, y - 4]], lineClass(firstSeries + i)),
      text(name, { x: x + 26, y, kind: "note" }),
    ];
  });
}

/** Where a value lies between bottom (0) and top (1), and which values are written beside. */
interface Scale {
  readonly ticks: readonly number[];
  readonly part: (value: number) => number;
}

function linearScale(highest: number): Scale {
  const top = roundUp(highest);
  const ticks = Array.from({ length: TICKS + 1 }, (_, i) => top / TICKS * i);
  return { ticks, part: (value) => Math.max(0, value) / top };
}

function logarithmicScale(highest: number): Scale {
  const decades = Math.max(1, Math.ceil(Math.log10(highest / LOG_MIN)));
  const ticks = Array.from({ length: decades + 1 }, (_, i) => LOG_MIN * 10 ** i);
  return { ticks, part: (value) => Math.log10(Math.max(value, LOG_MIN) / LOG_MIN) / decades };
}
