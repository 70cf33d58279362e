/**
 * Workloads that are measured in messages of one record: W2 against bare consuming, W3 spread over
 * 1,000 processors against W2, and the memory that a backlog of 1,000,000 messages takes.
 */
import { CONSUME_VARIANT, consumeVariant } from "../consume_yardstick.ts";
import { fillStream, type StreamContent } from "../filled_stream.ts";
import { PROGRAM_VARIANT, programVariant } from "../program_variant.ts";
import { createTables } from "../program_stage.ts";
import { MIXED } from "../row_shapes.ts";
import type { Workload } from "../workload.ts";

/** Name of the W2 run inside W3. */
const ONE_PROCESSOR_VARIANT = "state-tables, W2";

const PROCESSORS = 1_000;
const PROCESSORS_QUICK = 200;

/**
 * The last rows of each processor wait for their window by definition; until so large a part of the
 * messages is acked, the rate is that of full batches.
 */
const FULL_BATCHES_PART = 0.9;

/** The stream of W2. */
export function singleContent(isQuick: boolean): StreamContent {
  const messages = isQuick ? 60_000 : 300_000;
  return { name: "W2", shape: MIXED, messages, recordsPerMessage: 1 };
}

/** One record a message. */
export const W2: Workload = {
  id: "W2",
  title: "300,000 messages × 1 record, one processor",
  reaches: [0.55, 0.65].map((value) => ({
    variant: PROGRAM_VARIANT,
    figure: "rows/s",
    yardstick: CONSUME_VARIANT,
    bound: "min",
    value,
  })),
  prepare: async (stage, options) => {
    const stream = await fillStream(stage, singleContent(options.isQuick));
    return [consumeVariant(stage, stream), programVariant(stage, stream, options)];
  },
};

/** W2 over many tables. */
export const W3: Workload = {
  id: "W3",
  title: "W2 over 1,000 processors with tables, batchSize 100, window 2 s, until 90 % are acked",
  reaches: [
    {
      variant: PROGRAM_VARIANT,
      figure: "rows/s",
      yardstick: ONE_PROCESSOR_VARIANT,
      bound: "min",
      value: 0.5,
    },
    { variant: PROGRAM_VARIANT, figure: "peak MB", yardstick: null, bound: "max", value: 250 },
  ],
  prepare: async (stage, options) => {
    const usual = await fillStream(stage, singleContent(options.isQuick));
    const spread = await fillStream(stage, {
      ...singleContent(options.isQuick),
      name: "W3",
      processors: options.isQuick ? PROCESSORS_QUICK : PROCESSORS,
    });
    return [
      programVariant(stage, usual, { ...options, name: ONE_PROCESSOR_VARIANT }),
      programVariant(stage, spread, {
        ...options,
        properties: { batchSize: 100, batchWindowTTL: 2, includeTimestamp: false },
        // That tables have to be made is another question: the idle workload shows how fast.
        fillDatabase: (program) => createTables(program, MIXED),
        clockedPart: FULL_BATCHES_PART,
      }),
    ];
  },
};

/** A million messages wait when the program starts. */
export const BACKLOG: Workload = {
  id: "backlog",
  title: "backlog of 1,000,000 messages × 1 record",
  reaches: [200, 150].map((value) => ({
    variant: PROGRAM_VARIANT,
    figure: "peak MB",
    yardstick: null,
    bound: "max",
    value,
  })),
  roundsMax: 2,
  prepare: async (stage, options) => {
    const messages = options.isQuick ? 100_000 : 1_000_000;
    const stream = await fillStream(stage, {
      name: "backlog",
      shape: MIXED,
      messages,
      recordsPerMessage: 1,
    });
    return [programVariant(stage, stream, options)];
  },
};
