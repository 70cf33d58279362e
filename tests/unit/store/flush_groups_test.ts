import assert from "node:assert/strict";
import { StoreUnavailableError } from "../../../lib/errors.ts";
import { ALONE, type Flush, type FlushOutcome } from "../../../lib/ingest/ports.ts";
import type { TableDescription } from "../../../lib/schema/table_description.ts";
import { FlushGroups } from "../../../lib/store/flush_groups.ts";
import { GroupRefused, type SmallFlush } from "../../../lib/store/group_writer.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const CLEAN: FlushOutcome = { kind: "committed", rowsWritten: 1, rejects: [], known: [], gone: [] };

/** A transaction that the groups asked for, to be ended by the test. */
interface Transaction {
  readonly tables: readonly string[];
  readonly isGroup: boolean;
  readonly end: PromiseWithResolvers<void>;
  /** For a flush by itself; a clean one unless set. */
  outcome: FlushOutcome;
}

class Stage {
  readonly clock = new FakeClock();
  readonly transactions: Transaction[] = [];
  readonly groups: FlushGroups;

  constructor(atOnceMax: number) {
    this.groups = new FlushGroups({
      atOnceMax,
      clock: this.clock,
      writeOne: async (flush) => {
        const transaction = this.#begin([flush], false);
        await transaction.end.promise;
        return transaction.outcome;
      },
      writeGroup: async (flushes: readonly SmallFlush[]) => {
        await this.#begin(flushes, true).end.promise;
        return flushes.map(({ rows }) => rows.count);
      },
    });
  }

  /** The transaction begun as number `index`. */
  at(index: number): Transaction {
    const found = this.transactions[index];
    if (found === undefined) throw new RangeError(`Cannot find transaction ${index}`);
    return found;
  }

  /** Ends transaction `index` and lets everything happen that follows from it. */
  async end(index: number, error?: Error): Promise<void> {
    if (error === undefined) this.at(index).end.resolve();
    else this.at(index).end.reject(error);
    await this.clock.advance(0);
  }

  #begin(flushes: readonly Flush[], isGroup: boolean): Transaction {
    const transaction = {
      tables: flushes.map(({ table }) => table?.name ?? ""),
      isGroup,
      end: Promise.withResolvers<void>(),
      outcome: CLEAN,
    };
    this.transactions.push(transaction);
    return transaction;
  }
}

let oid = 0;
const oids = new Map<string, number>();

function flushOf(name: string, rows = 1): Flush {
  if (!oids.has(name)) oids.set(name, ++oid);
  const table: TableDescription = {
    oid: oids.get(name) ?? 0,
    schema: "public",
    name,
    relationKind: "r",
    fingerprint: "",
    columns: [],
  };
  return {
    table,
    runs: [{ firstRow: 0, rowCount: rows, columns: ["a"] }],
    defaultMarker: null,
    format: "text",
    rows: { bytes: new Uint8Array(rows), count: rows, ends: new Uint32Array(rows) },
    messages: { identities: [], firstRows: Uint32Array.of(0), replays: new Map() },
    usesLedger: true,
    rejects: [],
    rejectRow: () => {
      throw new TypeError("no row is refused here");
    },
  };
}

Deno.test("FlushGroups writes a flush alone, at once, when nothing else waits", async () => {
  const stage = new Stage(2);
  const written = stage.groups.write(flushOf("a"));
  assert.equal(stage.at(0).isGroup, false);
  await stage.end(0);
  assert.deepEqual(await written, CLEAN);
});

Deno.test("FlushGroups writes together what waits while the connections are busy", async () => {
  const stage = new Stage(1);
  const first = stage.groups.write(flushOf("a"));
  const others = ["b", "c", "d"].map((name, index) => stage.groups.write(flushOf(name, index + 1)));
  assert.equal(stage.transactions.length, 1);
  await stage.end(0);
  assert.deepEqual(stage.at(1).tables, ["b", "c", "d"]);
  await stage.end(1);
  await first;
  const outcomes = await Promise.all(others);
  assert.deepEqual(
    outcomes.map((outcome) => outcome.kind === "committed" && outcome.rowsWritten),
    [1, 2, 3],
  );
});

