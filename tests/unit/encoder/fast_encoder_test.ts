import assert from "node:assert/strict";
import { type EncodableDelivery, wholePayload } from "../../../lib/encoder/encodable_delivery.ts";
import { encodeBatch } from "../../../lib/encoder/exact_encoder.ts";
import { FastEncoder } from "../../../lib/encoder/fast_encoder.ts";
import { RowBuffer } from "../../../lib/encoder/row_buffer.ts";
import { type ColumnPlan, compilePlan } from "../../../lib/schema/column_plan.ts";
import type { TableColumn } from "../../../lib/schema/table_description.ts";
import { placedTogether } from "../../support/encoder_fuzz/difference.ts";
import { columnOf, deliveryOfJson, hexadecimal, tableOf } from "../../support/encoding.ts";

/**
 * Encodes messages of one table; compares with the exact encoder, in binary as well, and tells what
 * was counted of text.
 */
function encodeFast(
  columns: readonly TableColumn[],
  messages: readonly string[],
  fast = new FastEncoder(),
): { text: string; fast: number; passed: Record<string, number> } {
  const plan = compilePlan(tableOf(...columns), { includeTimestamp: true });
  const deliveries = messages.map(deliveryOfJson);
  const { rows, rejects } = encodeBatch(plan, deliveries, new RowBuffer(), { fast });
  const exact = encodeBatch(plan, deliveries, new RowBuffer());
  const text = new TextDecoder().decode(rows.bytes);
  assert.equal(text, new TextDecoder().decode(exact.rows.bytes));
  assert.deepEqual([...rows.ends], [...exact.rows.ends]);
  assert.deepEqual(rejects, exact.rejects);
  assert.ok(fast.memory.isIntact);
  assertSameBinary(plan, deliveries);
  const { recordsFast, recordsPassed } = fast.counts;
  return { text, fast: recordsFast, passed: Object.fromEntries(recordsPassed) };
}

function assertSameBinary(
  { table, options }: ColumnPlan,
  deliveries: readonly EncodableDelivery[],
): void {
  const fast = new FastEncoder();
  const plan = compilePlan(table, { ...options, prefersBinary: true });
  const { rows } = encodeBatch(plan, deliveries, new RowBuffer(), { fast });
  const exact = encodeBatch(plan, deliveries, new RowBuffer());
  const latin1 = new TextDecoder("latin1");
  assert.ok(latin1.decode(rows.bytes) === latin1.decode(exact.rows.bytes), "bytes differ");
  assert.deepEqual([...rows.ends], [...exact.rows.ends]);
  assert.ok(fast.memory.isIntact);
}

/** Rows of one table as COPY binary, as the fast encoder alone makes them, in hexadecimal. */
function encodeBinary(columns: readonly TableColumn[], message: string): string {
  const fast = new FastEncoder();
  const plan = compilePlan(tableOf(...columns), { includeTimestamp: true, prefersBinary: true });
  const { rows } = encodeBatch(plan, [deliveryOfJson(message)], new RowBuffer(), { fast });
  assert.deepEqual([plan.format, fast.counts.recordsPassed.size], ["binary", 0]);
  return hexadecimal(rows.bytes);
}

const USUAL = [
  columnOf("id", "int8"),
  columnOf("score", "float8"),
  columnOf("amount", "numeric"),
  columnOf("active", "bool"),
  columnOf("at", "timestamptz"),
  columnOf("tags", "jsonb"),
  columnOf("note", "text"),
  columnOf("_timestamp", "timestamptz"),
];

Deno.test("FastEncoder encodes a record of every type", () => {
  const record = '{"id":1,"score":0.1,"amount":1.50,"active":true,' +
    '"at":"2026-11-24T12:00:00Z","tags":["a\\n",1],"note":"tab\\there"}';
  const { text, passed } = encodeFast(USUAL, [`[${record}]`]);
  assert.equal(
    text,
    '1\t0.1\t1.50\tt\t2026-11-24T12:00:00Z\t["a\\\\n",1]\ttab\\there\t2026-11-24T12:00:00.123Z\n',
  );
  assert.deepEqual(passed, {});
});

