/**
 * A few words of SVG: text that is escaped, shapes, and the frame of a picture with colours that suit
 * light and dark. Pure.
 */

/** Where a text's coordinates are. */
export type Anchor = "start" | "middle" | "end";

/**
 * Colours that can be told apart, next to each other too, on light and on dark ground; classes
 * `series-0` and on.
 */
const SERIES = ["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#edc948", "#76b7b2"]
  .concat("#9c755f", "#8a9299");

const STYLE = [
  "text{font:13px system-ui,sans-serif;fill:#1f2328}",
  ".title{font-weight:600;font-size:15px}",
  ".note{font-size:11px;fill:#59636e}",
  // On a segment's colour, dark text is legible in both schemes.
  ".inside{font-size:11px;fill:#101418}",
  ".ground{fill:#ffffff}.rule{stroke:#d1d9e0}.line{fill:none;stroke-width:1.5}",
  ...SERIES.map((colour, index) =>
    `.series-${index}{fill:${colour}}.line-${index}{stroke:${colour}}`
  ),
  "@media (prefers-color-scheme:dark){text{fill:#f0f6fc}.note{fill:#9198a1}" +
  ".inside{fill:#101418}.ground{fill:#0d1117}.rule{stroke:#3d444d}}",
].join("");

/** Class of a series' filled shapes; colours repeat when there are more series than colours. */
export function fillClass(series: number): string {
  return `series-${series % SERIES.length}`;
}

/** Class of a series' lines. */
export function lineClass(series: number): string {
  return `line line-${series % SERIES.length}`;
}

/** Text at a place. */
export function text(
  content: string,
  { x, y, anchor = "start", kind = "" }: {
    readonly x: number;
    readonly y: number;
    readonly anchor?: Anchor;
    readonly kind?: "" | "title" | "note" | "inside";
  },
): string {
  const kindPart = kind === "" ? "" : ` class="${kind}"`;
  const anchorPart = anchor === "start" ? "" : ` text-anchor="${anchor}"`;
  return `<text x="${place(x)}" y="${place(y)}"${kindPart}${anchorPart}>${escaped(content)}</text>`;
}

/** A filled rectangle; `title` is shown by a viewer that is pointed at it. */
export function rectangle(
  { x, y, width, height, kind, title }: {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
    readonly kind: string;
    readonly title?: string;
  },
): string {
  const attributes = `x="${place(x)}" y="${place(y)}" width="${place(width)}" ` +
    `height="${place(height)}" class="${kind}"`;
  return title === undefined
    ? `<rect ${attributes}/>`
    : `<rect ${attributes}><title>${escaped(title)}</title></rect>`;
}

/** A straight rule. */
export function rule(from: readonly [number, number], to: readonly [number, number]): string {
  const [x1, y1] = from.map(place);
  const [x2, y2] = to.map(place);
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" class="rule"/>`;
}

/** A line through points. */
export function polyline(points: readonly (readonly [number, number])[], kind: string): string {
  return `<polyline points="${
    points.map((at) => at.map(place).join(",")).join(" ")
  }" class="${kind}"/>`;
}

/** A whole picture. `description` is what a screen reader says. */
export function picture(
  { width, height, description, content }: {
    readonly width: number;
    readonly height: number;
    readonly description: string;
    readonly content: readonly string[];
  },
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(description)}">`,
    `<style>${STYLE}</style>`,
    rectangle({ x: 0, y: 0, width, height, kind: "ground" }),
    ...content,
    "</svg>",
    "",
  ].join("\n");
}

const ROUND_STEPS = [1, 1.5, 2, 3, 4, 5, 6, 8];

/** The smallest round number that is not below the value: one of few steps times a power of ten. */
export function roundUp(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * (ROUND_STEPS.find((step) => step * power >= value) ?? 10);
}

/** A tenth of a pixel is enough. */
function place(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
