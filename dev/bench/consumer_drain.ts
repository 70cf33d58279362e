/**
 * Times how a process reads a stream to its end. Its consumer is made anew and paused, so that the
 * process can start and connect; the clock starts when the pause ends and stops when every message is
 * acknowledged, which for the program is after the commit.
 */
import { AckPolicy, DeliverPolicy } from "@nats-io/jetstream";
import { PULL_MAX_ACK_PENDING } from "../../lib/nats/consumer_rules.ts";
import type { BenchStage } from "./bench_stage.ts";
import { type CpuSeconds, readPeakBytes, startCpuMeter } from "./process_meter.ts";

/** A paused consumer of a stream. */
export interface PausedConsumer extends AsyncDisposable {
  readonly stream: string;
  readonly name: string;
}

/** What reading the stream took. */
export interface DrainTimes {
  /** From the end of the pause until everything is acknowledged. */
  readonly seconds: number;
  /** From the end of the pause until `part` of the messages are acknowledged, by time of looking. */
  readonly secondsUntil: (part: number) => number;
  readonly cpu: CpuSeconds;
  /** See `CpuMeter.readOthersPercent`. */
  readonly othersPercent: number;
  /** Of the process that took most. */
  readonly peakBytes: number;
}

/** Far enough away for every start. */
const PAUSE_MS = 600_000;
/** The pause ends so long after everything is ready. */
const PAUSE_REST_MS = 200;
const LOOK_EVERY_MS = 15;
/** Nothing acknowledged for so long: something is stuck. */
const STALL_MS = 60_000;

/** Makes the consumer as the program makes its own, but paused; deletes it when disposed. */
export async function pauseNewConsumer(
  { manager }: BenchStage,
  stream: string,
): Promise<PausedConsumer> {
  const name = `bench_${crypto.randomUUID().slice(0, 8)}`;
  await manager.consumers.add(stream, {
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    max_ack_pending: PULL_MAX_ACK_PENDING,
    pause_until: new Date(Date.now() + PAUSE_MS).toISOString(),
  });
  return {
    stream,
    name,
    async [Symbol.asyncDispose](): Promise<void> {
      await manager.consumers.delete(stream, name);
    },
  };
}

/** A process that reads; `ended` is what it ends with. */
export interface ReadingProcess {
  readonly pid: number;
  readonly ended: Promise<unknown>;
}

/** Ends the pause and waits for the last ack. The readers share the consumer. */
export async function timeDrain(
  stage: BenchStage,
  consumer: PausedConsumer,
  readers: readonly ReadingProcess[],
): Promise<DrainTimes> {
  const { manager, nats, postgres } = stage;
  let hasEnded = false;
  Promise.race(readers.map(({ ended }) => ended)).then(() => {
    hasEnded = true;
  });
  const meter = startCpuMeter({
    program: readers.map(({ pid }) => pid),
    "nats-server": nats.pid,
    PostgreSQL: postgres.pid,
  });
  // Not a resume: the server would serve pulls that wait only when something else wakes it.
  const pauseEnd = new Date(Date.now() + PAUSE_REST_MS);
  await manager.consumers.pause(consumer.stream, consumer.name, pauseEnd);
  await new Promise((resolve) => setTimeout(resolve, pauseEnd.getTime() - Date.now()));
  const start = performance.now();
  const seen: { atMs: number; left: number }[] = [];
  let left = Infinity;
  let changedAtMs = start;
  while (left > 0) {
    if (hasEnded) throw new Error("Cannot time the run: the process ended in the middle of it");
    const info = await manager.consumers.info(consumer.stream, consumer.name);
    const nowLeft = info.num_pending + info.num_ack_pending;
    const atMs = performance.now();
    if (nowLeft !== left) changedAtMs = atMs;
    if (atMs - changedAtMs > STALL_MS) {
      throw new Error(`Cannot time the run: ${nowLeft} messages are left and none is acked`);
    }
    left = nowLeft;
    seen.push({ atMs, left });
    if (left > 0) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  const cpu = meter.read();
  const othersPercent = meter.readOthersPercent();
  const total = seen[0]?.left ?? 0;
  const secondsUntil = (part: number): number => {
    const found = seen.find(({ left }) => left <= total * (1 - part));
    return ((found?.atMs ?? performance.now()) - start) / 1_000;
  };
  return {
    seconds: secondsUntil(1),
    secondsUntil,
    cpu,
    othersPercent,
    peakBytes: Math.max(...readers.map(({ pid }) => readPeakBytes(pid))),
  };
}
