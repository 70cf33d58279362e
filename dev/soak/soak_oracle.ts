/**
 * Compares the tables of a soak with its plan. There are too many rows to hold them: of the plan only
 * the ids of each table are kept, rows are read in the order of their ids, and their values are made
 * anew.
 */
import type { Bed, BedTarget } from "../faults/bed.ts";
import { plannedMessages, rowOf } from "../faults/load.ts";
import { type Comparison, holds, sumOf } from "../faults/oracle.ts";
import { SOAK_SHAPE } from "./soak_load.ts";

/** Which part of which plan was published. */
export interface PublishedPart {
  readonly seed: number;
  readonly targets: readonly BedTarget[];
  readonly messages: number;
}

const ROWS_AT_ONCE = 5_000;

/** Compares all tables of the plan. */
export async function compareSoak(bed: Bed, part: PublishedPart): Promise<Comparison> {
  const comparisons: Comparison[] = [];
  for (const [table, ids] of plannedIds(part)) {
    const comparing = new OrderedComparison(part.seed, ids);
    const rows = bed.sql`select * from ${bed.sql(table)} order by id`.cursor(ROWS_AT_ONCE);
    for await (const some of rows) for (const row of some) comparing.add(row);
    comparisons.push(comparing.end());
  }
  return sumOf(comparisons);
}

/** Ids by table, ascending. */
function plannedIds({ seed, targets, messages }: PublishedPart): Map<string, number[]> {
  const ids = new Map<string, number[]>(targets.map(({ table }) => [table, []]));
  let count = 0;
  if (messages === 0) return ids;
  for (const { target, rows } of plannedMessages(seed, targets, { ...SOAK_SHAPE, perSecond: 1 })) {
    for (const { id } of rows) ids.get(target.table)?.push(Number(id));
    if (++count === messages) break;
  }
  return ids;
}

/** Walks through the rows of a table and the ids that it should have, both ascending. */
export class OrderedComparison {
  readonly #lost: number[] = [];
  readonly #duplicated: number[] = [];
  readonly #unknown: number[] = [];
  readonly #changed: number[] = [];
  readonly #seed: number;
  readonly #ids: readonly number[];
  #next = 0;
  #landed = 0;
  #last: number | null = null;

  constructor(seed: number, ids: readonly number[]) {
    this.#seed = seed;
    this.#ids = ids;
  }

  add(row: Readonly<Record<string, unknown>>): void {
    const id = Number(row.id);
    this.#landed++;
    if (id === this.#last) {
      this.#duplicated.push(id);
      return;
    }
    this.#last = id;
    this.#loseBelow(id);
    if (this.#ids[this.#next] !== id) {
      this.#unknown.push(id);
      return;
    }
    this.#next++;
    if (!holds(row, rowOf(this.#seed, id, null))) this.#changed.push(id);
  }

  /** The result; ids that are left are lost. */
  end(): Comparison {
    this.#loseBelow(Infinity);
    return {
      published: this.#ids.length,
      landed: this.#landed,
      lost: this.#lost,
      duplicated: this.#duplicated,
      unknown: this.#unknown,
      changed: this.#changed,
    };
  }

  #loseBelow(id: number): void {
    for (let wanted = this.#ids[this.#next]; wanted !== undefined && wanted < id;) {
      this.#lost.push(wanted);
      wanted = this.#ids[++this.#next];
    }
  }
}
