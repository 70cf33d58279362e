/**
 * How long a pull request waits, and what silence is suspicious. Pure.
 */
import type { ConsumerConfig } from "@nats-io/jetstream";

/** Times of pull requests, in milliseconds. */
export interface PullTimes {
  /** The server answers a request that was not used up after this. */
  readonly expiresMs: number;
  /** It says that it is there this often. */
  readonly heartbeatMs: number;
  /** Without a sign for longer the consumer is looked up. */
  readonly silenceMaxMs: number;
}

const EXPIRES_MS = 30_000;
const HEARTBEAT_MS = 5_000;
/** The server refuses heartbeats longer than half of the request; a third leaves room. */
const HEARTBEATS_PER_REQUEST_MIN = 3;
/** Heartbeats that must be missing before silence is suspicious. */
const HEARTBEATS_MISSED = 2.5;

/** Times within what the consumer allows. */
export function pullTimes(config: Pick<ConsumerConfig, "max_expires">): PullTimes {
  const allowedNs = config.max_expires ?? 0;
  const expiresMs = allowedNs > 0 ? Math.min(EXPIRES_MS, allowedNs / 1e6) : EXPIRES_MS;
  const heartbeatMs = Math.min(HEARTBEAT_MS, expiresMs / HEARTBEATS_PER_REQUEST_MIN);
  return { expiresMs, heartbeatMs, silenceMaxMs: heartbeatMs * HEARTBEATS_MISSED };
}
