/**
 * The envelope of a message by the fast pass, and by the exact reader where that one passes: so
 * every message gets the same answer, and what is wrong with a bad one is said in words.
 */
import type { FastEncoder } from "../encoder/fast_encoder.ts";
import { type Envelope, readEnvelope } from "./envelope.ts";
import { StringReader } from "./string_reader.ts";

// Reading is synchronous, so one of each serves all messages.
const routeReader = new StringReader();
const processorReader = new StringReader();

/** What {@linkcode readEnvelope} returns, sooner. */
export function readEnvelopeFast(fast: FastEncoder, payload: Uint8Array): Envelope {
  const ranges = fast.readEnvelope(payload);
  if (ranges === null) return readEnvelope(payload);
  const { routeStart, routeEnd, processorStart, processorEnd } = ranges;
  return {
    kind: "message",
    routeId: routeStart === -1 ? null : routeReader.read(payload, routeStart, routeEnd),
    processorId: processorStart === -1
      ? null
      : processorReader.read(payload, processorStart, processorEnd),
    recordsStart: ranges.recordsStart,
    recordsEnd: ranges.recordsEnd,
    isList: ranges.isList,
    recordCount: ranges.recordCount,
  };
}
