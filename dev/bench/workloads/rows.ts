/**
 * Workloads that are measured in rows against `\copy` of the same rows: W1 (ten mixed columns), W5
 * (wide records and large text) and W7 (hostile to prediction, against W1).
 */
import { COPY_VARIANT, copyVariant } from "../copy_yardstick.ts";
import { fillStream, type StreamContent } from "../filled_stream.ts";
import { PROGRAM_VARIANT, programVariant } from "../program_variant.ts";
import { LARGE_TEXT, MIXED, SHUFFLED, wideShape } from "../row_shapes.ts";
import type { Workload } from "../workload.ts";

const WIDE_COLUMNS = 200;

/** Name of the W1 run inside W7. */
const PREDICTABLE_VARIANT = "state-tables, W1";

/** The stream of W1. */
export function mixedContent(isQuick: boolean): StreamContent {
  const messages = isQuick ? 20_000 : 100_000;
  return { name: "W1", shape: MIXED, messages, recordsPerMessage: 10 };
}

/** Ten records a message, ten mixed columns. */
export const W1: Workload = {
  id: "W1",
  title: "100,000 messages × 10 records × 10 columns, one processor",
  reaches: [0.7, 0.8].map((value) => ({
    variant: PROGRAM_VARIANT,
    figure: "rows/s",
    yardstick: COPY_VARIANT,
    bound: "min",
    value,
  })),
  prepare: async (stage, options) => {
    const stream = await fillStream(stage, mixedContent(options.isQuick));
    return [copyVariant(stage, stream), programVariant(stage, stream, options)];
  },
};

/** 200 columns, or one of 100 KB, against `\copy`. */
function largeRecords(
  id: string,
  title: string,
  content: (isQuick: boolean) => StreamContent,
): Workload {
  return {
    id,
    title,
    reaches: [{
      variant: PROGRAM_VARIANT,
      figure: "rows/s",
      yardstick: COPY_VARIANT,
      bound: "min",
      value: 0.6,
    }],
    prepare: async (stage, options) => {
      const stream = await fillStream(stage, content(options.isQuick));
      return [copyVariant(stage, stream), programVariant(stage, stream, options)];
    },
  };
}

/** Wide records. */
export const W5_WIDE: Workload = largeRecords(
  "W5wide",
  "10,000 messages × 5 records × 200 columns",
  (isQuick) => ({
    name: "W5wide",
    shape: wideShape(WIDE_COLUMNS),
    messages: isQuick ? 3_000 : 10_000,
    recordsPerMessage: 5,
  }),
);

/** Large text. */
export const W5_TEXT: Workload = largeRecords(
  "W5text",
  "3,000 messages × 1 record with 100 KB of text",
  (isQuick) => ({
    name: "W5text",
    shape: LARGE_TEXT,
    messages: isQuick ? 1_000 : 3_000,
    recordsPerMessage: 1,
  }),
);

/** Keys shuffled, half of them absent, every tenth record with an escape in a key. */
export const W7: Workload = {
  id: "W7",
  title: "W1 with shuffled keys, half of them absent, every tenth record unusual",
  reaches: [{
    variant: PROGRAM_VARIANT,
    figure: "rows/s",
    yardstick: PREDICTABLE_VARIANT,
    bound: "min",
    value: 0.5,
  }],
  prepare: async (stage, options) => {
    const usual = await fillStream(stage, mixedContent(options.isQuick));
    const hostile = await fillStream(stage, {
      ...mixedContent(options.isQuick),
      name: "W7",
      shape: SHUFFLED,
    });
    return [
      programVariant(stage, usual, { ...options, name: PREDICTABLE_VARIANT }),
      programVariant(stage, hostile, options),
    ];
  },
};
