/** What becomes of values that their column does not hold, on real servers. */
import assert from "node:assert/strict";
import { sharedPostgres } from "../../support/servers.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { REFUSED_MS } from "../../../lib/ingest/refused_changes.ts";
import { Landing, TABLE, testOnBoth } from "./landing.ts";

await sharedPostgres();

/** Somebody looks at the column, so that it cannot be widened. */
const WATCHED = `create view watched as select a from ${TABLE}`;

testOnBoth("flush() widens a column of its own to what came", {}, async (landing) => {
  await landing.write('[{"a":1,"b":true,"c":"2026-11-24T12:00:00.5+01:00"}]');
  await landing.write('[{"a":0.5,"b":"x","c":{"k":1}}]');
  assert.deepEqual(await landing.columns(), { a: "numeric", b: "text", c: "jsonb" });
  assert.deepEqual(await landing.rows(), [
    { a: "1", b: "true", c: '"2026-11-24T11:00:00.5Z"' },
    { a: "0.5", b: "x", c: '{"k": 1}' },
  ]);
  assert.deepEqual(await landing.rejects(), []);
  assert.equal(landing.counters.widenedColumns, 3);
});

testOnBoth("flush() makes text of booleans and numbers in one column", {}, async (landing) => {
  await landing.write('[{"a":true}]');
  await landing.write('[{"a":1},{"a":"1"},{"a":null}]');
  assert.deepEqual(await landing.columns(), { a: "text" });
  assert.deepEqual(await landing.values("a"), ["true", "1", "1", null]);
});

testOnBoth(
  "flush() keeps under its key what a column does not hold that cannot be widened",
  {},
  async (landing) => {
    await landing.write('[{"a":1,"b":1}]');
    await landing.sql.unsafe(WATCHED);
    const report = await landing.write('[{"a":"x","b":2},{"a":{"k":[1.10]},"b":"y"},{"a":3}]');
    assert.deepEqual(report.statuses.map(({ status }) => status), ["COMPLETED"]);
    assert.deepEqual(await landing.rows(), [
      { a: "1", b: "1" },
      { b: "2", _overflow: '{"a": "x"}' },
      { b: "y", _overflow: '{"a": {"k": [1.10]}}' },
      { a: "3" },
    ]);
    assert.deepEqual(await landing.columns(), { a: "bigint", b: "text", _overflow: "jsonb" });
    assert.equal(landing.counters.overflowValues, 2);
  },
);

Deno.test("flush() asks again for a refused widening only after some minutes", async () => {
  const clock = new FakeClock();
  await using landing = await Landing.open({ clock });
  await landing.write('[{"a":1}]');
  await landing.sql.unsafe(WATCHED);
  await landing.write('[{"a":"x"}]');
  await landing.sql`drop view watched`;
  await landing.write('[{"a":"y"}]');
  assert.deepEqual((await landing.columns())["a"], "bigint");
  assert.equal(landing.counters.refusedChanges, 1);
  await clock.advance(REFUSED_MS);
  await landing.write('[{"a":"z"}]');
  assert.deepEqual(await landing.values("a"), ["1", null, null, "z"]);
  assert.deepEqual(await landing.values("_overflow"), [null, '{"a": "x"}', '{"a": "y"}', null]);
  const warnings = landing.log.lines.filter(({ message }) => /cannot be widened/.test(message));
  assert.equal(warnings.length, 1);
  assert.match(String(warnings[0]?.fields["reason"]), /view watched depends on it/);
});

Deno.test("flush() asks again for a refused widening when somebody has changed the table", async () => {
  await using landing = await Landing.open();
  await landing.write('[{"a":1}]');
  await landing.sql.unsafe(WATCHED);
  await landing.write('[{"a":"x"}]');
  await landing.sql.unsafe(`drop view watched; alter table ${TABLE} add column other int`);
  await landing.write('[{"a":"y"}]');
  assert.deepEqual(await landing.values("a"), ["1", null, "y"]);
});

testOnBoth(
  "flush() never widens when misfits are to overflow",
  { properties: { onTypeConflict: "overflow" } },
  async (landing) => {
    await landing.write('[{"a":1,"b":true}]');
    await landing.write('[{"a":"x","b":[]},{"a":2,"b":null}]');
    assert.deepEqual(await landing.rows(), [
      { a: "1", b: "true" },
      { _overflow: '{"a": "x", "b": []}' },
      { a: "2" },
    ]);
  },
);

testOnBoth(
  "flush() rejects rows with misfits when it is told to",
  { properties: { onTypeConflict: "reject" } },
  async (landing) => {
    await landing.write('[{"a":1}]');
    const { statuses } = await landing.write('[{"a":2,"new":1},{"a":"x"}]');
    assert.deepEqual(await landing.rows(), [{ a: "1" }, { a: "2", new: "1" }]);
    assert.deepEqual(
      (await landing.rejects()).map(({ ordinal, column, record, reason }) => ({
        ordinal,
        column,
        record,
        reason,
      })),
      [{
        ordinal: 1,
        column: "a",
        record: '{"a":"x"}',
        reason: 'Cannot write the record as column "a" of type bigint does not hold a string ' +
          'without loss: the value is "x"',
      }],
    );
    assert.equal(statuses[0]?.status, "FAILED");
  },
);

testOnBoth(
  "flush() rejects what not even _overflow holds, and says so",
  { properties: { onTypeConflict: "overflow" } },
  async (landing) => {
    await landing.write('[{"a":1}]');
    await landing.write('[{"a":1e200000},{"a":2}]');
    assert.deepEqual(await landing.values("a"), ["1", "2"]);
    assert.deepEqual((await landing.rejects()).map(({ reason }) => reason), [
      'Cannot write the record as no column for the key "a" and no jsonb holds a number beyond ' +
      "numeric: the value is 1e200000",
    ]);
  },
);

testOnBoth(
  "flush() keeps under its key what a generated column and a type without a rule cannot take",
  {},
  async (landing) => {
    await landing.sql.unsafe(
      `create table ${TABLE} (a int8, g int8 generated always as (a + 1) stored, p point,
         i int8 generated always as identity)`,
    );
    await landing.write('[{"a":1,"g":7,"p":"(1,2)","i":99},{"a":2,"g":null,"p":null}]');
    assert.deepEqual(await landing.rows(), [
      { a: "1", g: "2", i: "1", _overflow: '{"g": 7, "i": 99, "p": "(1,2)"}' },
      { a: "2", g: "3", i: "2" },
    ]);
  },
);

testOnBoth("flush() asks for nothing when jsonb does not hold a number", {}, async (landing) => {
  await landing.write('[{"a":{}}]');
  await landing.write('[{"a":[1e200000]},{"a":1}]');
  assert.deepEqual(await landing.columns(), { a: "jsonb", _overflow: "jsonb" });
  assert.deepEqual(await landing.values("a"), ["{}", "1"]);
  assert.deepEqual(landing.counters.refusedChanges, 0);
  assert.match(
    (await landing.rejects())[0]?.reason ?? "",
    /no jsonb holds an object or array with/,
  );
});
