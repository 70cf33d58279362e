/**
 * W4: from publishing a message to its row being visible on another connection, in instant mode, with
 * one message at a time and with 1,000 a second. The other connection hears of the row by a trigger's
 * notification, which PostgreSQL sends at commit. The yardstick is what the same clients need for one
 * publish with ack and one autocommit INSERT, one after the other. What of our figure is the hearing
 * is seen from the yardstick's, measured once more until the other connection has heard of its row.
 */
import { jetstream } from "@nats-io/jetstream";
import type postgres from "postgres";
import type { BenchStage } from "../bench_stage.ts";
import { makeReference, routeOf } from "../filled_stream.ts";
import { INSTANT_PROPERTIES, openProgram, type ProgramStage } from "../program_stage.ts";
import { PROGRAM_VARIANT } from "../program_variant.ts";
import { MIXED, recordJson } from "../row_shapes.ts";
import { startCpuMeter } from "../process_meter.ts";
import { OTHERS_FIGURE, percentile } from "../run_figures.ts";
import {
  assertSameRows,
  type Checksum,
  checksumTables,
  createShapeTable,
} from "../table_checksum.ts";
import type { Figures, Variant, Workload, WorkloadOptions } from "../workload.ts";

const SUBJECT = "bench.W4";
const YARDSTICK_VARIANT = "publish + INSERT";
const HEARD_VARIANT = "publish + INSERT, heard";
const PACED_VARIANT = "state-tables, 1,000/s";
const PACE_PER_SECOND = 1_000;
/**
 * Messages before the clock counts, at its pace: the table, the caches and the compiled code, which V8
 * makes beside the program for some seconds, on the same two cores.
 */
const WARM_UP = 3_000;
const WAIT_MS = 20_000;

/** Publish → visible. */
export const W4: Workload = {
  id: "W4",
  title: "instant mode, publish → row visible: one at a time, and 1,000 messages a second",
  reaches: [PROGRAM_VARIANT, PACED_VARIANT].flatMap((variant) => [
    { variant, figure: "p50 ms", yardstick: YARDSTICK_VARIANT, bound: "max", value: 2 },
    { variant, figure: "p99 ms", yardstick: YARDSTICK_VARIANT, bound: "max", value: 4 },
  ]),
  prepare: async (stage, options) => {
    await stage.manager.streams.add({ name: "W4", subjects: [SUBJECT] });
    const count = options.isQuick ? 500 : 5_000;
    const content = { name: "W4", shape: MIXED };
    const { checksum } = await makeReference(stage, content, WARM_UP + count);
    const usual = { ...options, count, checksum };
    return [
      yardstick(stage, { name: YARDSTICK_VARIANT, count, checksum }),
      yardstick(stage, { name: HEARD_VARIANT, count, checksum }),
      programLatency(stage, { ...usual, name: PROGRAM_VARIANT, pacePerSecond: null }),
      programLatency(stage, { ...usual, name: PACED_VARIANT, pacePerSecond: PACE_PER_SECOND }),
    ];
  },
};

interface LatencyOptions extends WorkloadOptions {
  readonly name: string;
  readonly count: number;
  /** Of all rows, those of the warm-up included. */
  readonly checksum: Checksum;
  /** Null: the next message goes when the one before is visible. */
  readonly pacePerSecond: number | null;
}

type YardstickOptions = Pick<LatencyOptions, "name" | "count" | "checksum">;

function yardstick(stage: BenchStage, options: YardstickOptions): Variant {
  return { name: options.name, measure: () => measureYardstick(stage, options) };
}

async function measureYardstick(
  stage: BenchStage,
  { name, count, checksum }: YardstickOptions,
): Promise<Figures> {
  const js = jetstream(stage.connection);
  await createShapeTable(stage.sql, "latency", MIXED);
  const landed = new LandedRows();
  const listening = name === HEARD_VARIANT ? await hearLanded(stage.sql, "latency", landed) : null;
  const places = MIXED.columns.map(({ type }, i) => `$${i + 1}::text::${type}`);
  const insert = `insert into latency values (${places})`;
  const latenciesMs: number[] = [];
  const meter = startCpuMeter(serverPids(stage));
  for (let number = 0; number < WARM_UP + count; number++) {
    const values = Object.values(MIXED.row(number)).map((value) =>
      typeof value === "string" ? value : JSON.stringify(value)
    );
    const message = messageOf(number);
    const id = rowId(number);
    const startMs = performance.now();
    await js.publish(SUBJECT, message);
    await stage.sql.unsafe(insert, values, { prepare: true });
    if (listening !== null) await landed.whenLanded(id);
    if (number >= WARM_UP) latenciesMs.push(performance.now() - startMs);
  }
  const othersPercent = meter.readOthersPercent();
  await listening?.unlisten();
  assertSameRows(await checksumTables(stage.sql, ["latency"], MIXED), checksum, name);
  await stage.sql`drop table latency`;
  await stage.sql`drop function if exists tell()`;
  return { ...latencyFigures(latenciesMs), [OTHERS_FIGURE]: othersPercent };
}

function programLatency(stage: BenchStage, options: LatencyOptions): Variant {
  return { name: options.name, measure: () => measureProgram(stage, options) };
}