Deno.test("FastEncoder encodes a record of every type as COPY binary", () => {
  const record = '{"id":-2,"score":0.1,"amount":-1.50,"active":true,' +
    '"at":"2000-01-01T00:00:01.5Z","tags":[1],"note":"a\\t\\u00e9"}';
  assert.equal(
    encodeBinary([...USUAL, columnOf("small", "int2"), columnOf("_overflow", "jsonb")], record),
    [
      "000a",
      "00000008 fffffffffffffffe",
      "00000008 3fb999999999999a",
      "0000000c 0002 0000 4000 0002 0001 1388",
      "00000001 01",
      "00000008 000000000016e360",
      "00000004 01 5b315d",
      "00000004 6109c3a9",
      "00000008 0003040337f19078",
      "ffffffff",
      "ffffffff",
    ].join("").replaceAll(" ", ""),
  );
});

Deno.test("FastEncoder writes numbers at the edges of their binary forms as the exact encoder does", () => {
  const values = [
    "0",
    "-0",
    "0.0",
    "-0.00",
    "9999",
    "10000",
    "-10000",
    "100000000",
    "0.0001",
    "0.00010",
  ]
    .concat(
      "0.00001",
      "-0.000000001234",
      "10000.00001",
      "99999999.99999999",
      "1234.5",
      "12345.67890",
    )
    .concat("999999999999999", "-999999999999999", "123456789012345.6", "0.30000000000000004")
    .concat(...Array.from({ length: 30 }, (_, zeros) => {
      const fraction = "0".repeat(zeros);
      return [`0.${fraction}1`, `-0.${fraction}123456789012345`, `1${fraction}.${fraction}5`];
    }));
  for (const type of ["numeric", "float8", "int8", "int4", "int2"]) {
    const { fast } = encodeFast([columnOf("x", type)], values.map((value) => `[{"x":${value}}]`));
    assert.ok(fast > 0, type);
  }
});

Deno.test("FastEncoder stays within its output when columns take more than the record", () => {
  const columns = Array.from({ length: 400 }, (_, i) => columnOf(`column ${i}`, "numeric"));
  const record = `{${columns.map(({ name }) => `"${name}":0`).join(",")}}`;
  for (const message of [`[${"{},".repeat(300)}{}]`, `[${`${record},`.repeat(100)}{}]`]) {
    assert.deepEqual(encodeFast(columns, [message, message]).passed, {});
  }
});

Deno.test("FastEncoder passes a double on whose nearest neighbour one division does not find", () => {
  const fast = new FastEncoder();
  const plan = compilePlan(tableOf(columnOf("x", "float8")), {
    includeTimestamp: false,
    prefersBinary: true,
  });
  const zeros = "0".repeat(21);
  const deliveries = [deliveryOfJson(`[{"x":0.${zeros}1},{"x":0.${zeros}12}]`)];
  encodeBatch(plan, deliveries, new RowBuffer(), { fast });
  assert.deepEqual(Object.fromEntries(fast.counts.recordsPassed), { number: 1 });
});

Deno.test("FastEncoder writes null for keys that are absent or null", () => {
  const columns = [columnOf("a", "int8"), columnOf("b", "text"), columnOf("_overflow", "jsonb")];
  assert.deepEqual(encodeFast(columns, ['[{"b":null},{}]']), {
    text: "\\N\t\\N\t\\N\n\\N\t\\N\t\\N\n",
    fast: 2,
    passed: {},
  });
});

Deno.test("FastEncoder takes doubles as programs print them", () => {
  const doubles = Array.from({ length: 2_000 }, (_, i) => Math.abs(Math.sin(i + 1)) * 10 ** (i % 5))
    .filter((double) => double >= 0.01);
  const { fast } = encodeFast([columnOf("x", "float8")], [
    `[${doubles.map((double) => `{"x":${double}}`).join(",")}]`,
  ]);
  assert.ok(fast > doubles.length * 0.99, `${fast} of ${doubles.length}`);
});

