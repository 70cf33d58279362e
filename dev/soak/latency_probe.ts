/**
 * Measures how long a row takes from its publish to being visible, once a second, all through the soak:
 * on a table of its own, written at once, seen by a client that goes around the fault proxy. Its rows
 * are compared in the end like all others.
 */
import { addProcessor } from "../servers/catalog.ts";
import { type Bed, type BedTarget, SUBJECT } from "../faults/bed.ts";
import { type LoadMessage, plannedMessages, Publisher } from "../faults/load.ts";
import { compareTable, type Comparison } from "../faults/oracle.ts";
import { SOAK_SHAPE } from "./soak_load.ts";

const TARGET: BedTarget = { processorId: "probe", routeId: "state-probe:probe", table: "probe" };
/** Written as it comes. */
const PROPERTIES = { batchSize: 1, batchWindowTTL: 0 };
const FIRST_ID = 2_000_000_000;
const EVERY_MS = 1_000;
const LOOK_EVERY_MS = 3;

/** The probe. */
export class LatencyProbe {
  readonly #bed: Bed;
  readonly #publisher: Publisher;
  readonly #messages: Iterator<LoadMessage>;
  readonly #published: LoadMessage[] = [];
  #measuredMs: number[] = [];

  private constructor(bed: Bed, seed: number) {
    this.#bed = bed;
    this.#publisher = new Publisher(bed.stream, SUBJECT);
    const shape = { ...SOAK_SHAPE, recordsMax: 1, perSecond: 1 };
    this.#messages = plannedMessages(seed, [TARGET], shape, FIRST_ID);
  }

  /** Adds the processor that the probe writes to. */
  static async open(bed: Bed, seed: number): Promise<LatencyProbe> {
    await addProcessor(bed.sql, {
      processorId: TARGET.processorId,
      properties: PROPERTIES,
      routes: [TARGET.routeId],
    });
    return new LatencyProbe(bed, seed);
  }

  /** Publishes a row and waits until it is seen; returns the milliseconds. Rejects with the signal. */
  async measure(signal: AbortSignal): Promise<number> {
    const { value: message } = this.#messages.next();
    const id = Number(message.rows[0]?.id);
    const startMs = performance.now();
    await this.#publisher.publish([message], { messagesMin: 1, perSecond: Infinity, signal });
    this.#published.push(...this.#publisher.published.splice(0));
    while (!await this.#isVisible(id)) {
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    return performance.now() - startMs;
  }

  /** Measures once a second until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startMs = performance.now();
      try {
        this.#measuredMs.push(await this.measure(signal));
      } catch (error) {
        if (!signal.aborted) throw error;
      }
      const restMs = Math.max(0, EVERY_MS - (performance.now() - startMs));
      await new Promise((resolve) => setTimeout(resolve, restMs));
    }
  }

  /** What was measured since the last call, in milliseconds. */
  take(): number[] {
    const measured = this.#measuredMs;
    this.#measuredMs = [];
    return measured;
  }

  /** Compares the probe's table with what was published. */
  async compare(): Promise<Comparison> {
    const found = await this.#bed.sql`select * from ${this.#bed.sql(TARGET.table)}`;
    return compareTable(this.#published, [...found]);
  }

  async #isVisible(id: number): Promise<boolean> {
    const { sql } = this.#bed;
    try {
      const [found] = await sql`
        select exists(select from ${sql(TARGET.table)} where id = ${id}) as yes`;
      return found?.yes === true;
    } catch {
      return false; // the server is away, or the table is not made yet
    }
  }
}
