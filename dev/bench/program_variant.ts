/**
 * The program as a variant: it reads a filled stream to its end into tables that it makes itself, and
 * what it wrote is compared with the rows that were published.
 */
import type { BenchStage } from "./bench_stage.ts";
import { pauseNewConsumer, timeDrain } from "./consumer_drain.ts";
import type { FilledStream } from "./filled_stream.ts";
import {
  INSTANT_PROPERTIES,
  openProgram,
  type ProgramOptions,
  type ProgramStage,
} from "./program_stage.ts";
import { cpuFigures, OTHERS_FIGURE } from "./run_figures.ts";
import { assertSameRows, checksumTables } from "./table_checksum.ts";
import type { Figures, Variant, WorkloadOptions } from "./workload.ts";

/** How the variant differs from the usual one. */
export interface ProgramVariantOptions extends WorkloadOptions {
  readonly name?: string;
  /** Those of the web UI when absent. */
  readonly properties?: ProgramOptions["properties"];
  readonly settings?: Readonly<Record<string, string>>;
  /** Instances that share the consumer; 1 when absent. */
  readonly instances?: number;
  /** Fills the program's database, while it waits, before the clock starts. */
  readonly fillDatabase?: (program: ProgramStage) => Promise<void>;
  /** Part of the messages at whose ack the clock stops; all of them when absent. */
  readonly clockedPart?: number;
}

/** The name under which the program is listed. */
export const PROGRAM_VARIANT = "state-tables";

/** Rows and messages per second of the whole program. */
export function programVariant(
  stage: BenchStage,
  stream: FilledStream,
  options: ProgramVariantOptions,
): Variant {
  const name = options.name ?? PROGRAM_VARIANT;
  return { name, measure: () => measureProgram(stage, stream, { ...options, name }) };
}

async function measureProgram(
  stage: BenchStage,
  stream: FilledStream,
  options: ProgramVariantOptions & { readonly name: string },
): Promise<Figures> {
  const { content, subject, rows } = stream;
  await using consumer = await pauseNewConsumer(stage, content.name);
  await using program = await openProgram(stage, {
    stream: content.name,
    subject,
    consumer: consumer.name,
    processors: content.processors ?? 1,
    properties: options.properties ?? INSTANT_PROPERTIES,
    instances: options.instances ?? 1,
    ...(options.settings === undefined ? {} : { settings: options.settings }),
    profileFolder: options.profileFolder,
  });
  if (options.fillDatabase !== undefined) {
    await options.fillDatabase(program);
    await stage.sql`checkpoint`;
  }
  const times = await timeDrain(stage, consumer, program.services);
  await program.stop();
  const found = await checksumTables(program.sql, program.tables, content.shape);
  assertSameRows(found, stream.checksum, options.name);
  const part = options.clockedPart ?? 1;
  const seconds = times.secondsUntil(part);
  return {
    "rows/s": rows * part / seconds,
    ...(rows === content.messages ? {} : { "messages/s": content.messages * part / seconds }),
    ...cpuFigures(times.cpu, rows),
    "CPU s/M all": Object.values(times.cpu).reduce((sum, part) => sum + part, 0) / rows * 1e6,
    "peak MB": times.peakBytes / 1e6,
    [OTHERS_FIGURE]: times.othersPercent,
  };
}
