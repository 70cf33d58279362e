/**
 * The yardstick of the writing workloads: `\copy` of a file by psql over one connection, or, where
 * psql is not installed, the same COPY by the client that the program uses.
 */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { BenchStage } from "./bench_stage.ts";
import { runTool } from "../servers/tool_command.ts";
import type { FilledStream } from "./filled_stream.ts";
import { readEndedChildrenSeconds, startCpuMeter } from "./process_meter.ts";
import { cpuFigures, OTHERS_FIGURE } from "./run_figures.ts";
import type { RowShape } from "./row_shapes.ts";
import { assertSameRows, checksumTables, createShapeTable } from "./table_checksum.ts";
import type { Variant } from "./workload.ts";

/** A file to load. */
export interface CopyTask {
  readonly file: string;
  readonly table: string;
  readonly shape: RowShape;
}

const BACKEND_LOOK_MS = 10;
const BACKEND_LOOKS_MAX = 500;

/** The name under which the yardstick is listed. */
export const COPY_VARIANT = "\\copy";

/** Rows per second of loading the stream's rows from a file into an empty table. */
export function copyVariant(stage: BenchStage, stream: FilledStream): Variant {
  const { shape, recordsPerMessage } = stream.content;
  const table = "yardstick";
  return {
    name: COPY_VARIANT,
    measure: async () => {
      await createShapeTable(stage.sql, table, shape);
      await stage.sql`checkpoint`;
      const meter = startCpuMeter({ PostgreSQL: stage.postgres.pid });
      const childrenBefore = readEndedChildrenSeconds();
      const seconds = await copyFile(stage, { file: stream.copyFile, table, shape });
      const program = readEndedChildrenSeconds() - childrenBefore;
      await untilDisconnected(stage);
      const cpu = { ...meter.read(), program };
      const othersPercent = meter.readOthersPercent();
      const found = await checksumTables(stage.sql, [table], shape);
      assertSameRows(found, stream.checksum, COPY_VARIANT);
      await stage.sql`drop table ${stage.sql(table)}`;
      return {
        "rows/s": stream.rows / seconds,
        ...(recordsPerMessage === 1 ? {} : { "messages/s": stream.content.messages / seconds }),
        ...cpuFigures(cpu, stream.rows),
        [OTHERS_FIGURE]: othersPercent,
      };
    },
  };
}

/** Loads a file into a table; returns the seconds that it took, without psql's own start. */
export async function copyFile(stage: BenchStage, task: CopyTask): Promise<number> {
  const columns = task.shape.columns.map(({ name }) => `"${name}"`).join(", ");
  if (stage.psqlVersion === null) return await copyByClient(stage, task, columns);
  const output = await runTool("psql", [
    "-X",
    "-q",
    ...["-v", "ON_ERROR_STOP=1", "-d", stage.postgres.url()],
    ...["-c", "\\timing on"],
    ...["-c", `\\copy "${task.table}" (${columns}) from '${task.file}'`],
  ]);
  const ms = /^Time: ([\d.]+) ms/m.exec(output)?.[1];
  if (ms === undefined) throw new Error(`Cannot read psql's timing: ${output}`);
  return Number(ms) / 1_000;
}

/** psql's backend ends a moment after psql; until then its CPU time is neither here nor there. */
async function untilDisconnected({ sql }: BenchStage): Promise<void> {
  for (let looks = 0; looks < BACKEND_LOOKS_MAX; looks++) {
    const [left] = await sql`
      select count(*)::int as count from pg_stat_activity where application_name = 'psql'`;
    if (left?.count === 0) return;
    await new Promise((resolve) => setTimeout(resolve, BACKEND_LOOK_MS));
  }
  throw new Error("Cannot measure psql: its connection does not end");
}

async function copyByClient(
  { sql }: BenchStage,
  { table, file }: CopyTask,
  columns: string,
): Promise<number> {
  const start = performance.now();
  const writable = await sql.unsafe(`copy "${table}" (${columns}) from stdin`).writable();
  await pipeline(createReadStream(file, { highWaterMark: 128 * 1024 }), writable);
  return (performance.now() - start) / 1_000;
}
