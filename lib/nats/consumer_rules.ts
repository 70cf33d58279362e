/**
 * What the route wants of a consumer against what is there: refusals, differences worth a warning,
 * and the configuration of a consumer that is made anew. Pure.
 */
import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  ReplayPolicy,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import type { ConsumerLimits, StartPosition } from "../ingest/ports.ts";
import type { StreamLimits } from "../ingest/start_advice.ts";
import type { StreamRoute } from "./stream_route.ts";

/** `ack_wait` when the route does not say, in milliseconds: the server's own default. */
export const DEFAULT_ACK_WAIT_MS = 30_000;

/**
 * Messages that may be unacknowledged on a pull consumer that we create; the server's default of
 * 1,000 would keep larger batches from filling.
 */
export const PULL_MAX_ACK_PENDING = 50_000;

/** The same for a push consumer, where it is the only back-pressure there is. */
export const PUSH_MAX_ACK_PENDING = 5_000;

const NS_PER_MS = 1e6;

/** How a consumer delivers. */
export type ConsumerKind = "pull" | "push";

/** Which of the two an existing consumer is. */
export function kindOf(config: ConsumerConfig): ConsumerKind {
  return (config.deliver_subject ?? "") === "" ? "pull" : "push";
}

/** The filter of a consumer as one text; empty when it reads the whole stream. */
export function filterOf(config: ConsumerConfig): string {
  if (config.filter_subjects !== undefined) return config.filter_subjects.join(",");
  return config.filter_subject ?? "";
}

/** What a consumer allows. */
export function limitsOf(config: ConsumerConfig): ConsumerLimits {
  // A backoff list overrides ack_wait; the shortest of its waits is the one to keep.
  const waits = config.backoff ?? [];
  const ackWaitNs = waits.length > 0 ? Math.min(...waits) : config.ack_wait;
  return {
    ackWaitMs: ackWaitNs === undefined ? DEFAULT_ACK_WAIT_MS : ackWaitNs / NS_PER_MS,
    maxAckPending: unlimited(config.max_ack_pending),
    maxDeliver: unlimited(config.max_deliver),
  };
}

/** What a stream drops by itself. */
export function streamLimitsOf(config: StreamConfig): StreamLimits {
  return {
    maxAgeMs: unlimited(config.max_age) / NS_PER_MS,
    maxMessages: unlimited(config.max_msgs),
    maxBytes: unlimited(config.max_bytes),
    discard: config.discard === "new" ? "new" : "old",
  };
}

/** The server writes "no limit" as -1 or 0, or leaves it out. */
function unlimited(value: number | undefined): number {
  return value === undefined || value <= 0 ? Infinity : value;
}

/** Why an existing consumer cannot be used, or null when it can. */
export function refusalOf(config: ConsumerConfig): string | null {
  if (config.ack_policy === AckPolicy.All) {
    return "its ack policy is 'all': an ack would settle messages that are not written yet";
  }
  if (config.ack_policy !== AckPolicy.Explicit) {
    return `its ack policy is '${config.ack_policy}': messages would be lost with a crash`;
  }
  if (config.headers_only === true) return "it delivers headers only";
  if ((config.priority_groups ?? []).length > 0) return "it has priority groups";
  return null;
}

/** Where an existing consumer differs from what the route asks, one sentence each. */
export function differencesOf(config: ConsumerConfig, route: StreamRoute): string[] {
  const limits = limitsOf(config);
  const found: string[] = [];
  const wanted = route.maxAckPending === null ? null : unlimited(route.maxAckPending);
  if (wanted !== null && limits.maxAckPending !== wanted) {
    found.push(`max_ack_pending is ${limits.maxAckPending}, the route says ${wanted}`);
  }
  if (route.ackWaitMs !== null && limits.ackWaitMs !== route.ackWaitMs) {
    found.push(`ack_wait is ${limits.ackWaitMs} ms, the route says ${route.ackWaitMs} ms`);
  }
  const filter = filterOf(config);
  if (filter !== "" && filter !== route.subject) {
    found.push(`it reads '${filter}', the route says '${route.subject}'`);
  }
  if (Number.isFinite(limits.maxDeliver)) {
    found.push(
      `max_deliver is ${limits.maxDeliver}: a message delivered that often without an ack is left behind`,
    );
  }
  const group = config.deliver_group ?? "";
  if (kindOf(config) === "push" && group !== route.queue) {
    found.push(
      group === ""
        ? "it has no deliver group: only one program can read it at a time"
        : `its deliver group is '${group}', the route says '${route.queue}'`,
    );
  }
  return found;
}

/** What {@linkcode newConsumer} needs. */
export interface NewConsumerOptions {
  readonly kind: ConsumerKind;
  readonly route: StreamRoute;
  readonly stream: StreamInfo;
  readonly start: StartPosition;
  /** Where a push consumer delivers to. */
  readonly deliverSubject: string;
}

/** Configuration of a consumer that does not exist yet. */
export function newConsumer(options: NewConsumerOptions): Partial<ConsumerConfig> {
  const { kind, route, stream, start, deliverSubject } = options;
  const byDefault = kind === "pull" ? PULL_MAX_ACK_PENDING : PUSH_MAX_ACK_PENDING;
  const allowed = unlimited(stream.config.consumer_limits?.max_ack_pending);
  return {
    durable_name: route.queue,
    ack_policy: AckPolicy.Explicit,
    ack_wait: (route.ackWaitMs ?? DEFAULT_ACK_WAIT_MS) * NS_PER_MS,
    max_ack_pending: route.maxAckPending ?? Math.min(byDefault, allowed),
    max_deliver: -1,
    replay_policy: ReplayPolicy.Instant,
    filter_subject: route.subject,
    ...deliverFrom(start, stream),
    ...(kind === "push" ? { deliver_subject: deliverSubject, deliver_group: route.queue } : {}),
  };
}

function deliverFrom(start: StartPosition, stream: StreamInfo): Partial<ConsumerConfig> {
  // A work-queue stream takes no other: what was settled is gone from it.
  if (stream.config.retention === "workqueue") return { deliver_policy: DeliverPolicy.All };
  switch (start.kind) {
    case "all":
      return { deliver_policy: DeliverPolicy.All };
    case "new":
      return { deliver_policy: DeliverPolicy.New };
    case "sequence":
      return {
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: Math.max(1, start.sequence),
      };
    case "time":
      return {
        deliver_policy: DeliverPolicy.StartTime,
        opt_start_time: start.time.toISOString(),
      };
    default: {
      const never: never = start;
      throw new TypeError(`Unknown start position ${JSON.stringify(never)}`);
    }
  }
}
