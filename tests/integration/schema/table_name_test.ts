/** Names of tables that PostgreSQL cannot have as they are, or that something else has already. */
import assert from "node:assert/strict";
import { RowBuffer } from "../../../lib/encoder/row_buffer.ts";
import { TableUnavailableError } from "../../../lib/errors.ts";
import { tableNames } from "../../../lib/schema/identifiers.ts";
import { sharedPostgres } from "../../support/servers.ts";
import { Landing, openWriter, TABLE, testOnBoth } from "./landing.ts";

await sharedPostgres();

/** Writes one row into the processor's table of this suffix. */
async function writeInto(landing: Landing, tableName: string, value: number): Promise<void> {
  const writer = openWriter(landing.store, { tableName }, { log: landing.log });
  await writer.flush([landing.messages.next(`[{"a":${value}}]`)], new RowBuffer(), []);
}

async function valueIn(landing: Landing, name: string): Promise<unknown> {
  const [row] = await landing.sql.unsafe(`select a::int from "${name.replaceAll('"', '""')}"`);
  return row?.["a"];
}

testOnBoth(
  "flush() names tables as they are asked for, or cut with a hash",
  {},
  async (landing) => {
    const suffixes = [
      "x".repeat(300),
      "x".repeat(301),
      'q"uote',
      "dotted.name",
      "semi;colon -- %s $1",
      "ünï😀",
      "e\u0301",
      "é",
      "pg_catalog.pg_class",
    ];
    for (const [index, suffix] of suffixes.entries()) await writeInto(landing, suffix, index);
    for (const [index, suffix] of suffixes.entries()) {
      assert.equal(await valueIn(landing, tableNames(`${TABLE}_${suffix}`).name), index, suffix);
    }
  },
);

testOnBoth("flush() finds the table that PostgreSQL named when it cut", {}, async (landing) => {
  const suffix = "y".repeat(100);
  const cut = `${TABLE}_${suffix}`.slice(0, 63);
  await landing.sql.unsafe(`create table "${cut}" (a text)`);
  await writeInto(landing, suffix, 7);
  await writeInto(landing, `${suffix}z`, 8);
  assert.equal(await valueIn(landing, cut), 7);
  assert.equal(await valueIn(landing, tableNames(`${TABLE}_${suffix}z`).name), 8);
});

for (
  const [what, definition, words] of [
    ["a view", "create view t_x as select 1::int8 as a", /it is a view/],
    ["a sequence", "create sequence t_x", /it is a sequence/],
    ["a materialized view", "create materialized view t_x as select 1 as a", /materialized view/],
  ] as const
) {
  Deno.test(`flush() says that the table is unavailable when its name is ${what}`, async () => {
    await using landing = await Landing.open();
    await landing.sql.unsafe(definition);
    await assert.rejects(writeInto(landing, "x", 1), (error) => {
      assert.ok(error instanceof TableUnavailableError);
      assert.match(error.message, words);
      return error.kind === "refused";
    });
    await writeInto(landing, "y", 2);
    assert.equal(await valueIn(landing, "t_y"), 2);
  });
}

Deno.test("flush() writes into a partitioned parent, and adds columns to it", async () => {
  await using landing = await Landing.open();
  await landing.sql.unsafe(`create table t_x (id int8 default 1) partition by list (id);
    create table part partition of t_x for values in (1)`);
  await writeInto(landing, "x", 1);
  assert.equal(await valueIn(landing, "part"), 1);
});
