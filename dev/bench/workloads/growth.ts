/**
 * Growth: whether a row costs the same when the table is large, the rows are wide, the processors are
 * many or the ledger is full. Each pair of variants differs in one of them; the figure compared is the
 * CPU that program, nats-server and PostgreSQL take together.
 */
import type { BenchStage } from "../bench_stage.ts";
import { type FilledStream, fillStream } from "../filled_stream.ts";
import { createTables, type ProgramStage } from "../program_stage.ts";
import { programVariant } from "../program_variant.ts";
import { MIXED, wideShape } from "../row_shapes.ts";
import { createShapeTable } from "../table_checksum.ts";
import type { Reach, Variant, Workload, WorkloadOptions } from "../workload.ts";

/** Cost per row may grow by so much. */
const FLAT = 1.15;
const FIGURE = "CPU s/M all";
const PER_VALUE_FIGURE = "CPU s/M values";
/** A source of the ledger that no consumer of the bench has. */
const OTHER_SOURCE = 1_000_000;
const PROCESSORS = 1_000;
/** As many as each of so many processors has when the memory for what waits is full. */
const SMALL_FLUSH_ROWS = 50;
const NARROW_COLUMNS = 10;
const WIDE_COLUMNS = 200;

/** Cost per row, small against large. */
export const GROWTH: Workload = {
  id: "growth",
  title: "cost per row when table, ledger, columns and processors grow",
  roundsMax: 1,
  reaches: [
    flat("table of 10,000,000 rows", "table of 10,000 rows", FIGURE),
    flat("ledger of 10,000,000 entries", "table of 10,000 rows", FIGURE),
    flat("200 columns", "10 columns", PER_VALUE_FIGURE),
    flat("1,000 processors", "1 processor", FIGURE),
  ],
  prepare: async (stage, options) => [
    ...await tableVariants(stage, options),
    ...await columnVariants(stage, options),
    ...await processorVariants(stage, options),
  ],
};

function flat(variant: string, yardstick: string, figure: string): Reach {
  return { variant, yardstick, figure, bound: "max", value: FLAT };
}

async function tableVariants(stage: BenchStage, options: WorkloadOptions): Promise<Variant[]> {
  const stream = await fillStream(stage, {
    name: "growth",
    shape: MIXED,
    messages: options.isQuick ? 10_000 : 50_000,
    recordsPerMessage: 10,
  });
  const large = options.isQuick ? 500_000 : 10_000_000;
  return [
    programVariant(stage, stream, {
      ...options,
      name: "table of 10,000 rows",
      fillDatabase: (program) => fillTable(program, 10_000),
    }),
    programVariant(stage, stream, {
      ...options,
      name: "table of 10,000,000 rows",
      fillDatabase: (program) => fillTable(program, large),
    }),
    programVariant(stage, stream, {
      ...options,
      name: "ledger of 10,000,000 entries",
      fillDatabase: async (program) => {
        await fillTable(program, 10_000);
        await fillLedger(program, large);
      },
    }),
  ];
}

async function columnVariants(stage: BenchStage, options: WorkloadOptions): Promise<Variant[]> {
  const rows = (columns: number): Promise<FilledStream> =>
    fillStream(stage, {
      name: `columns${columns}`,
      shape: wideShape(columns),
      // As many values in both, so that starting up weighs the same.
      messages: (options.isQuick ? 200_000 : 1_000_000) / columns,
      recordsPerMessage: 10,
    });
  return await Promise.all([NARROW_COLUMNS, WIDE_COLUMNS].map(async (columns) => {
    const name = `${columns} columns`;
    const variant = programVariant(stage, await rows(columns), { ...options, name });
    return {
      name,
      measure: async () => {
        const figures = await variant.measure();
        return { ...figures, [PER_VALUE_FIGURE]: (figures[FIGURE] ?? NaN) / columns };
      },
    };
  }));
}

async function processorVariants(
  stage: BenchStage,
  options: WorkloadOptions,
): Promise<Variant[]> {
  const variant = async (
    processors: number,
    name: string,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<Variant> => {
    const stream = await fillStream(stage, {
      name: `processors${processors}`,
      shape: MIXED,
      messages: options.isQuick ? 50_000 : 300_000,
      recordsPerMessage: 1,
      processors,
    });
    return programVariant(stage, stream, {
      ...options,
      name,
      properties: { batchSize: 100, batchWindowTTL: 2, includeTimestamp: false },
      settings,
      fillDatabase: (program) => createTables(program, MIXED),
    });
  };
  return [
    await variant(1, "1 processor"),
    // What of the difference comes from the size of flushes, not from the number of tables.
    await variant(1, `1 processor, ${SMALL_FLUSH_ROWS} rows a flush`, {
      FLUSH_ROWS_MAX: String(SMALL_FLUSH_ROWS),
    }),
    await variant(PROCESSORS, "1,000 processors"),
  ];
}

/** Rows without an id do not count when the run is checked. */
async function fillTable({ sql, tables }: ProgramStage, rows: number): Promise<void> {
  const table = tables[0] ?? "";
  await createShapeTable(sql, table, MIXED);
  await sql.unsafe(`
    insert into "${table}" (user_id, email, score, active, created_at, country, amount, tags, comment)
    select 'user', 'user@example.com', n, true, now(), 'US', n, '["a","b"]', 'a comment of some length'
    from generate_series(1, ${rows}) n`);
}

async function fillLedger({ sql }: ProgramStage, entries: number): Promise<void> {
  await sql.unsafe(`
    insert into state_tables.delivered (source, seq, stored_ns)
    select ${OTHER_SOURCE}, n, 1795500000000000000 + n::bigint * 1000
    from generate_series(1, ${entries}) n`);
}
