/** More keys than a table has columns for, roles that may not alter, and settings of whole tables. */
import assert from "node:assert/strict";
import { COLUMNS_MAX } from "../../../lib/ingest/table_plan.ts";
import { sharedPostgres } from "../../support/servers.ts";
import { Landing, TABLE, testOnBoth } from "./landing.ts";

await sharedPostgres();

function record(from: number, to: number): string {
  return `{${
    Array.from({ length: to - from }, (_, index) => `"k${from + index}":${from + index}`).join(",")
  }}`;
}

testOnBoth("flush() makes 500 columns of 5,000 keys and keeps the others under their keys", {
  properties: { includeTimestamp: true },
}, async (landing) => {
  await landing.write(`[${record(0, 5_000)}]`);
  const columns = Object.keys(await landing.columns());
  assert.equal(columns.length, COLUMNS_MAX + 1);
  assert.deepEqual(columns.slice(-3), [`k${COLUMNS_MAX - 2}`, "_timestamp", "_overflow"]);
  const [row] = await landing.sql`select (select count(*)::int from jsonb_object_keys(_overflow))
    as keys, _overflow ->> 'k4999' as last, k0::int as first from t`;
  assert.deepEqual(row, { keys: 5_000 - COLUMNS_MAX + 1, last: "4999", first: 0 });
});

testOnBoth("flush() takes 5,000 records with a key each of their own", {}, async (landing) => {
  const records = Array.from({ length: 5_000 }, (_, index) => `{"own ${index}":${index}}`);
  await landing.write(`[${records.join(",")}]`);
  await landing.write('[{"late":1}]');
  const [counts] = await landing.sql`
    select count(*)::int as rows, count(_overflow)::int as overflowing from t`;
  assert.deepEqual(counts, { rows: 5_001, overflowing: 5_001 - COLUMNS_MAX });
  assert.deepEqual(await landing.rejects(), []);
  assert.equal(landing.counters.tableChanges, 1);
});

testOnBoth("flush() keeps 1,600 columns that somebody made and adds none", {}, async (landing) => {
  const columns = Array.from({ length: 1_599 }, (_, index) => `c${index} int8`);
  await landing.sql.unsafe(`create table ${TABLE} (${columns.join(",")}, _overflow jsonb)`);
  await landing.write('[{"c0":1,"c1598":2,"new":3}]');
  const [row] = await landing.sql`select c0::int, c1598::int, _overflow from t`;
  assert.deepEqual(row, { c0: 1, c1598: 2, _overflow: { new: 3 } });
});

testOnBoth("flush() makes rejects of rows too big for a page, and lands the others", {}, async (
  landing,
) => {
  const keys = Array.from({ length: COLUMNS_MAX }, (_, index) => `"k${index}"`);
  const wide = keys.map((key) => `${key}:"${"x".repeat(30)}"`).join(",");
  await landing.write(`[{"k0":"first"},{${wide}},{"k0":"last"}]`);
  assert.deepEqual(await landing.values("k0"), ["first", "last"]);
  assert.deepEqual((await landing.rejects()).map(({ ordinal, sqlstate }) => [ordinal, sqlstate]), [
    [1, "54000"],
  ]);
});

/** Makes the table somebody else's, who lets us insert; the store goes on as a role of its own. */
async function openForeign(overflow: boolean): Promise<Landing> {
  const role = `writer_${crypto.randomUUID().slice(0, 8)}`;
  const landing = await Landing.open({ role });
  await landing.sql.unsafe(`create table ${TABLE} (a int8 ${overflow ? ", _overflow jsonb" : ""});
    grant select, insert on ${TABLE} to ${role}`);
  return landing;
}

Deno.test("flush() keeps new keys in _overflow when the role may not alter the table", async () => {
  await using landing = await openForeign(true);
  await landing.write('[{"a":1,"b":2},{"a":"x"}]');
  await landing.write('[{"c":3}]');
  assert.deepEqual(await landing.rows(), [
    { a: "1", _overflow: '{"b": 2}' },
    { _overflow: '{"a": "x"}' },
    { _overflow: '{"c": 3}' },
  ]);
  assert.deepEqual(await landing.rejects(), []);
  const said = landing.log.lines.filter(({ message }) => message.startsWith("A table can have no"));
  assert.deepEqual(said.map(({ fields }) => fields["reason"]), ["the role does not own the table"]);
});

