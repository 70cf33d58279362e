/** Deliveries as plain values, for tests of the pure core. */
import { wholePayload } from "../../lib/encoder/encodable_delivery.ts";
import { HeldDelivery } from "../../lib/ingest/held_delivery.ts";
import type { Delivery, IncomingMessage, StreamOrigin } from "../../lib/ingest/delivery.ts";

/** An origin for tests that do not care which. */
export const ORIGIN: StreamOrigin = {
  consumer: "durable",
  filter: "subject",
  stream: "stream",
  created: "2026-11-24T00:00:00Z",
  consumerCreated: "2026-11-24T00:00:01Z",
};

/** A message that remembers how it was settled. */
export interface RecordedMessage extends IncomingMessage {
  readonly calls: string[];
}

/** A message with a sequence; null for one of core NATS. */
export function recordedMessage(
  sequence: number | null,
  payload = new Uint8Array(),
): RecordedMessage {
  const calls: string[] = [];
  const message: RecordedMessage = {
    calls,
    ...wholePayload(payload),
    payloadBytes: payload.length,
    identity: sequence === null
      ? null
      : { origin: ORIGIN, sequence, storedSeconds: 0, storedFraction: sequence * 1_000 },
    deliveryCount: 1,
    isLastDelivery: false,
    detach: () => calls.push("detach"),
    ack: () => calls.push("ack"),
    nak: (delayMs) => calls.push(`nak ${delayMs}`),
    term: () => calls.push("term"),
    extend: () => calls.push("extend"),
    hold: (records, routeId, receipt) => new HeldDelivery(message, records, routeId, receipt),
  };
  return message;
}

/** A delivery of `recordCount` records and `bytes` payload bytes. */
export function deliveryOf(
  options: { recordCount?: number; bytes?: number; heldSinceMs?: number; sequence?: number } = {},
): Delivery {
  const { recordCount = 1, bytes = 100, heldSinceMs = 0, sequence = 1 } = options;
  const payload = new Uint8Array(bytes);
  return {
    message: recordedMessage(sequence, payload),
    ...wholePayload(payload),
    recordsStart: 0,
    recordsEnd: 0,
    isList: true,
    recordCount,
    receivedAtMs: 0,
    heldSinceMs,
    routeId: "route",
  };
}
