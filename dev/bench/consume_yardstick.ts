/**
 * The yardstick of the message workloads: a process of its own that consumes and acknowledges the same
 * stream with the program's client at its best, and writes nothing.
 */
import { join } from "node:path";
import { startServerProcess, waitForSign } from "../servers/server_process.ts";
import type { BenchStage } from "./bench_stage.ts";
import { pauseNewConsumer, timeDrain } from "./consumer_drain.ts";
import type { FilledStream } from "./filled_stream.ts";
import { cpuFigures, OTHERS_FIGURE } from "./run_figures.ts";
import type { Figures, Variant } from "./workload.ts";

/** The name under which the yardstick is listed. */
export const CONSUME_VARIANT = "consume + ack";

const START_TIMEOUT_MS = 30_000;
const STOP_GRACE_MS = 5_000;

/** Messages per second of reading the stream and writing nothing. */
export function consumeVariant(stage: BenchStage, stream: FilledStream): Variant {
  return { name: CONSUME_VARIANT, measure: () => measureConsume(stage, stream) };
}

async function measureConsume(stage: BenchStage, stream: FilledStream): Promise<Figures> {
  const { name, messages } = stream.content;
  await using consumer = await pauseNewConsumer(stage, name);
  const logFile = join(stage.folder, `${consumer.name}.log`);
  await Deno.writeTextFile(logFile, "");
  const reader = startServerProcess({
    program: Deno.execPath(),
    args: ["run", "-A", join(import.meta.dirname ?? ".", "consume_and_ack.ts")]
      .concat(stage.nats.url, name, consumer.name),
    cwd: join(import.meta.dirname ?? ".", "..", ".."),
    env: { HOME: Deno.env.get("HOME") ?? "", DENO_DIR: Deno.env.get("DENO_DIR") ?? "" },
    logFile,
    orphanSignal: "TERM",
    temporaryFolder: null,
  });
  try {
    await waitForSign({
      server: reader,
      name: CONSUME_VARIANT,
      logFile,
      timeoutMs: START_TIMEOUT_MS,
      look: async () => (await Deno.readTextFile(logFile)).includes("ready") ? true : null,
    });
    const times = await timeDrain(stage, consumer, [reader]);
    return {
      "rows/s": messages / times.seconds,
      ...cpuFigures(times.cpu, messages),
      "peak MB": times.peakBytes / 1e6,
      [OTHERS_FIGURE]: times.othersPercent,
    };
  } finally {
    await reader.end("SIGTERM", STOP_GRACE_MS);
  }
}
