/**
 * The envelope of a message by the fast pass, and by the exact reader where that one passes: so
 * every message gets the same answer, and what is wrong with a bad one is said in words.
 */
import type { EncodableDelivery, PayloadPlace } from "../encoder/encodable_delivery.ts";
import type { FastEncoder } from "../encoder/fast_encoder.ts";
import { type Envelope, readEnvelope } from "./envelope.ts";
import { StringReader } from "./string_reader.ts";

// Reading is synchronous, so one of each serves all messages, and none is garbage.
const routeReader = new StringReader();
const processorReader = new StringReader();

const envelope = {
  kind: "message" as const,
  routeId: null as string | null,
  processorId: null as string | null,
  recordsStart: 0,
  recordsEnd: 0,
  isList: false,
  recordCount: 0,
};

/** What {@linkcode readEnvelope} returns, sooner; it is true until the next call. */
export function readEnvelopeFast(
  fast: FastEncoder,
  message: PayloadPlace & Pick<EncodableDelivery, "payload">,
): Envelope {
  const ranges = fast.readEnvelope(message);
  if (ranges === null) return readEnvelope(message.payload);
  const { bytes, payloadStart: at } = message;
  const { routeStart, routeEnd, processorStart, processorEnd } = ranges;
  envelope.routeId = routeStart === -1
    ? null
    : routeReader.read(bytes, at + routeStart, at + routeEnd);
  envelope.processorId = processorStart === -1
    ? null
    : processorReader.read(bytes, at + processorStart, at + processorEnd);
  envelope.recordsStart = ranges.recordsStart;
  envelope.recordsEnd = ranges.recordsEnd;
  envelope.isList = ranges.isList;
  envelope.recordCount = ranges.recordCount;
  return envelope;
}
