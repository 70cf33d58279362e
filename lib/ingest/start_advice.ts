/**
 * What cannot work well as consumer, stream and batch settings stand (design §7): one sentence each,
 * with what to set. Pure; the service logs it at the start. Nothing here is a reason not to run:
 * batches that cannot fill are pressed early, and deadlines are extended.
 */
import type { ConsumerLimits } from "./ports.ts";
import { isInstant, type ProcessorSettings } from "./processor_settings.ts";

/** What the stream may drop by itself. */
export interface StreamLimits {
  /** Age at which a message is dropped, in milliseconds; Infinity for never. */
  readonly maxAgeMs: number;
  /** Messages and bytes kept; Infinity for no limit. */
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** What goes when it is full: the oldest messages, or the new ones. */
  readonly discard: "old" | "new";
}

/** What the advice rests on. */
export interface AdviceFacts {
  readonly consumer: ConsumerLimits;
  readonly stream: StreamLimits;
  /** Settings of the processors that the catalog has for this service. */
  readonly processors: readonly ProcessorSettings[];
}

/** Held messages are looked at every 100 ms: a shorter deadline than this is missed now and then. */
const ACK_WAIT_MIN_MS = 1_000;

/** A stream that forgets sooner loses messages in an outage that an operator would sleep through. */
const MAX_AGE_MIN_MS = 3_600_000;

/** Says what to change, the most dangerous first. */
export function startAdvice(facts: AdviceFacts): string[] {
  return [...streamAdvice(facts), ...deliveryAdvice(facts), ...pendingAdvice(facts)];
}

function streamAdvice({ stream, processors }: AdviceFacts): string[] {
  const advice: string[] = [];
  const windowMs = Math.max(0, ...processors.map(({ batchWindowMs }) => batchWindowMs));
  if (stream.maxAgeMs < Math.max(MAX_AGE_MIN_MS, windowMs)) {
    advice.push(
      `The stream drops messages after ${seconds(stream.maxAgeMs)} s (max_age), written or not: ` +
        `set max_age to at least ${seconds(Math.max(MAX_AGE_MIN_MS, windowMs))} s`,
    );
  }
  const isLimited = Number.isFinite(stream.maxMessages) || Number.isFinite(stream.maxBytes);
  if (isLimited && stream.discard === "old") {
    advice.push(
      "The stream drops its oldest messages when it is full (max_msgs, max_bytes), written or " +
        "not: set discard to new, or leave room for the longest outage",
    );
  }
  return advice;
}

function deliveryAdvice({ consumer }: AdviceFacts): string[] {
  if (consumer.ackWaitMs >= ACK_WAIT_MIN_MS) return [];
  return [
    `ack_wait is ${consumer.ackWaitMs} ms: deadlines cannot be extended that fast, so messages are ` +
    "delivered again for nothing; set ack_wait to 30 s",
  ];
}

/** Many messages hold one record: a batch that needs more messages than may be pending cannot fill. */
function pendingAdvice({ consumer, processors }: AdviceFacts): string[] {
  const { maxAckPending } = consumer;
  const sizes = processors.filter((settings) => !isInstant(settings))
    .map(({ batchRows }) => batchRows);
  const beyond = sizes.filter((size) => size > maxAckPending);
  if (beyond.length > 0) {
    return [
      `max_ack_pending is ${maxAckPending}, and ${processorCount(beyond.length)} a batchSize of ` +
      `up to ${Math.max(...beyond)}: with one record a message such a batch never fills and is ` +
      "written early; set max_ack_pending higher, or batchSize lower",
    ];
  }
  const together = sizes.reduce((sum, size) => sum + size, 0);
  if (together <= maxAckPending) return [];
  return [
    `max_ack_pending is ${maxAckPending}, and all batches together wait for ${together} records: ` +
    "when many fill at once they are written early; set max_ack_pending higher",
  ];
}

function processorCount(count: number): string {
  return count === 1 ? "one processor has" : `${count} processors have`;
}

function seconds(ms: number): number {
  return Math.round(ms / 1_000);
}
