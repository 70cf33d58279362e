/**
 * One case of the differential fuzz: the fast encoder with the exact one behind it has to give what
 * the exact one gives alone, and must not write outside of its regions, whatever the bytes are.
 */
import assert from "node:assert/strict";
import { type EncodableDelivery, wholePayload } from "../../../lib/encoder/encodable_delivery.ts";
import { encodeBatch, type EncodedBatch } from "../../../lib/encoder/exact_encoder.ts";
import type { FastEncoder } from "../../../lib/encoder/fast_encoder.ts";
import { RowBuffer } from "../../../lib/encoder/row_buffer.ts";
import { readEnvelope } from "../../../lib/ingest/envelope.ts";
import { readEnvelopeFast } from "../../../lib/ingest/fast_envelope.ts";
import { joinBytes } from "../../../lib/nats/byte_channel.ts";
import { compilePlan } from "../../../lib/schema/column_plan.ts";
import { RECEIVED_AT_MS } from "../encoding.ts";
import { randomBatch } from "./random_batch.ts";

/** Runs the case that belongs to the seed; throws, with the seed, where both ways differ. */
export function checkSeed(seed: number, fast: FastEncoder): void {
  try {
    check(seed, fast);
  } catch (error) {
    throw new Error(`Cannot pass the fuzz's seed ${seed}`, { cause: error });
  }
}

function check(seed: number, fast: FastEncoder): void {
  const { payloads, onInvalidText, defaults, ...planned } = randomBatch(seed);
  const plan = compilePlan(planned.table, planned);
  const trapsBefore = fast.counts.traps;
  const deliveries: EncodableDelivery[] = [];
  const ways = [
    payloads.map(wholePayload),
    placedTogether(payloads),
    placedTogether(payloads, ""),
  ];
  const places = ways[seed % ways.length] ?? [];
  for (const [index, place] of places.entries()) {
    const { payload } = place;
    const envelope = readEnvelope(payload);
    assert.deepEqual(readEnvelopeFast(fast, place), envelope);
    // A bad message is encoded by nobody; here it is, as the module has to stay within its bounds.
    if (envelope.kind === "bad") encodeAnyhow(fast, plan, payload);
    else deliveries.push({ ...envelope, ...place, receivedAtMs: RECEIVED_AT_MS + index });
    assert.ok(fast.memory.isIntact, "a guard was written to");
  }
  const options = { onInvalidText, defaults };
  const expected = encodeBatch(plan, deliveries, new RowBuffer(), options);
  const actual = encodeBatch(plan, deliveries, new RowBuffer(), { ...options, fast });
  assert.deepEqual(contents(actual), contents(expected));
  assert.ok(fast.memory.isIntact, "a guard was written to");
  assert.equal(fast.counts.traps, trapsBefore);
}

/** Payloads as they stand in what was read from a socket: with something before and behind each. */
export function placedTogether(
  payloads: readonly Uint8Array[],
  separator = '"}]\r\nMSG 1 {"route_id":"other"}\r\n',
): ReturnType<typeof wholePayload>[] {
  const between = new TextEncoder().encode(separator);
  const bytes = joinBytes(payloads.flatMap((payload) => [between, payload]).concat(between));
  let payloadEnd = 0;
  return payloads.map((payload) => {
    const payloadStart = payloadEnd + between.length;
    payloadEnd = payloadStart + payload.length;
    return { payload, bytes, payloadStart, payloadEnd };
  });
}

function encodeAnyhow(
  fast: FastEncoder,
  plan: ReturnType<typeof compilePlan>,
  payload: Uint8Array,
): void {
  const recordsStart = Math.max(0, payload.indexOf(0x5b));
  const delivery: EncodableDelivery = {
    ...wholePayload(payload),
    recordsStart,
    recordsEnd: payload.length,
    isList: payload[recordsStart] === 0x5b,
    recordCount: 1,
    receivedAtMs: RECEIVED_AT_MS,
  };
  fast.encodeBatch({
    plan,
    deliveries: [delivery],
    buffer: new RowBuffer(),
    firstRows: new Uint32Array(2),
    exact: { encodeRecord: () => -1, encodeDelivery: () => undefined },
  });
}

/** All that an encoded batch says. */
function contents(batch: EncodedBatch): unknown {
  const { rows, plan, newKeys, ...rest } = batch;
  const rowNumbers = Array.from({ length: rows.count }, (_, row) => row);
  return {
    format: plan.format,
    // Of binary every byte as a character.
    text: new TextDecoder(plan.format === "text" ? "utf-8" : "latin1", {
      fatal: true,
      ignoreBOM: true,
    }).decode(rows.bytes),
    ends: [...rows.ends],
    // Their order is free: the fast encoder skips keys that are null, which the exact one notes.
    newKeys: newKeys.toSorted((a, b) => a.key < b.key ? -1 : 1),
    sendDefaults: plan.options.sendDefaults,
    ...Object.fromEntries(Object.entries(rest).filter(([, each]) => typeof each !== "function")),
    firstRows: [...batch.firstRows],
    deliveries: rowNumbers.map(batch.deliveryOf),
    ordinals: rowNumbers.map(batch.ordinalOf),
  };
}
