/** Tables that people made by hand: what their columns take, and what they leave to `_overflow`. */
import assert from "node:assert/strict";
import { sharedPostgres } from "../../support/servers.ts";
import { Landing, TABLE, testOnBoth } from "./landing.ts";

await sharedPostgres();

/** A type, values that it holds with what is read back, and values that go to `_overflow`. */
interface TypeCase {
  readonly type: string;
  readonly setup?: string;
  readonly holds: readonly (readonly [json: string, text: string])[];
  readonly misfits: readonly string[];
}

const TYPE_CASES: readonly TypeCase[] = [
  {
    type: "varchar(3)",
    holds: [['"äöü"', "äöü"], ["1.5", "1.5"], ["[1]", "[1]"], ['""', ""]],
    misfits: ['"four"', "true", "1.25", "[12]"],
  },
  { type: "char(3)", holds: [['"ab"', "ab"], ['"abc"', "abc"]], misfits: ['"a "', '"abcd"'] },
  {
    type: "smallint",
    holds: [["32767", "32767"], ["-32768", "-32768"], ["1.0", "1"], ["1e2", "100"]],
    misfits: ["32768", "1.5", '"1"', "true"],
  },
  { type: "integer", holds: [["2147483647", "2147483647"], ["-0", "0"]], misfits: ["2147483648"] },
  {
    type: "real",
    holds: [["0.5", "0.5"], ["16777216", "1.6777216e+07"], ["123456", "123456"], ["1e-5", "1e-05"]],
    misfits: ["16777217", "0.12345678", "1e39", '"1"'],
  },
  {
    type: "numeric(5,2)",
    holds: [["123.45", "123.45"], ["1.1", "1.10"], ["1e2", "100.00"]],
    misfits: ["1234", "0.001", '"1"'],
  },
  {
    type: "date",
    holds: [['"2024-02-29"', "2024-02-29"], ['"0001-01-01"', "0001-01-01"]],
    misfits: ['"2023-02-29"', '"now"', '"2024-2-9"', '"2024-W05-1"', '"infinity"', "20240229"],
  },
  {
    type: "time",
    holds: [['"23:59:59.999999"', "23:59:59.999999"], ['"00:00:00"', "00:00:00"]],
    misfits: ['"24:00:00"', '"12:00"', '"12:00:00Z"', '"12:00:60"', '"12:00:00.1234567"', '"now"'],
  },
  {
    type: "time(1)",
    holds: [['"12:00:00.5"', "12:00:00.5"], ['"12:00:00.500"', "12:00:00.5"]],
    misfits: ['"12:00:00.55"'],
  },
  {
    type: "timestamp",
    holds: [
      ['"2026-11-24T12:00:00.5"', "2026-11-24 12:00:00.5"],
      ['"2026-11-24 12:00:00"', "2026-11-24 12:00:00"],
    ],
    misfits: [
      '"2026-11-24T12:00:00Z"',
      '"2026-11-24T12:00:00+01:00"',
      '"2026-11-24"',
      '"today"',
      "1732449600",
    ],
  },
  {
    type: "timestamptz(3)",
    holds: [
      ['"2026-11-24T12:00:00.125Z"', "2026-11-24 12:00:00.125+00"],
      ['"2026-11-24T12:00:00.125000+01:00"', "2026-11-24 11:00:00.125+00"],
    ],
    misfits: ['"2026-11-24T12:00:00.1255Z"', '"2026-11-24T12:00:00"', '"2026-11-24"'],
  },
  {
    type: "uuid",
    holds: [[
      '"A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11"',
      "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    ]],
    misfits: [
      '"a0eebc999c0b4ef8bb6d6bb9bd380a11"',
      '"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"',
      "1",
    ],
  },
  {
    type: "json",
    holds: [['{"b":1,"a":[1.10]}', '{"b":1,"a":[1.10]}'], ["1e200000", "1e200000"], ['"x"', '"x"']],
    misfits: [],
  },
  {
    type: "bytea",
    holds: [['"\\\\x00fF"', "\\x00ff"], ['"\\\\x"', "\\x"]],
    misfits: ['"\\\\x0"', '"text"', '"\\\\000"', "1"],
  },
  {
    type: "mood",
    setup: "create type mood as enum ('fine', 'so so')",
    holds: [['"so so"', "so so"]],
    misfits: ['"Fine"', '""', "1"],
  },
  {
    type: "short",
    setup:
      "create domain shorter as varchar(4); create domain short as shorter check (value <> 'no')",
    holds: [['"yes"', "yes"], ["12", "12"]],
    misfits: ['"longer"'],
  },
  {
    type: "positive",
    setup: "create domain positive as int4 check (value > 0)",
    holds: [["7", "7"]],
    misfits: ['"7"', "2147483648"],
  },
  {
    type: "int4[]",
    holds: [["[1,null,-2]", "{1,NULL,-2}"], ["[]", "{}"], ["[1.0]", "{1}"]],
    misfits: ["[1,2.5]", "[[1]]", '["1"]', "1", '{"a":1}', "[1e9]"],
  },
  {
    type: "text[]",
    holds: [
      ['["a","","NULL","q\\"\\\\,{}\\n"]', '{a,"","NULL","q\\"\\\\,{}\n"}'],
      ['[1,true,null," x "]', '{1,true,NULL," x "}'],
    ],
    misfits: ['["a",["b"]]', '[{"a":1}]', '"{a}"'],
  },
  {
    type: "varchar(2)[]",
    holds: [['["ab","é"]', "{ab,é}"]],
    misfits: ['["abc"]'],
  },
  {
    type: "timestamptz[]",
    holds: [['["2026-11-24T12:00:00+01:00"]', '{"2026-11-24 11:00:00+00"}']],
    misfits: ['["2026-11-24"]'],
  },
  { type: "bool[]", holds: [["[true,false,null]", "{t,f,NULL}"]], misfits: ["[1]", '["true"]'] },
  { type: "float8[]", holds: [["[0.1,1e300]", "{0.1,1e+300}"]], misfits: ["[9007199254740993]"] },
  {
    type: "mood[]",
    setup: "create type mood as enum ('fine', 'so so')",
    holds: [['["fine","so so"]', '{fine,"so so"}']],
    misfits: ['["bad"]'],
  },
  { type: "jsonb[]", holds: [], misfits: ["[1]"] },
  { type: "interval", holds: [], misfits: ['"1 day"', '"P1D"'] },
  { type: "inet", holds: [], misfits: ['"10.0.0.1"'] },
  { type: "money", holds: [], misfits: ["1", '"1"'] },
  { type: "timetz", holds: [], misfits: ['"12:00:00+01:00"'] },
  { type: "int4range", holds: [], misfits: ['"[1,2)"'] },
];

for (const { type, setup, holds, misfits } of TYPE_CASES) {
  testOnBoth(
    `flush() keeps what ${type} holds, and the rest under its key`,
    {},
    async (landing) => {
      const { sql } = landing;
      if (setup !== undefined) await sql.unsafe(setup);
      await sql.unsafe(`create table ${TABLE} (v ${type})`);
      const values = ["null", ...holds.map(([json]) => json), ...misfits];
      await landing.write(`[${values.map((json) => `{"v":${json}}`).join(",")}]`);
      assert.deepEqual(await landing.rejects(), []);
      const overflow = misfits.length > 0 ? "_overflow" : "null::jsonb";
      const rows = await sql.unsafe(
        `select rtrim(v::text) as v, ${overflow} -> 'v' = any ($1::text[]::jsonb[]) as kept
       from ${TABLE} order by ctid`,
        [[...misfits]],
      );
      assert.deepEqual(rows.map(({ v }) => v), [
        null,
        ...holds.map(([, text]) => text),
        ...misfits.map(() => null),
      ]);
      assert.ok(rows.slice(1 + holds.length).every(({ kept }) => kept === true));
    },
  );
}

testOnBoth("flush() lets PostgreSQL judge constraints, rows by themselves", {}, async (landing) => {
  const { sql } = landing;
  await sql.unsafe(`create domain positive as int4 check (value > 0);
    create table ${TABLE} (d positive, c int8 constraint small check (c < 10),
      u int8 unique, r text not null)`);
  await landing.write(`[{"d":1,"c":1,"u":1,"r":"a"},{"d":0,"r":"b"},{"c":10,"r":"c"},
    {"u":1,"r":"d"},{"u":2},{"d":2,"r":"e"}]`);
  assert.deepEqual(await landing.values("r"), ["a", "e"]);
  assert.deepEqual(
    (await landing.rejects()).map(({ ordinal, sqlstate, record }) => ({
      ordinal,
      sqlstate,
      record,
    })),
    [
      { ordinal: 1, sqlstate: "23514", record: '{"d":0,"r":"b"}' },
      { ordinal: 2, sqlstate: "23514", record: '{"c":10,"r":"c"}' },
      { ordinal: 3, sqlstate: "23505", record: '{"u":1,"r":"d"}' },
      { ordinal: 4, sqlstate: "23502", record: '{"u":2}' },
    ],
  );
});

testOnBoth("flush() takes defaults for absent keys and null for null", {}, async (landing) => {
  const { sql } = landing;
  await sql.unsafe(`create domain worded as text default 'domain';
    create table ${TABLE} (id int8 generated always as identity,
      n int8 generated by default as identity, made text default 'made', w worded, a int8,
      _overflow jsonb default '{}')`);
  await landing.write('[{"a":1},{"made":null,"a":2},{"n":77,"made":"\\\\D"},{"w":"x"}]', "[{}]");
  await landing.write('[{"made":"mine","a":"misfit"}]');
  assert.deepEqual(await landing.rows(), [
    { id: "1", n: "1", made: "made", w: "domain", a: "1", _overflow: "{}" },
    { id: "2", n: "2", w: "domain", a: "2", _overflow: "{}" },
    { id: "3", n: "77", made: "\\D", w: "domain", _overflow: "{}" },
    { id: "4", n: "3", made: "made", w: "x", _overflow: "{}" },
    { id: "5", n: "4", made: "made", w: "domain", _overflow: "{}" },
    { id: "6", n: "5", made: "mine", w: "domain", _overflow: '{"a": "misfit"}' },
  ]);
});

testOnBoth("flush() rejects null for an identity, as null is not absent", {}, async (landing) => {
  await landing.sql.unsafe(
    `create table ${TABLE} (n int8 generated by default as identity, a int8)`,
  );
  await landing.write('[{"n":null,"a":1},{"a":2}]');
  assert.deepEqual(await landing.values("a"), ["2"]);
  assert.deepEqual((await landing.rejects()).map(({ sqlstate }) => sqlstate), ["23502"]);
});

Deno.test("flush() looks again when a default was dropped that it relied on", async () => {
  await using landing = await Landing.open();
  await landing.sql.unsafe(`create table ${TABLE} (made text default 'made', a int8)`);
  await landing.write('[{"a":1},{"made":"mine"}]');
  await landing.sql.unsafe(`alter table ${TABLE} alter made drop default`);
  await landing.write('[{"a":2}]');
  assert.deepEqual(await landing.values("made"), ["made", "mine", null]);
});

testOnBoth("flush() sends the time of receipt as the column holds it", {
  properties: { includeTimestamp: true },
}, async (landing) => {
  for (
    const [type, expected] of [
      ["timestamptz", "2026-11-24 12:00:00.123+00"],
      ["timestamptz(0)", "2026-11-24 12:00:00+00"],
      ["timestamp", "2026-11-24 12:00:00.123"],
      ["text", "2026-11-24T12:00:00Z"],
      ["jsonb", '"2026-11-24T12:00:00.123Z"'],
      ["date", null],
    ] as const
  ) {
    await landing.sql.unsafe(
      `drop table if exists ${TABLE}; create table ${TABLE} (_timestamp ${type}, a int8)`,
    );
    await landing.write('[{"a":1,"_timestamp":"mine"}]');
    assert.deepEqual(await landing.values("_timestamp"), [expected], type);
  }
});

testOnBoth("flush() writes into a table of the Go service as that did", {
  properties: { includeTimestamp: true },
}, async (landing) => {
  await landing.sql.unsafe(`create table ${TABLE} ("a" text, "b c" text, "_timestamp" text)`);
  await landing.write('[{"a":1.10,"b c":{"k":[true]},"late":"x"}]');
  assert.deepEqual(await landing.rows(), [
    { a: "1.10", "b c": '{"k":[true]}', _timestamp: "2026-11-24T12:00:00Z", late: "x" },
  ]);
});

testOnBoth("flush() writes through a partitioned parent and triggers", {}, async (landing) => {
  await landing.sql.unsafe(`create table ${TABLE} (a int8, b text) partition by range (a);
    create table low partition of ${TABLE} for values from (0) to (10);
    create function shout() returns trigger language plpgsql as $$
      begin
        if new.b = 'no' then raise exception 'not this one'; end if;
        new.b = upper(new.b);
        return new;
      end $$;
    create trigger shout before insert on ${TABLE} for each row execute function shout()`);
  await landing.write('[{"a":1,"b":"x"},{"a":99,"b":"y"},{"a":2,"b":"no"},{"a":3,"b":"z"}]');
  assert.deepEqual(await landing.values("b"), ["X", "Z"]);
  assert.deepEqual((await landing.rejects()).map(({ sqlstate, ordinal }) => [ordinal, sqlstate]), [
    [1, "23514"],
    [2, "P0001"],
  ]);
});
