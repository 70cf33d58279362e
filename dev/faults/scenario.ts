/** What a scenario is, and what it works with while it runs. */
import type { Bed, BedOptions, Instance } from "./bed.ts";
import type { LoadShape, Publisher } from "./load.ts";
import type { Random } from "./random.ts";

/** Counts of the program's own summaries over all instances; what a killed one knew is missing. */
export interface ProgramCounts {
  readonly redelivered: number;
  readonly ledgerDrops: number;
  readonly storeRetries: number;
  readonly tableRetries: number;
  readonly rejectedRows: number;
  readonly extensions: number;
  readonly statusesLost: number;
  readonly parkedMessages: number;
  readonly unparkedMessages: number;
}

/** A scenario under way. */
export interface ScenarioRun {
  readonly bed: Bed;
  readonly random: Random;
  readonly publisher: Publisher;
  /** Share of the usual number of fault rounds; the short form has few. */
  readonly scale: number;
  /** Lets the load go on for a while, in milliseconds. */
  pause(ms: number): Promise<void>;
  /** Does something when the scenario is over, whatever came of it. */
  onEnd(work: () => Promise<void>): void;
  /** True when a running instance has logged this text. */
  hasLogged(text: string): Promise<boolean>;
  /** Rounds of a fault: `usual` of them, fewer in the short form. */
  rounds(usual: number): number;
}

/** One scenario. */
export interface Scenario {
  readonly name: string;
  /** One line: what is done to the program. */
  readonly title: string;
  /** Instances at the start; 1 when absent. */
  readonly instances?: number;
  readonly bed?: Partial<BedOptions>;
  readonly load?: Partial<LoadShape>;
  /** In the tests too, with fewer rounds. */
  readonly isShort?: boolean;
  /** Before the first instance starts. */
  prepare?(run: ScenarioRun): Promise<void>;
  /** Waits for `ready` of the instances when absent; false when a server is away at the start. */
  readonly awaitsReady?: boolean;
  /**
   * Does the harm while the load is published; everything is whole again when it resolves. May say
   * what the program did wrong meanwhile.
   */
  faults(run: ScenarioRun): Promise<string | null | void>;
  /**
   * Why the fault was not there after all, as a sentence; null when it was seen. Absent where `faults`
   * itself waits until it was, and fails otherwise.
   */
  seen?(run: ScenarioRun, counts: ProgramCounts): string | null;
  /** Tables whose rows or values somebody took away on purpose. */
  readonly spoiledTables?: readonly string[];
  /** Values of `tableName` beside none: rows of a processor may be in any of its tables, once in all. */
  readonly tableNames?: readonly string[];
  /**
   * The negative control: without the ledger (`deliveryMode` atLeastOnce) rows must be there twice.
   * Without them the same faults prove nothing in the other scenarios.
   */
  readonly isControl?: boolean;
  /** Routes that may hear FAILED although their rows are good: their table refused for a while. */
  readonly refusedRoutes?: readonly string[];
  /** Rows of each table must have been committed in the order of their messages. */
  readonly isOrdered?: boolean;
  /** A probe has to land within this, where a batch window is longer than usual. */
  readonly probeMaxMs?: number;
  /** Exit codes of instances that were stopped, besides 0. */
  readonly exitCodes?: readonly number[];
}

/** Kills an instance and starts another in its place. */
export async function replaceKilled(bed: Bed, instance: Instance): Promise<Instance> {
  await bed.killInstance(instance);
  return await bed.startInstance();
}

/** Waits for something that the load brings about. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  limitMs = 30_000,
): Promise<void> {
  const deadlineMs = performance.now() + limitMs;
  while (!await condition()) {
    if (performance.now() > deadlineMs) throw new Error(`Waited ${limitMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Lets time pass and fails when a table does not grow in every `stepMs` of it. */
export async function whileGrowing(
  run: ScenarioRun,
  { table, steps, stepMs }: {
    readonly table: string;
    readonly steps: number;
    readonly stepMs: number;
  },
): Promise<string | null> {
  for (let step = 0; step < steps; step++) {
    const before = await countRows(run, table);
    await run.pause(stepMs);
    if (await countRows(run, table) === before) return `${table} stood still for ${stepMs} ms`;
  }
  return null;
}

/** Rows of a table; rejects while it does not exist. */
export async function countRows({ bed: { sql } }: ScenarioRun, table: string): Promise<number> {
  const [row] = await sql`select count(*)::int as n from ${sql(table)}`;
  return Number(row?.n);
}

/** Waits until the table has more rows than now: whatever was done to it was met by a flush. */
export async function untilGrown(run: ScenarioRun, table: string): Promise<void> {
  const before = await countRows(run, table);
  await until(async () => await countRows(run, table) > before, `more rows in ${table}`);
}

/** Waits until the table is there and has rows. */
export async function untilWritten(run: ScenarioRun, table: string): Promise<void> {
  const hasRows = (): Promise<boolean> =>
    countRows(run, table).then((count) => count > 0, () => false);
  await until(hasRows, `rows in ${table}`);
}

/** Waits until everything published is delivered and settled. */
export async function untilSettled({ bed }: ScenarioRun): Promise<void> {
  await until(async () => {
    const info = await bed.consumer();
    return info !== null && info.num_pending === 0 && info.num_ack_pending === 0;
  }, "everything to be settled");
}
