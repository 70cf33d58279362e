/** Entries of the ledger as COPY binary: exactly the numbers that they are, in the primary key's order. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type MessageIdentity, storedNs } from "../../../lib/ingest/delivery.ts";
import { ledgerCopy } from "../../../lib/store/ledger_copy.ts";
import type { LedgerEntries, SourceEntries } from "../../../lib/store/ledger_groups.ts";
import { ORIGIN } from "../../support/deliveries.ts";

const ENTRY_BYTES = 34;
const HEADER_BYTES = 19;

function identityOf(sequence: number, storedSeconds = 1, storedFraction = 1): MessageIdentity {
  return { origin: ORIGIN, sequence, storedSeconds, storedFraction };
}

/** Entries of sources, so many of each, with ascending sequences. */
function entriesOf(
  ...counts: readonly (readonly [source: number, count: number])[]
): LedgerEntries {
  const bySource = counts.map(([source, count]): SourceEntries => ({
    source,
    identities: Array.from({ length: count }, (_, at) => identityOf(at + 1)),
    indexes: [],
  }));
  return { bySource, sourceOf: new Map() };
}

function ledgerOf(identities: readonly MessageIdentity[]): LedgerEntries {
  const filling = entriesOf([1, 300]).bySource;
  return {
    bySource: [...filling, { source: 7, identities, indexes: [] }],
    sourceOf: new Map(),
  };
}

/** Source, sequence and stored time of the entry at an index, as text. */
function entryAt(bytes: Uint8Array, index: number): string[] {
  const view = new DataView(bytes.buffer, HEADER_BYTES + index * ENTRY_BYTES, ENTRY_BYTES);
  assert.deepEqual(
    [view.getInt16(0), view.getInt32(2), view.getInt32(10), view.getInt32(22)],
    [3, 4, 8, 8],
  );
  return [view.getInt32(6), view.getBigInt64(14), view.getBigInt64(26)].map(String);
}

Deno.test("ledgerCopy() writes every digit of sequences and stored times", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    fc.integer({ min: 0, max: 3_999_999_999 }),
    fc.integer({ min: 0, max: 999_999_999 }),
    (sequence, seconds, fraction) => {
      const identity = identityOf(sequence, seconds, fraction);
      const bytes = ledgerCopy(ledgerOf([identity]));
      assert.ok(bytes !== null);
      assert.equal(bytes.length, HEADER_BYTES + 301 * ENTRY_BYTES + 2);
      assert.deepEqual(entryAt(bytes, 300), ["7", String(sequence), storedNs(identity)]);
    },
  ));
});

Deno.test("ledgerCopy() writes numbers at the limits of their halves", () => {
  const identities = [
    identityOf(2 ** 32 - 1, 0, 0),
    identityOf(2 ** 32, 4, 294_967_295),
    identityOf(2 ** 32 + 1, 4, 294_967_296),
    identityOf(2 ** 53 - 1, 3_999_999_999, 999_999_999),
  ];
  const bytes = ledgerCopy(ledgerOf(identities));
  assert.ok(bytes !== null);
  for (const [at, identity] of identities.entries()) {
    assert.deepEqual(entryAt(bytes, 300 + at), [
      "7",
      String(identity.sequence),
      storedNs(identity),
    ]);
  }
});

Deno.test("ledgerCopy() leaves few entries to INSERT, whatever their sources", () => {
  assert.equal(ledgerCopy(entriesOf([1, 100], [2, 99])), null);
  assert.ok(ledgerCopy(entriesOf([1, 100], [2, 100])) !== null);
  assert.equal(ledgerCopy(entriesOf()), null);
});

Deno.test("ledgerCopy() writes entries in the primary key's order", () => {
  // Messages of one sequence: before and after a server lost its tail.
  const mixed = [identityOf(5, 9, 2), identityOf(4), identityOf(5, 8, 3), identityOf(5, 9, 1)];
  const bytes = ledgerCopy(ledgerOf(mixed));
  assert.ok(bytes !== null);
  const entries = [0, 1, 2, 3].map((at) => entryAt(bytes, 300 + at).slice(1).join(" "));
  assert.deepEqual(entries, ["4 1000000001", "5 8000000003", "5 9000000001", "5 9000000002"]);
});

Deno.test("ledgerCopy() leaves times to INSERT that it would not compute exactly", () => {
  assert.equal(ledgerCopy(ledgerOf([identityOf(5, 4_000_000_000)])), null);
});