Deno.test("FlushGroups leaves large flushes and second flushes of a table out of a group", async () => {
  const stage = new Stage(1);
  for (const name of ["first", "a", "large", "a", "b"]) {
    stage.groups.write(flushOf(name, name === "large" ? 1_001 : 1));
  }
  await stage.end(0);
  assert.deepEqual(stage.at(1).tables, ["a", "b"]);
  await stage.end(1);
  assert.deepEqual(stage.at(2).tables, ["large"]);
  await stage.end(2);
  assert.deepEqual(stage.at(3).tables, ["a"]);
  await stage.end(3);
});

Deno.test("FlushGroups puts at most 64 tables into a transaction", async () => {
  const stage = new Stage(1);
  for (let index = 0; index < 73; index++) stage.groups.write(flushOf(`table-${index}`));
  await stage.end(0);
  assert.equal(stage.at(1).tables.length, 64);
  await stage.end(1);
  assert.equal(stage.at(2).tables.length, 8);
  await stage.end(2);
});

Deno.test("FlushGroups writes flush by flush what was refused as a group", async () => {
  const stage = new Stage(1);
  for (const name of ["first", "a", "b"]) stage.groups.write(flushOf(name));
  await stage.end(0);
  await stage.end(1, new GroupRefused("the table b changed"));
  assert.deepEqual(stage.at(2).tables, ["a"]);
  await stage.end(2);
  assert.deepEqual(stage.at(3).tables, ["b"]);
  await stage.end(3);
});

Deno.test("FlushGroups keeps a table by itself until its rows land without care", async () => {
  const stage = new Stage(1);
  stage.groups.write(flushOf("a"));
  stage.at(0).outcome = { kind: "plan-stale" };
  await stage.end(0);
  for (const name of ["first", "a", "b", "c"]) stage.groups.write(flushOf(name));
  await stage.end(1);
  assert.deepEqual(stage.at(2).tables, ["a"]);
  await stage.end(2);
  assert.deepEqual(stage.at(3).tables, ["b", "c"]);
  for (const name of ["a", "d"]) stage.groups.write(flushOf(name));
  await stage.end(3);
  assert.deepEqual(stage.at(4).tables, ["a", "d"]);
  await stage.end(4);
});

Deno.test("FlushGroups keeps a table by itself that takes long", async () => {
  const stage = new Stage(1);
  stage.groups.write(flushOf("slow"));
  await stage.clock.advance(501);
  await stage.end(0);
  for (const name of ["first", "a", "slow", "b"]) stage.groups.write(flushOf(name));
  await stage.end(1);
  assert.deepEqual(stage.at(2).tables, ["a", "b"]);
  await stage.end(2);
  await stage.end(3);
});

Deno.test("FlushGroups gives the store's error to every flush of a group", async () => {
  const stage = new Stage(1);
  stage.groups.write(flushOf("first"));
  const others = ["a", "b"].map((name) => stage.groups.write(flushOf(name)));
  const rejected = others.map((one) => assert.rejects(one, StoreUnavailableError));
  await stage.end(0);
  await stage.end(1, new StoreUnavailableError("connection lost", { commitUnknown: true }));
  await Promise.all(rejected);
});

// Locked tables wait for their locks by themselves; two of them took all that small flushes had.
Deno.test("FlushGroups begins a group while flushes by themselves take long", async () => {
  const stage = new Stage(4);
  for (const name of ["slow-1", "slow-2", "slow-3"]) stage.groups.write(flushOf(name));
  stage.groups.write(flushOf("a"));
  for (const name of ["b", "c"]) stage.groups.write(flushOf(name));
  assert.equal(stage.transactions.length, 4);
  await stage.end(3);
  assert.deepEqual(stage.at(4).tables, ["b", "c"]);
  for (const index of [0, 1, 2, 4]) await stage.end(index);
});

Deno.test("FlushGroups leaves a flush that follows another of its table to itself", async () => {
  const stage = new Stage(1);
  stage.groups.write(flushOf("first"));
  stage.groups.write(flushOf("a"), { ...ALONE, follows: true });
  stage.groups.write(flushOf("b"));
  stage.groups.write(flushOf("c"));
  await stage.end(0);
  assert.deepEqual(stage.at(1).tables, ["a"]);
  await stage.end(1);
  assert.deepEqual(stage.at(2).tables, ["b", "c"]);
  await stage.end(2);
});
