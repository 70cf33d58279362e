/** The deliveries of one flush, each message once and in stream order. Pure. */
import { type Delivery, type MessageIdentity, messageName } from "./delivery.ts";

/** Deliveries of one flush, each message once. */
export interface DistinctDeliveries {
  readonly deliveries: readonly Delivery[];
  readonly identities: readonly (MessageIdentity | null)[];
}

/**
 * Each message once, in stream order: one fetch can hold the same message twice, and a redelivery
 * comes behind later messages.
 */
export function distinctInStreamOrder(deliveries: readonly Delivery[]): DistinctDeliveries {
  const distinct = isStrictlyAscending(deliveries)
    ? deliveries
    : withoutCopies(deliveries).sort(byStreamOrder);
  return { deliveries: distinct, identities: distinct.map((one) => one.message.identity) };
}

/** The usual case: messages of one stream, each later than the one before. */
function isStrictlyAscending(deliveries: readonly Delivery[]): boolean {
  let before: MessageIdentity | null = null;
  for (const { message } of deliveries) {
    const { identity } = message;
    if (identity === null) continue;
    if (before !== null) {
      if (identity.sequence <= before.sequence || identity.origin !== before.origin) return false;
    }
    before = identity;
  }
  return true;
}

function withoutCopies(deliveries: readonly Delivery[]): Delivery[] {
  const seen = new Set<string>();
  return deliveries.filter(({ message }) => {
    if (message.identity === null) return true;
    const name = messageName(message.identity);
    if (seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}

/** An older incarnation of the stream first, then by sequence. */
function byStreamOrder(a: Delivery, b: Delivery): number {
  const x = a.message.identity;
  const y = b.message.identity;
  if (x === null || y === null) return 0;
  if (x.origin.created !== y.origin.created) return x.origin.created < y.origin.created ? -1 : 1;
  return x.sequence - y.sequence;
}
