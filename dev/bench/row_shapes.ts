/**
 * The rows of the bench: which columns a table has and what stands in row number n. Everything is a
 * function of the row's number and the seed, so that every run and every variant sees the same rows.
 * Pure.
 */

/** A column as the program makes it from the rows. */
export interface ShapeColumn {
  readonly name: string;
  readonly type: string;
}

/** A record's values by key, in the order in which they are written. */
export type Row = Readonly<Record<string, unknown>>;

/** One kind of rows. */
export interface RowShape {
  readonly columns: readonly ShapeColumn[];
  /** Row `number`, from 0. */
  readonly row: (number: number) => Row;
  /** The record as JSON; by JSON.stringify when absent. */
  readonly json?: (number: number) => string;
}

const SEED = 20_261_124;

const COUNTRIES = ["US", "DE", "JP", "BR", "IN", "KE"];
const WORDS = "the quick brown fox jumps over the lazy dog while seven wizards watch".split(" ");

/** A number from 0 to below 1 that belongs to a row and a place in it. */
export function seededFraction(row: number, place: number): number {
  // The mixing steps of splitmix32: neighbours in, unrelated numbers out.
  let bits = (SEED + Math.imul(row, 0x9e3779b9) + Math.imul(place, 0x85ebca6b)) | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad);
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
  return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32;
}

function pick<T>(from: readonly T[], row: number, place: number): T {
  const found = from[Math.floor(seededFraction(row, place) * from.length)];
  if (found === undefined) throw new RangeError("Cannot pick from nothing");
  return found;
}

/** A fraction that is never whole, so that its column is double precision from the first batch. */
function score(row: number, place: number): number {
  return Math.floor(seededFraction(row, place) * 1_000_000) / 100 + 0.005;
}

function sentence(row: number): string {
  return Array.from({ length: 9 }, (_, i) => pick(WORDS, row, 20 + i)).join(" ");
}

function mixedRow(number: number): Row {
  const day = 10 + Math.floor(seededFraction(number, 4) * 18);
  const second = 10 + Math.floor(seededFraction(number, 5) * 49);
  return {
    id: 500_000 + number,
    user_id: `user-${Math.floor(seededFraction(number, 1) * 1000)}`,
    email: `u${number}@example.com`,
    score: score(number, 2),
    active: seededFraction(number, 3) < 0.5,
    created_at: `2026-11-${day}T20:00:${second}.123456+00:00`,
    country: pick(COUNTRIES, number, 6),
    amount: score(number, 7),
    tags: ["a", pick(WORDS, number, 8)],
    comment: sentence(number),
  };
}

/** Ten columns of mixed types, one of them jsonb. */
export const MIXED: RowShape = {
  columns: [
    { name: "id", type: "bigint" },
    { name: "user_id", type: "text" },
    { name: "email", type: "text" },
    { name: "score", type: "double precision" },
    { name: "active", type: "boolean" },
    { name: "created_at", type: "timestamptz" },
    { name: "country", type: "text" },
    { name: "amount", type: "double precision" },
    { name: "tags", type: "jsonb" },
    { name: "comment", type: "text" },
  ],
  row: mixedRow,
};

/** The same columns, hostile to prediction: order shuffled, half of the keys absent. */
export const SHUFFLED: RowShape = {
  columns: MIXED.columns,
  row: shuffledRow,
  // A key that is written with an escape: every tenth record is nothing for a fast path.
  json: (number) => {
    const text = JSON.stringify(shuffledRow(number));
    return number % 10 === 0 ? text.replace('"id":', '"i\\u0064":') : text;
  },
};

function shuffledRow(number: number): Row {
  return Object.fromEntries(
    Object.entries(mixedRow(number))
      .map(([key, value], i) => ({ key, value, order: seededFraction(number, 40 + i), i }))
      .filter(({ key, i }) => key === "id" || seededFraction(number, 60 + i) < 0.5)
      .sort((a, b) => a.order - b.order)
      .map(({ key, value }) => [key, value]),
  );
}

const WIDE_TYPES = ["bigint", "text", "double precision", "boolean", "timestamptz", "text"];

/** Rows of so many columns. */
export function wideShape(columnCount: number): RowShape {
  const columns = Array.from({ length: columnCount }, (_, i): ShapeColumn => ({
    name: i === 0 ? "id" : `column_${i}`,
    type: WIDE_TYPES[i % WIDE_TYPES.length] ?? "text",
  }));
  return {
    columns,
    row: (number) =>
      Object.fromEntries(columns.map(({ name, type }, i) => [name, wideValue(type, number, i)])),
  };
}

function wideValue(type: string, row: number, place: number): unknown {
  switch (type) {
    case "bigint":
      return row * 1000 + place;
    case "double precision":
      return score(row, place);
    case "boolean":
      return seededFraction(row, place) < 0.5;
    case "timestamptz":
      return `2026-11-23T20:00:${10 + Math.floor(seededFraction(row, place) * 49)}.123Z`;
    default:
      return `value-${row}-${place}`;
  }
}

const TEXT_LENGTH = 100_000;

/** An id and 100 KB of text with a line break now and then. */
export const LARGE_TEXT: RowShape = {
  columns: [{ name: "id", type: "bigint" }, { name: "body", type: "text" }],
  row: (number) => ({ id: number, body: largeText(number) }),
};

function largeText(number: number): string {
  const paragraph = `${sentence(number)}, and the lazy dog does not mind that at all.\n`;
  return paragraph.repeat(Math.ceil(TEXT_LENGTH / paragraph.length)).slice(0, TEXT_LENGTH);
}

/** A record as JSON text. */
export function recordJson(shape: RowShape, number: number): string {
  return shape.json?.(number) ?? JSON.stringify(shape.row(number));
}

/** A row as a line of PostgreSQL's COPY text format, with its line end. */
export function copyLine(shape: RowShape, number: number): string {
  const row = shape.row(number);
  return shape.columns.map(({ name }) => copyValue(row[name])).join("\t") + "\n";
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** One value in COPY text format. */
export function copyValue(value: unknown): string {
  if (value === undefined || value === null) return "\\N";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.replace(/[\\\n\r\t]/g, (character) => ESCAPES[character] ?? character);
}
