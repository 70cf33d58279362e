/** Which messages become ranges, and that the data of their COPY has every digit. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type MessageIdentity, storedNs } from "../../../lib/ingest/delivery.ts";
import type { LedgerEntries } from "../../../lib/store/ledger_groups.ts";
import { rangeCopy, rangedEntries } from "../../../lib/store/ledger_ranges.ts";
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

/** First and last sequence of each range, and the sequences of the others. */
function shapeOf(identities: readonly MessageIdentity[]): unknown {
  const ranged = rangedEntries(ledgerOf(identities));
  if (ranged === null) return null;
  const { ranges, rest } = ranged;
  return {
    ranges: ranges.map((range) => [range[0]?.sequence, range.at(-1)?.sequence]),
    rest: rest.bySource.flatMap((group) => group.identities.map(({ sequence }) => sequence)),
  };
}

Deno.test("rangedEntries() cuts stretches into ranges of 240", () => {
  assert.deepEqual(shapeOf(stretch(11, 510)), {
    ranges: [[11, 250], [251, 490], [491, 510]],
    rest: [],
  });
});

Deno.test("rangedEntries() leaves short stretches to entries", () => {
  const identities = [...stretch(1, 63), ...stretch(101, 164), ...stretch(201, 400)];
  assert.deepEqual(shapeOf(identities), {
    ranges: [[101, 164], [201, 400]],
    rest: Array.from({ length: 63 }, (_, at) => at + 1),
  });
});

Deno.test("rangedEntries() takes messages in any order", () => {
  assert.deepEqual(shapeOf(stretch(1, 256).toReversed()), {
    ranges: [[1, 240], [241, 256]],
    rest: [],
  });
});

Deno.test("rangedEntries() makes no ranges of few messages, or of several sources", () => {
  assert.equal(shapeOf(stretch(1, 255)), null);
  assert.equal(shapeOf(Array.from({ length: 500 }, (_, at) => identityOf(2 * at + 1))), null);
  const [group] = ledgerOf(stretch(1, 500)).bySource;
  assert.ok(group !== undefined);
  const bySource = [group, { ...group, source: 8 }];
  assert.equal(rangedEntries({ bySource, sourceOf: new Map() }), null);
});

Deno.test("rangedEntries() looks for no stretches among messages that are far apart", () => {
  assert.equal(shapeOf([...stretch(1, 300), identityOf(2_409)]), null);
  assert.notEqual(shapeOf([...stretch(1, 300), identityOf(2_408)]), null);
});

Deno.test("rangedEntries() makes no ranges that would overlap", () => {
  assert.equal(shapeOf([...stretch(1, 600), identityOf(300, 2)]), null);
});

Deno.test("rangedEntries() leaves stored times that would not be exact to entries", () => {
  const identities = stretch(1, 600).map((identity) =>
    identity.sequence === 300 ? identityOf(300, 4_000_000_000) : identity
  );
  assert.deepEqual(shapeOf(identities), {
    ranges: [[1, 240], [241, 299], [301, 540], [541, 600]],
    rest: [300],
  });
});

Deno.test("rangeCopy() writes every digit of sequences and stored times", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 300 }),
    fc.integer({ min: 0, max: 3_999_999_999 }),
    fc.integer({ min: 0, max: 999_999_999 }),
    fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    (sequence, seconds, fraction, source) => {
      const identities = Array.from(
        { length: 256 },
        (_, at) => identityOf(sequence + at, seconds, (fraction + at) % 1_000_000_000),
      );
      const ranged = rangedEntries(ledgerOf(identities, source));
      assert.ok(ranged !== null);
      const bytes = rangeCopy(ranged);
      const view = new DataView(bytes.buffer);
      let at = HEADER_BYTES;
      const int32 = (): number => view.getInt32((at += 4) - 4);
      const int64 = (): string => String(view.getBigInt64((at += 8) - 8));
      const times: string[] = [];
      for (const first of [0, 240]) {
        assert.equal(view.getInt16((at += 2) - 2), 3);
        assert.deepEqual([int32(), int32()], [4, source]);
        assert.deepEqual([int32(), int64()], [8, String(sequence + first)]);
        const count = Math.min(240, 256 - first);
        assert.deepEqual(
          [int32(), int32(), int32(), int32(), int32(), int32()],
          [20 + 12 * count, 1, 0, 20, count, 1],
        );
        for (let element = 0; element < count; element++) {
          assert.equal(int32(), 8);
          times.push(int64());
        }
      }
      assert.equal(view.getInt16(at), -1);
      assert.equal(bytes.length, at + 2);
      assert.deepEqual(times, identities.map(storedNs));
    },
  ));
});
