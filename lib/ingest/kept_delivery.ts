/** A kept message or record as a delivery, so that it is written by the code of every flush. */
import type { Clock } from "../clock.ts";
import { wholePayload } from "../encoder/encodable_delivery.ts";
import type { Delivery, IncomingMessage } from "./delivery.ts";
import { readEnvelope } from "./envelope.ts";
import type { KeptReject } from "./kept_reject.ts";

/** Where the records are and whom they are for. */
export type KeptParts =
  & Pick<Delivery, "recordsStart" | "recordsEnd" | "isList" | "recordCount" | "routeId">
  & { readonly processorId: string | null };

/** Reads a message that was kept whole, or says why it is none. */
export function messageParts(
  { payload }: KeptReject,
): KeptParts | { readonly fault: string } {
  const envelope = readEnvelope(payload);
  return envelope.kind === "bad" ? { fault: envelope.reason } : envelope;
}

/** The delivery of a kept message or record; it replays the reject and settles nothing. */
export function keptDelivery(reject: KeptReject, parts: KeptParts, clock: Clock): Delivery {
  const { recordsStart, recordsEnd, isList, recordCount, routeId } = parts;
  return {
    message: unsettled(reject.payload),
    ...wholePayload(reject.payload),
    recordsStart,
    recordsEnd,
    isList,
    recordCount,
    receivedAtMs: reject.receivedAt.getTime(),
    heldSinceMs: clock.monotonic(),
    routeId,
    replayOf: reject.id,
  };
}

/** The server was told long ago. */
function unsettled(payload: Uint8Array): IncomingMessage {
  const nothing = (): void => undefined;
  return {
    ...wholePayload(payload),
    payloadBytes: payload.length,
    identity: null,
    deliveryCount: 1,
    isLastDelivery: false,
    detach: nothing,
    ack: nothing,
    nak: nothing,
    term: nothing,
    extend: nothing,
    hold: () => {
      throw new TypeError("Cannot hold a kept message anew");
    },
  };
}