async function measureProgram(stage: BenchStage, options: LatencyOptions): Promise<Figures> {
  await stage.manager.streams.purge("W4");
  const consumer = `bench_${crypto.randomUUID().slice(0, 8)}`;
  await using program = await openProgram(stage, {
    stream: "W4",
    subject: SUBJECT,
    consumer,
    processors: 1,
    properties: INSTANT_PROPERTIES,
    profileFolder: options.profileFolder,
  });
  const landed = new LandedRows();
  const listening = await makeTable(stage, program, landed);
  try {
    const { count, pacePerSecond } = options;
    await publishPaced(stage, landed, { from: 0, count: WARM_UP, pacePerSecond });
    const pids = program.services.map(({ pid }) => pid);
    const meter = startCpuMeter({ ...serverPids(stage), program: pids });
    const sentMs = await publishPaced(stage, landed, { from: WARM_UP, count, pacePerSecond });
    const latenciesMs = sentMs.map((atMs, i) => landed.atMs(rowId(WARM_UP + i)) - atMs);
    const othersPercent = meter.readOthersPercent();
    await listening.unlisten();
    await program.stop();
    const found = await checksumTables(program.sql, program.tables, MIXED);
    assertSameRows(found, options.checksum, options.name);
    return { ...latencyFigures(latenciesMs), [OTHERS_FIGURE]: othersPercent };
  } finally {
    await stage.manager.consumers.delete("W4", consumer);
  }
}

function serverPids({ nats, postgres }: BenchStage): Record<string, number> {
  return { "nats-server": nats.pid, PostgreSQL: postgres.pid };
}

/** The table as the program would make it. */
async function makeTable(
  stage: BenchStage,
  { sql, tables }: ProgramStage,
  landed: LandedRows,
): Promise<postgres.ListenMeta> {
  const table = tables[0] ?? "";
  await createShapeTable(sql, table, MIXED);
  const listening = await hearLanded(sql, table, landed);
  await stage.sql`checkpoint`;
  return listening;
}

/** Has a trigger tell another connection of every row at commit. */
async function hearLanded(
  sql: postgres.Sql,
  table: string,
  landed: LandedRows,
): Promise<postgres.ListenMeta> {
  await sql.unsafe(`
    create function tell() returns trigger language plpgsql as
      $$ begin perform pg_notify('landed', new.id::text); return null; end $$;
    create trigger tell after insert on "${table}" for each row execute function tell()`);
  return await sql.listen("landed", (id) => landed.note(Number(id)));
}

/** When rows became visible, by id. */
class LandedRows {
  readonly #landedMs = new Map<number, number>();
  #awaited: { readonly id: number; readonly landed: () => void } | null = null;

  note(id: number): void {
    this.#landedMs.set(id, performance.now());
    if (this.#awaited?.id === id) this.#awaited.landed();
  }

  /** Of a row that has landed. */
  atMs(id: number): number {
    const atMs = this.#landedMs.get(id);
    if (atMs === undefined) throw new Error(`Row ${id} did not land`);
    return atMs;
  }

  /** One row at a time. */
  async whenLanded(id: number): Promise<void> {
    if (this.#landedMs.has(id)) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => reject(new Error(`Cannot see row ${id} within ${WAIT_MS} ms`)),
      WAIT_MS,
    );
    this.#awaited = { id, landed: resolve };
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#awaited = null;
    }
  }
}

/**
 * Publishes a range of rows, one a message, and waits until they landed; returns when each was sent.
 * Messages are made before, and nothing else is done meanwhile: the machine's cores are the program's.
 */
async function publishPaced(
  { connection }: BenchStage,
  landed: LandedRows,
  range: { readonly from: number; readonly count: number; readonly pacePerSecond: number | null },
): Promise<number[]> {
  const numbers = Array.from({ length: range.count }, (_, i) => range.from + i);
  const messages = numbers.map((number) => ({ text: messageOf(number), id: rowId(number) }));
  const sentMs: number[] = [];
  const startMs = performance.now();
  for (const [i, { text, id }] of messages.entries()) {
    if (range.pacePerSecond !== null) {
      const dueMs = startMs + i * 1_000 / range.pacePerSecond;
      // Timers know milliseconds: what is late goes with the next. Looking all the time would take a
      // core from what is measured.
      for (let leftMs = dueMs - performance.now(); leftMs > 0; leftMs = dueMs - performance.now()) {
        await new Promise((resolve) => setTimeout(resolve, leftMs));
      }
    }
    sentMs.push(performance.now());
    connection.publish(SUBJECT, text);
    if (range.pacePerSecond === null) await landed.whenLanded(id);
  }
  for (const { id } of messages) await landed.whenLanded(id);
  return sentMs;
}

function messageOf(number: number): string {
  return `{"type":"query_state","route_id":"${routeOf(0)}","query_state":[${
    recordJson(MIXED, number)
  }]}`;
}

function rowId(number: number): number {
  return Number(MIXED.row(number).id);
}

function latencyFigures(latenciesMs: readonly number[]): Figures {
  const sorted = [...latenciesMs].sort((a, b) => a - b);
  return { "p50 ms": percentile(sorted, 0.5), "p99 ms": percentile(sorted, 0.99) };
}
