/** Which messages become spans, and that the data of their COPY has every digit. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type MessageIdentity, storedNs } from "../../../lib/ingest/delivery.ts";
import type { LedgerEntries } from "../../../lib/store/ledger_groups.ts";
import { maskText, spanCopy, spannedEntries } from "../../../lib/store/ledger_spans.ts";
import { ORIGIN } from "../../support/deliveries.ts";

const HEADER_BYTES = 19;

function identityOf(sequence: number, storedSeconds = 1, storedFraction = 1): MessageIdentity {
  return { origin: ORIGIN, sequence, storedSeconds, storedFraction };
}

function ledgerOf(identities: readonly MessageIdentity[], source = 7): LedgerEntries {
  return { bySource: [{ source, identities, indexes: null }], sourceOf: new Map() };
}

/** Sequences from one to the next, both included. */
function stretch(first: number, last: number): MessageIdentity[] {
  return Array.from({ length: last - first + 1 }, (_, at) => identityOf(first + at));
}

/** Of each block its start and sequences. */
function blocksOf(identities: readonly MessageIdentity[]): unknown {
  const spanned = spannedEntries(ledgerOf(identities));
  return spanned?.blocks.map(({ start, identities }) => [
    start,
    identities.map(({ sequence }) => sequence),
  ]) ?? null;
}

/** Every so many sequences one, of so many in all. */
function every(step: number, count: number, first = 0): MessageIdentity[] {
  return Array.from({ length: count }, (_, at) => identityOf(first + at * step));
}

function sequencesOf(identities: readonly MessageIdentity[]): number[] {
  return identities.map(({ sequence }) => sequence);
}

Deno.test("spannedEntries() cuts messages into blocks of 1,024 sequences", () => {
  assert.deepEqual(blocksOf(stretch(1_000, 2_100)), [
    [0, sequencesOf(stretch(1_000, 1_023))],
    [1_024, sequencesOf(stretch(1_024, 2_047))],
    [2_048, sequencesOf(stretch(2_048, 2_100))],
  ]);
});

Deno.test("spannedEntries() counts the rows of the ledger that blocks make, 224 messages at most", () => {
  for (const [count, spans] of [[448, 2], [449, 3], [1_024, 5], [1_025, 6]] as const) {
    assert.equal(spannedEntries(ledgerOf(every(1, count)))?.spans, spans, `${count}`);
  }
});

Deno.test("spannedEntries() takes messages that are apart, in any order", () => {
  const identities = every(20, 512, 3);
  const expected = Array.from({ length: 10 }, (_, block) => [
    block * 1_024,
    sequencesOf(identities).filter((sequence) => Math.floor(sequence / 1_024) === block),
  ]);
  assert.deepEqual(blocksOf(identities), expected);
  assert.deepEqual(blocksOf(identities.toReversed()), expected);
  const inTurn = [0, 1, 2].flatMap((table) => identities.filter((_, at) => at % 3 === table));
  assert.deepEqual(blocksOf(inTurn), expected);
});

Deno.test("spannedEntries() makes no spans of few messages, or of several sources", () => {
  assert.equal(blocksOf(stretch(1, 127)), null);
  assert.notEqual(blocksOf(stretch(1, 128)), null);
  const [group] = ledgerOf(stretch(1, 500)).bySource;
  assert.ok(group !== undefined);
  const bySource = [group, { ...group, source: 8 }];
  assert.equal(spannedEntries({ bySource, sourceOf: new Map() }), null);
});

Deno.test("spannedEntries() makes no spans of messages that are far from each other", () => {
  assert.notEqual(blocksOf(every(64, 512)), null, "16 in each block");
  assert.equal(blocksOf(every(66, 512)), null);
  assert.equal(blocksOf([...every(64, 512), identityOf(1_000_000)]), null);
  assert.notEqual(blocksOf([...every(1, 512), identityOf(1_000_000)]), null);
});

Deno.test("spannedEntries() makes no spans that would overlap", () => {
  assert.equal(blocksOf([...stretch(1, 600), identityOf(300, 2)]), null);
  assert.equal(blocksOf([...stretch(1, 600), identityOf(600, 2)]), null);
});

Deno.test("spannedEntries() makes no spans of stored times that would not be exact", () => {
  assert.equal(blocksOf([...stretch(1, 600), identityOf(601, 4_000_000_000)]), null);
  assert.notEqual(blocksOf([...stretch(1, 600), identityOf(601, 3_999_999_999)]), null);
});

Deno.test("maskText() has a bit for each sequence of the block, from the left", () => {
  const zeros = (count: number): string => "0".repeat(count);
  const mask = (...places: number[]): string =>
    maskText({ start: 5_120, identities: places.map((place) => identityOf(5_120 + place)) });
  assert.equal(mask(0), `x8${zeros(255)}`);
  assert.equal(mask(1, 3, 9), `x504${zeros(253)}`);
  assert.equal(mask(1_023), `x${zeros(255)}1`);
});

/** Reads the data of a COPY back: sequence and stored time of each message. */
function messagesIn(bytes: Uint8Array, source: number): [string, string][] {
  const view = new DataView(bytes.buffer);
  const messages: [string, string][] = [];
  let at = HEADER_BYTES;
  const int16 = (): number => view.getInt16((at += 2) - 2);
  const int32 = (): number => view.getInt32((at += 4) - 4);
  const int64 = (): bigint => view.getBigInt64((at += 8) - 8);
  for (let columns = int16(); columns !== -1; columns = int16()) {
    assert.equal(columns, 4);
    assert.deepEqual([int32(), int32()], [4, source]);
    assert.equal(int32(), 8);
    const sequence = int64();
    assert.deepEqual([int32(), int32()], [4 + 128, 1_024]);
    const places = numbers(0, 1_024).filter((place) =>
      ((bytes[at + (place >> 3)] ?? 0) & (0x80 >> (place & 7))) !== 0
    );
    at += 128;
    const count = places.length;
    assert.ok(count <= 224);
    assert.equal(places[0], Number(sequence % 1_024n));
    assert.deepEqual(
      [int32(), int32(), int32(), int32(), int32(), int32()],
      [20 + 12 * count, 1, 0, 20, count, 1],
    );
    for (const place of places) {
      assert.equal(int32(), 8);
      messages.push([String(sequence - sequence % 1_024n + BigInt(place)), String(int64())]);
    }
  }
  assert.equal(at, bytes.length);
  return messages;
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at);
}

Deno.test("spanCopy() writes every message, with every digit of sequences and stored times", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 300_000 }),
    fc.integer({ min: 0, max: 3_999_999_999 }),
    fc.integer({ min: 0, max: 999_999_999 }),
    fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    fc.integer({ min: 1, max: 60 }),
    (sequence, seconds, fraction, source, step) => {
      const identities = Array.from(
        { length: 600 },
        (_, at) => identityOf(sequence + at * step, seconds, (fraction + at) % 1_000_000_000),
      );
      const spanned = spannedEntries(ledgerOf(identities, source));
      assert.ok(spanned !== null);
      assert.deepEqual(
        messagesIn(spanCopy(spanned), source),
        identities.map((identity) => [String(identity.sequence), String(storedNs(identity))]),
      );
    },
  ));
});
