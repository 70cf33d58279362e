/**
 * What the program costs when it does little: CPU with 1,000 idle processors, and the time from its
 * start until it consumes, against `deno run` of an empty program.
 */
import { join } from "node:path";
import type { BenchStage } from "../bench_stage.ts";
import { fillStream } from "../filled_stream.ts";
import { pauseNewConsumer, timeDrain } from "../consumer_drain.ts";
import { readPeakBytes, startCpuMeter } from "../process_meter.ts";
import { INSTANT_PROPERTIES, openProgram, type ProgramOptions } from "../program_stage.ts";
import { PROGRAM_VARIANT } from "../program_variant.ts";
import { MIXED } from "../row_shapes.ts";
import { assertSameRows, checksumTables } from "../table_checksum.ts";
import type { Figures, Workload } from "../workload.ts";
import { runTool } from "../../servers/tool_command.ts";

const PROCESSORS = 1_000;
const EMPTY_VARIANT = "empty program";
/** V8 tidies up some 20 seconds after the last work; that is over then. */
const CALM_MS = 30_000;

/** All writers know their table and wait. */
export const IDLE: Workload = {
  id: "idle",
  title: "1,000 processors that have written once and now wait",
  roundsMax: 2,
  reaches: [{
    variant: PROGRAM_VARIANT,
    figure: "% of a core",
    yardstick: null,
    bound: "max",
    value: 1,
  }],
  prepare: (stage, { isQuick }) =>
    Promise.resolve([{
      name: PROGRAM_VARIANT,
      measure: () => measureIdle(stage, isQuick ? 5_000 : 30_000),
    }]),
};

async function measureIdle(stage: BenchStage, watchMs: number): Promise<Figures> {
  const stream = await fillStream(stage, {
    name: "idle",
    shape: MIXED,
    messages: PROCESSORS,
    recordsPerMessage: 1,
    processors: PROCESSORS,
  });
  await using consumer = await pauseNewConsumer(stage, "idle");
  await using program = await openProgram(stage, {
    stream: "idle",
    subject: stream.subject,
    consumer: consumer.name,
    processors: PROCESSORS,
    properties: INSTANT_PROPERTIES,
  });
  const pids = program.services.map(({ pid }) => pid);
  const drained = await timeDrain(stage, consumer, program.services);
  await new Promise((resolve) => setTimeout(resolve, CALM_MS));
  const meter = startCpuMeter({
    program: pids,
    "nats-server": stage.nats.pid,
    PostgreSQL: stage.postgres.pid,
  });
  const startMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, watchMs));
  const cpu = meter.read();
  const seconds = (performance.now() - startMs) / 1_000;
  const peakBytes = Math.max(...pids.map(readPeakBytes));
  await program.stop();
  assertSameRows(
    await checksumTables(program.sql, program.tables, MIXED),
    stream.checksum,
    PROGRAM_VARIANT,
  );
  const percentOf = (name: string): number => (cpu[name] ?? 0) / seconds * 100;
  return {
    "% of a core": percentOf("program"),
    "% nats-server": percentOf("nats-server"),
    "% PostgreSQL": percentOf("PostgreSQL"),
    "peak MB": peakBytes / 1e6,
    "first rows, tables/s": PROCESSORS / drained.seconds,
  };
}

/** From the start of the process until it consumes; tables of the ledger are there already. */
export const START: Workload = {
  id: "start",
  title: "from the start of the process to its first pull",
  reaches: [{
    variant: PROGRAM_VARIANT,
    figure: "ms",
    yardstick: EMPTY_VARIANT,
    by: "difference",
    bound: "max",
    value: 300,
  }],
  prepare: async (stage) => {
    await stage.manager.streams.add({ name: "start", subjects: ["bench.start"] });
    const emptyFile = join(stage.folder, "empty.ts");
    await Deno.writeTextFile(emptyFile, "export {};\n");
    return [
      {
        name: EMPTY_VARIANT,
        measure: async () => {
          const startMs = performance.now();
          await runTool(Deno.execPath(), ["run", "--no-prompt", emptyFile]);
          return { ms: performance.now() - startMs };
        },
      },
      { name: PROGRAM_VARIANT, measure: () => measureStart(stage) },
    ];
  },
};

/** The second start: the first one makes the tables of the ledger and the consumer. */
async function measureStart(stage: BenchStage): Promise<Figures> {
  const consumer = `bench_${crypto.randomUUID().slice(0, 8)}`;
  const options: ProgramOptions = {
    stream: "start",
    subject: "bench.start",
    consumer,
    processors: 1,
    properties: INSTANT_PROPERTIES,
  };
  await using first = await openProgram(stage, options);
  await first.stop();
  await using second = await openProgram(stage, { ...options, database: first.database });
  await second.stop();
  await stage.manager.consumers.delete("start", consumer);
  return { "ms, first": first.readyMs, ms: second.readyMs };
}
