/**
 * Lets small flushes of many tables share transactions: what waits while all connections are busy
 * goes together. A flush that waits alone is written alone, at once. A group that is refused is
 * written flush by flush, and a table whose rows do not land quickly and without care stays by itself
 * until they do. Every flush is settled exactly once; how many may wait is bounded by who hands them in.
 */
import type { Clock } from "../clock.ts";
import { ALONE, type Flush, type FlushOutcome, type FlushPace } from "../ingest/ports.ts";
import { GroupRefused, isSmall, type SmallFlush } from "./group_writer.ts";

/** Tables that share a transaction at most. */
const TABLES_MAX = 64;

/** Groups under way at once: while one is committed the next is sent. */
const GROUPS_MAX = 2;

/** A table whose flush takes longer than this by itself, in milliseconds, would hold others up. */
const SLOW_MS = 500;

/** Tables remembered that have to be written by themselves; beyond it the oldest is tried again. */
const ALONE_MAX = 10_000;

/** Who writes. */
export interface FlushGroupsOptions {
  readonly writeOne: (flush: Flush, pace: FlushPace) => Promise<FlushOutcome>;
  /** @throws {GroupRefused} each is to be written by itself */
  readonly writeGroup: (flushes: readonly SmallFlush[]) => Promise<readonly number[]>;
  /** Transactions at once: the size of the connection pool. */
  readonly atOnceMax: number;
  readonly clock: Clock;
}

interface Waiting {
  readonly flush: Flush;
  readonly pace: FlushPace;
  readonly resolve: (outcome: FlushOutcome) => void;
  readonly reject: (error: unknown) => void;
  /** Was in a group that was refused. */
  readonly isAlone: boolean;
}

/** See the head of this file. */
export class FlushGroups {
  readonly #options: FlushGroupsOptions;
  #waiting: Waiting[] = [];
  readonly #alone = new Set<string>();
  #underWay = 0;
  #groups = 0;

  constructor(options: FlushGroupsOptions) {
    this.#options = options;
  }

  /** As `TableStore.write`. */
  write(flush: Flush, pace: FlushPace = ALONE): Promise<FlushOutcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ flush, pace, resolve, reject, isAlone: false });
      this.#serve();
    });
  }

  #serve(): void {
    while (this.#underWay < this.#options.atOnceMax) {
      const taken = this.#take();
      const [first] = taken;
      if (first === undefined) return;
      this.#underWay++;
      const isGroup = taken.length > 1;
      if (isGroup) this.#groups++;
      const work = isGroup ? this.#writeGroup(taken) : this.#writeOne(first);
      work.finally(() => {
        this.#underWay--;
        if (isGroup) this.#groups--;
        this.#serve();
      });
    }
  }

  /** The flush that waits longest, with others when it may share; none when nothing may begin. */
  #take(): Waiting[] {
    const mayGroup = this.#groups < GROUPS_MAX;
    const index = this.#waiting.findIndex((one) => mayGroup || !this.#mayShare(one));
    const first = this.#waiting[index];
    if (first === undefined) return [];
    const group = this.#mayShare(first) ? this.#sharers(index) : [first];
    const taken = new Set(group);
    this.#waiting = this.#waiting.filter((one) => !taken.has(one));
    return group;
  }

  /** From `index` on, flushes of different tables that may share a transaction. */
  #sharers(index: number): Waiting[] {
    const tables = new Set<number>();
    const sharers: Waiting[] = [];
    for (const one of this.#waiting.slice(index)) {
      const oid = one.flush.table?.oid;
      if (oid === undefined || tables.has(oid) || !this.#mayShare(one)) continue;
      tables.add(oid);
      sharers.push(one);
      if (sharers.length === TABLES_MAX) break;
    }
    return sharers;
  }

  #mayShare({ flush, pace, isAlone }: Waiting): boolean {
    return !isAlone && !pace.follows && isSmall(flush) && !this.#alone.has(flush.table.name);
  }

  async #writeOne({ flush, pace, resolve, reject }: Waiting): Promise<void> {
    const { writeOne, clock } = this.#options;
    const startedMs = clock.monotonic();
    try {
      const outcome = await writeOne(flush, pace);
      const isQuick = clock.monotonic() - startedMs < SLOW_MS;
      this.#note(flush, isQuick && isClean(outcome));
      resolve(outcome);
    } catch (error) {
      this.#note(flush, false);
      reject(error);
    }
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    try {
      const rows = await this.#options.writeGroup(
        group.map(({ flush }) => flush).filter(isSmall),
      );
      for (const [index, { resolve }] of group.entries()) {
        const rowsWritten = rows[index] ?? 0;
        resolve({ kind: "committed", rowsWritten, rejects: [], known: [], gone: [] });
      }
    } catch (error) {
      if (error instanceof GroupRefused) {
        this.#waiting.unshift(...group.map((one) => ({ ...one, isAlone: true })));
      } else {
        for (const { reject } of group) reject(error);
      }
    }
  }

  #note({ table }: Flush, mayShare: boolean): void {
    if (table === null) return;
    this.#alone.delete(table.name);
    if (mayShare) return;
    const oldest = this.#alone.values().next();
    if (this.#alone.size >= ALONE_MAX && !oldest.done) this.#alone.delete(oldest.value);
    this.#alone.add(table.name);
  }
}

/** It landed at the first try. */
function isClean(outcome: FlushOutcome): boolean {
  return outcome.kind === "committed" && outcome.rejects.length === 0 &&
    outcome.known.length === 0;
}
