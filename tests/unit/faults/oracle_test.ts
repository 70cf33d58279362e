/** The judge of the fault suite: it has to see every loss, repeat and change. */
import assert from "node:assert/strict";
import { type LoadMessage, plannedMessages, rowOf } from "../../../dev/faults/load.ts";
import { compareTable } from "../../../dev/faults/oracle.ts";

const TARGET = { routeId: "route", table: "table" };

/** One published message with two rows. */
const ROWS = [rowOf(7, 1, null), rowOf(7, 2, "late_1")];
const MESSAGE: LoadMessage = {
  id: "7-1-0",
  target: TARGET,
  rows: ROWS,
  poison: false,
  payload: "",
};

/** Rows as a table gives them back: bigint as text, absent keys as null. */
const FOUND = ROWS.map((row) => ({ late_1: null, ...row, id: String(row.id), _timestamp: "now" }));

Deno.test("compareTable() finds nothing when every row is there once", () => {
  const { published, landed, lost, duplicated, unknown, changed } = compareTable([MESSAGE], FOUND);
  assert.deepEqual([published, landed], [2, 2]);
  assert.deepEqual([lost, duplicated, unknown, changed], [[], [], [], []]);
});

Deno.test("compareTable() names the row that is missing", () => {
  assert.deepEqual(compareTable([MESSAGE], FOUND.slice(1)).lost, [1]);
});

Deno.test("compareTable() names the row that is there twice", () => {
  assert.deepEqual(compareTable([MESSAGE], [...FOUND, ...FOUND.slice(1)]).duplicated, [2]);
});

Deno.test("compareTable() names the row that nobody published", () => {
  assert.deepEqual(compareTable([MESSAGE], [...FOUND, { id: "9" }]).unknown, [9]);
});

Deno.test("compareTable() names the row whose value changed", () => {
  const changed = FOUND.map((row) => ({ ...row, text: "another" }));
  assert.deepEqual(compareTable([MESSAGE], changed).changed, [1, 2]);
});

Deno.test("compareTable() names the row that has a value nobody sent", () => {
  const changed = FOUND.map((row) => ({ ...row, other: "x" }));
  assert.deepEqual(compareTable([MESSAGE], changed).changed, [1, 2]);
});

Deno.test("plannedMessages() gives the same messages when the seed is the same", () => {
  const shape = {
    messagesMin: 20,
    perSecond: 1,
    recordsMax: 4,
    poisonShare: 0.3,
    lateKeys: 2,
  };
  const plan = (seed: number): unknown[] => [...plannedMessages(seed, [TARGET], shape).take(20)];
  assert.deepEqual(plan(5), plan(5));
  assert.notDeepEqual(plan(5), plan(6));
});