Deno.test("FastEncoder takes an existing text column's value whatever it is", () => {
  const values = ["1e5", "true", '"é\\u00e9"', '{"a":[1]}', "[]", "-0.50", "null"];
  const messages = [`[${values.map((value) => `{"x":${value}}`).join(",")}]`];
  assert.deepEqual(encodeFast([columnOf("x", "text")], messages).passed, {});
});

Deno.test("FastEncoder knows a key with all beyond ASCII escaped", () => {
  const messages = ['[{"Gr\\u00f6\\u00dfe":1},{"Größe":2}]'];
  assert.deepEqual(encodeFast([columnOf("Größe", "int8")], messages), {
    text: "1\n2\n",
    fast: 2,
    passed: {},
  });
});

for (
  const [reason, type, record] of [
    ["not_object", "int8", "1"],
    ["unknown_key", "int8", '{"y":1}'],
    ["escaped_key", "int8", '{"\\u0078":1}'],
    ["duplicate_key", "int8", '{"x":1,"x":2}'],
    ["other_type", "uuid", '{"x":"00000000-0000-0000-0000-000000000000"}'],
    ["number", "int8", '{"x":9223372036854775807}'],
    ["number", "float8", '{"x":1e5}'],
    ["number", "jsonb", '{"x":[1e5]}'],
    ["misfit", "int8", '{"x":1.0}'],
    ["misfit", "bool", '{"x":"true"}'],
    ["misfit", "timestamptz", '{"x":"2026-11-24"}'],
    ["text", "text", '{"x":"\\ud800"}'],
  ] as const
) {
  Deno.test(`FastEncoder passes ${record} to a column of ${type} on`, () => {
    const { fast, passed } = encodeFast([columnOf("x", type)], [`[{},${record},{}]`]);
    assert.deepEqual({ fast, passed }, { fast: 2, passed: { [reason]: 1 } });
  });
}

Deno.test("FastEncoder passes records that name a column with a DEFAULT", () => {
  const columns = [columnOf("a", "int8"), columnOf("d", "int8", { hasDefault: true })];
  const { passed } = encodeFast(columns, ['[{"a":1},{"a":2,"d":3}]']);
  // The first time for the key, the second because the plan then sends the column.
  assert.deepEqual(passed, { default_column: 1, plan: 2 });
});

Deno.test("FastEncoder makes one reject of a message with too many", () => {
  const records = `{"x":1},${"1,".repeat(1_500)}{"x":2}`;
  const { text } = encodeFast([columnOf("x", "int8")], ['[{"x":0}]', `[${records}]`, '[{"x":3}]']);
  assert.equal(text, "0\n3\n");
});

Deno.test("FastEncoder encodes more rows than it holds at once", () => {
  const messages = Array.from({ length: 3 }, () => `[${'{"x":"y"},'.repeat(6_000)}{}]`);
  const { fast } = encodeFast([columnOf("x", "text")], messages);
  assert.equal(fast, 18_003);
});

Deno.test("FastEncoder stays within its output when values take twice their source", () => {
  for (let length = 900; length < 1_000; length += 7) {
    const messages = Array.from({ length: 300 }, () => `[{"x":[${"\n".repeat(length)}]}]`);
    assert.equal(encodeFast([columnOf("x", "jsonb")], messages).fast, 300);
  }
});

Deno.test("FastEncoder makes room for a long message and passes one of over 2 MiB", () => {
  const messages = [300_000, 10, 2_000_000, 2_200_000].map((length) =>
    `{"x":"${"é\\n".repeat(length / 4)}"}`
  );
  const { fast, passed } = encodeFast([columnOf("x", "text")], messages);
  assert.deepEqual({ fast, passed }, { fast: 3, passed: { size: 1 } });
});