Deno.test("flush() rejects rows with words when the role may not even add _overflow", async () => {
  await using landing = await openForeign(false);
  const { statuses } = await landing.write('[{"a":1},{"a":2,"b":3},{"a":"x"},{"b":null}]');
  assert.deepEqual(await landing.rows(), [{ a: "1" }, {}]);
  const why = 'and there is no column "_overflow" to take it (the role does not own the table)';
  assert.deepEqual((await landing.rejects()).map(({ reason }) => reason), [
    'Cannot write the record as there can be no column for the key "b", the role does not own the ' +
    `table: the value is 3; ${why}`,
    'Cannot write the record as column "a" of type bigint does not hold a string without loss: ' +
    `the value is "x"; ${why}`,
  ]);
  assert.equal(statuses[0]?.status, "FAILED");
  const changes = landing.counters.tableChanges;
  await landing.write('[{"b":4}]');
  assert.equal(landing.counters.tableChanges, changes);
});

testOnBoth("flush() makes text of everything when the schema mode is text", {
  properties: { schemaMode: "text", includeTimestamp: true },
}, async (landing) => {
  await landing.write('[{"a":1.10,"b":{"k":[1]},"c":true,"d":"x","e":null,"_timestamp":5}]');
  assert.deepEqual(await landing.columns(), {
    a: "text",
    b: "text",
    c: "text",
    d: "text",
    _timestamp: "text",
  });
  assert.deepEqual(await landing.rows(), [
    { a: "1.10", b: '{"k":[1]}', c: "true", d: "x", _timestamp: "2026-11-24T12:00:00Z" },
  ]);
});

testOnBoth("flush() keeps date-times as they were written when timestamps are text", {
  properties: { timestamps: "text" },
}, async (landing) => {
  await landing.write('[{"a":"2026-11-24T12:00:00.500+01:00"}]');
  assert.deepEqual(await landing.values("a"), ["2026-11-24T12:00:00.500+01:00"]);
});

testOnBoth("flush() names replaced text once in the log, and counts it", {}, async (landing) => {
  await landing.write('[{"a":"x\\u0000"},{"b":["\\ud800"]}]');
  await landing.write('[{"a":"\\udfff"}]');
  assert.deepEqual(await landing.values("a"), ["x\ufffd", null, "\ufffd"]);
  assert.equal(landing.counters.textReplacements, 3);
  const said = landing.log.lines.filter(({ message }) => message.startsWith("Text that"));
  assert.deepEqual(said.map(({ fields }) => [fields["key"], fields["count"]]), [["a", 2]]);
});

testOnBoth("flush() rejects text that PostgreSQL cannot hold when it is told to", {
  properties: { onInvalidText: "reject" },
}, async (landing) => {
  await landing.write('[{"a":"x\\u0000"},{"a":"ok"}]');
  assert.deepEqual(await landing.values("a"), ["ok"]);
  assert.match((await landing.rejects())[0]?.reason ?? "", /NUL or half of a surrogate pair/);
});

testOnBoth("flush() rejects a message as a whole that is nothing but bad records", {}, async (
  landing,
) => {
  const many = `[${"1,".repeat(400_000)}1]`;
  const { statuses } = await landing.write('[{"a":1}]', many, '[{"a":2}]');
  assert.deepEqual(await landing.values("a"), ["1", "2"]);
  const rejects = await landing.rejects();
  assert.deepEqual(rejects.map(({ seq, ordinal }) => [seq, ordinal]), [[2, -1]]);
  assert.match(rejects[0]?.reason ?? "", /more than 1000 of its 400001 records make no row/);
  assert.match(statuses[0]?.exception ?? "", /Rejected 400001 of 400003 rows/);
});
