/**
 * Ends a subscription without losing what the server has sent already.
 */
import type { Subscription } from "@nats-io/nats-core";
import type { Clock } from "../clock.ts";

/** Longest wait for the server's answer, in milliseconds; then the subscription just ends. */
const DRAIN_TIMEOUT_MS = 5_000;

/**
 * Tells the server to send no more, and resolves when what was under way has come or the time is
 * over. The callback is not called any more afterwards. Never rejects.
 */
export async function drainSubscription(subscription: Subscription, clock: Clock): Promise<void> {
  if (subscription.isClosed()) return;
  const timer = new AbortController();
  // A drain fails when the connection is closed or a drain is under way: then all has come.
  const drained = subscription.drain().catch(() => {});
  const late = clock.delay(DRAIN_TIMEOUT_MS, timer.signal).catch(() => {});
  await Promise.race([drained, late]);
  timer.abort();
  if (!subscription.isClosed()) subscription.unsubscribe();
}