Deno.test("FastEncoder takes 1,600 columns", () => {
  const columns = Array.from({ length: 1_600 }, (_, i) => columnOf(`column ${i}`, "int8"));
  const record = JSON.stringify(Object.fromEntries(columns.map(({ name }, i) => [name, i])));
  assert.equal(encodeFast(columns, [`[${record},{}]`]).fast, 2);
});

Deno.test("FastEncoder takes messages that stand together in one buffer, in any order", () => {
  const fast = new FastEncoder();
  const plan = compilePlan(tableOf(...USUAL), { includeTimestamp: false });
  const ids = Array.from({ length: 40 }, (_, id) => id);
  const several = [0, 1].map((half) =>
    placedTogether(
      ids.map((id) => deliveryOfJson(`[{"id":${id + 100 * half},"score":${id}.5}]`).payload),
      // Of one nothing is between two messages: what is put behind the first is the second's.
      half === 0 ? undefined : "",
    )
  );
  // Two buffers, in turn and one after the other.
  const places = [...ids.flatMap((id) => several.map((half) => half[id])), ...several.flat()]
    .filter((place) => place !== undefined);
  const deliveries = places.map((place): EncodableDelivery => {
    assert.notEqual(fast.readEnvelope(place), null);
    return { ...deliveryOfJson(queryState(place.payload)), ...place };
  });
  const { rows } = encodeBatch(plan, deliveries, new RowBuffer(), { fast });
  const exact = encodeBatch(plan, deliveries, new RowBuffer());
  assert.equal(new TextDecoder().decode(rows.bytes), new TextDecoder().decode(exact.rows.bytes));
  assert.equal(fast.counts.recordsFast, deliveries.length);
  assert.ok(fast.memory.isIntact);
});

/** The JSON text of a message's records. */
function queryState(payload: Uint8Array): string {
  return JSON.stringify(JSON.parse(new TextDecoder().decode(payload)).query_state);
}

Deno.test("FastEncoder goes from table to table and back", () => {
  const fast = new FastEncoder();
  for (const name of ["a", "b", "a"]) {
    assert.equal(encodeFast([columnOf(name, "int8")], [`[{"${name}":7}]`], fast).text, "7\n");
  }
});

/**
 * A module with the exports of the real one that does nothing but trap when it has to encode: type,
 * function, memory, export and code sections, written by hand.
 */
function trappingModule(): WebAssembly.Module {
  const names = [["memory", 2], ["place", 0], ["beginPlan", 0], ["beginOutput", 0]]
    .concat([["envelope", 1], ["encodeRecords", 1]]) as [string, number][];
  const exports = names.flatMap(([name, kind]) => [
    name.length,
    ...new TextEncoder().encode(name),
    kind === 2 ? 2 : 0,
    kind === 2 ? 0 : kind,
  ]);
  return new WebAssembly.Module(Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    // One type: nothing to nothing.
    ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00],
    // Two functions, one memory.
    ...[0x03, 0x03, 0x02, 0x00, 0x00],
    ...[0x05, 0x03, 0x01, 0x00, 0x00],
    ...[0x07, exports.length + 1, names.length, ...exports],
    // The first does nothing, the second is unreachable.
    ...[0x0a, 0x08, 0x02, 0x02, 0x00, 0x0b, 0x03, 0x00, 0x00, 0x0b],
  ]));
}

Deno.test("FastEncoder loses no row by a trap, counts it and tells of it", () => {
  const traps: unknown[] = [];
  const fast = new FastEncoder({ module: trappingModule(), onTrap: (error) => traps.push(error) });
  assert.equal(encodeFast([columnOf("x", "int8")], ['[{"x":1},{"x":2}]'], fast).text, "1\n2\n");
  assert.equal(fast.readEnvelope(wholePayload(new TextEncoder().encode("{}"))), null);
  assert.equal(traps.length, 2);
  assert.equal(fast.counts.traps, 2);
  assert.deepEqual(Object.fromEntries(fast.counts.recordsPassed), { trap: 2 });
});
