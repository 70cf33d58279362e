/**
 * Compares what was published with what the tables hold: rows lost, rows there twice, rows that
 * nobody published, rows with other values. Pure; the caller reads the tables.
 */
import type { LoadMessage, LoadRow } from "./load.ts";

/** A row as the table gives it back. */
export type FoundRow = Readonly<Record<string, unknown>>;

/** What the comparison found; all lists empty is good. */
export interface Comparison {
  readonly published: number;
  readonly landed: number;
  readonly lost: readonly number[];
  readonly duplicated: readonly number[];
  /** Ids that nobody published to this table. */
  readonly unknown: readonly number[];
  /** Ids whose values differ from what was published. */
  readonly changed: readonly number[];
}

/** Compares one table with the confirmed messages of its route. */
export function compareTable(
  messages: readonly LoadMessage[],
  found: readonly FoundRow[],
): Comparison {
  const expected = new Map<number, LoadRow>();
  for (const { rows } of messages) for (const row of rows) expected.set(Number(row.id), row);
  const seen = new Set<number>();
  const duplicated: number[] = [];
  const unknown: number[] = [];
  const changed: number[] = [];
  for (const row of found) {
    const id = Number(row.id);
    const wanted = expected.get(id);
    if (wanted === undefined) unknown.push(id);
    else if (seen.has(id)) duplicated.push(id);
    else if (!holds(row, wanted)) changed.push(id);
    seen.add(id);
  }
  const lost = [...expected.keys()].filter((id) => !seen.has(id));
  return { published: expected.size, landed: found.length, lost, duplicated, unknown, changed };
}

/** Adds comparisons up. */
export function sumOf(comparisons: readonly Comparison[]): Comparison {
  const all = (pick: (one: Comparison) => readonly number[]): number[] => comparisons.flatMap(pick);
  return {
    published: comparisons.reduce((sum, { published }) => sum + published, 0),
    landed: comparisons.reduce((sum, { landed }) => sum + landed, 0),
    lost: all(({ lost }) => lost),
    duplicated: all(({ duplicated }) => duplicated),
    unknown: all(({ unknown }) => unknown),
    changed: all(({ changed }) => changed),
  };
}

/** True when the row has all published values and nothing else but nulls. */
export function holds(row: FoundRow, wanted: LoadRow): boolean {
  for (const [key, value] of Object.entries(wanted)) {
    const there = row[key];
    const isEqual = typeof value === "number" ? Number(there) === value : there === value;
    if (!isEqual) return false;
  }
  return Object.entries(row).every(([key, value]) =>
    key in wanted || value === null || key.startsWith("_")
  );
}
