/**
 * COPY binary against COPY text on real servers: the same records leave the same row images, refused
 * rows are found among the others, and a plan that has gone stale is noticed before any byte is sent.
 */
import assert from "node:assert/strict";
import { type EncodableDelivery, wholePayload } from "../../../lib/encoder/encodable_delivery.ts";
import { encodeBatch } from "../../../lib/encoder/exact_encoder.ts";
import { FastEncoder } from "../../../lib/encoder/fast_encoder.ts";
import { RowBuffer } from "../../../lib/encoder/row_buffer.ts";
import { readEnvelope } from "../../../lib/ingest/envelope.ts";
import type { Flush } from "../../../lib/ingest/ports.ts";
import { compilePlan } from "../../../lib/schema/column_plan.ts";
import { quoteIdentifier } from "../../../lib/schema/identifiers.ts";
import type { TableDescription } from "../../../lib/schema/table_description.ts";
import { randomBatch } from "../../support/encoder_fuzz/random_batch.ts";
import { columnOf, deliveryOfJson, RECEIVED_AT_MS, tableOf } from "../../support/encoding.ts";
import {
  committed,
  describeTable,
  flushOf,
  identity,
  rejectOf,
  type StoreFixture,
  testOnBoth,
} from "./store_fixture.ts";

const RANDOM_CASES = 150;

/** Values at the limits of a type and beside them; those that it does not hold go to `_overflow`. */
const LIMITS: Readonly<Record<string, readonly string[]>> = {
  bool: ["true", "false", "null"],
  int8: [
    "0",
    "-0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "1e18",
    "1.0",
    "4294967296",
  ]
    .concat("-4294967296", "-4294967297", "999999999999999999", "-999999999999999999")
    .concat("9007199254740991", "9007199254740993", "-9007199254740993", "9223372036854775808"),
  int4: ["0", "-1", "2147483647", "-2147483648", "999999999", "1e9", "2147483648"],
  int2: ["0", "-1", "32767", "-32768", "9999", "1e4", "32768"],
  float8: ["0", "-0", "0.0", "-0.0", "0.1", "1e22", "1e23", "5e-324", "2.2250738585072014e-308"]
    .concat("2.225073858507201e-308", "1.7976931348623157e308", "-1.7976931348623157e308", "1e309")
    .concat("0.30000000000000004", "9007199254740993", "123456789012345.6", "1e-400", "0e-400")
    .concat("8.41470984807897e-1", "0.000000000000000000001234567890123456", "4503599627370496.5")
    .concat("999999999999999", "0.0000000000000000000001", "0.00000000000000000000001", "100.0"),
  numeric: ["0", "-0", "0.0", "-0.000", "1", "-1", "10000", "9999", "0.0001", "0.00001", "1.50"]
    .concat("12345678.000010002000", "100000000", "-0.00000000123400", "1e5", "1.5e3", "1.5e-3")
    .concat("1e131071", "-9.99e131071", "1e-16383", "0e100", "0e-5", "123456789e-12")
    .concat("9".repeat(1000), `0.${"0".repeat(900)}1`, `${"1".repeat(2000)}.${"2".repeat(2000)}`),
  timestamptz: ["2000-01-01T00:00:00Z", "1999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z"]
    .concat("9999-12-31T23:59:59.999999Z", "2024-02-29t12:34:56.5z", "1900-03-01T00:00:00+15:59")
    .concat("1600-02-29T23:59:59-15:59", "2026-11-24T12:00:00.000001+02:30", "0099-12-31T00:00:00Z")
    .concat("0100-01-01T00:00:00Z", "1582-10-10T00:00:00Z", "0001-01-01T15:00:00+15:00")
    .concat("9999-12-31T08:00:00-15:59", "1970-01-01T00:00:00.12Z", "4713-01-01T00:00:00Z", "now")
    .map((text) => JSON.stringify(text)),
  jsonb: ['{"b":1,"a":[1.50,-0,1e400]}', '"tab\\t\\u00e9\\ud83d\\ude00 \\\\u0000"', "[]", "{}"]
    .concat("true", "0", '""', '{"a" : 1,\\n"a":2}'.replace("\\n", "\n"), '["\\u0000"]', "1.10")
    .concat('"\\ud800"', "[[[[1]]]]"),
  text: [
    '""',
    '"\\\\N"',
    '"\\\\."',
    '"tab\\tline\\nreturn\\rback\\\\slash\\b\\f\\/\\""',
    '"é日本😀"',
  ]
    .concat('"\\u0000"', '"\\ud83d\\ude00\\ud800"', "1.50", "true", '{"a":"\\n"}', '[1,\n2,"\\\\"]')
    .concat(JSON.stringify("x".repeat(300_000)), `"${"\\u00fc\\n".repeat(200)}"`),
  varchar: ['"a"', '"b\\\\c"'],
};

function deliveriesOf(payloads: readonly Uint8Array[]): EncodableDelivery[] {
  return payloads.flatMap((payload) => {
    const envelope = readEnvelope(payload);
    return envelope.kind === "bad"
      ? []
      : [{ ...envelope, ...wholePayload(payload), receivedAtMs: RECEIVED_AT_MS }];
  });
}

/** How a table's records are encoded. */
interface Way {
  readonly prefersBinary: boolean;
  readonly fast: FastEncoder | null;
}

const WAYS: readonly (readonly [string, Way])[] = [
  ["as_text", { prefersBinary: false, fast: null }],
  ["as_binary", { prefersBinary: true, fast: null }],
  ["as_binary_fast", { prefersBinary: true, fast: new FastEncoder() }],
];

/**
 * Makes a table like `model` for each way, writes the deliveries into all of them, and compares the
 * images of their rows, which differ even where `1.5` is not `1.50`. Returns the number of rows.
 */
async function assertSameImages(
  { sql, store }: StoreFixture,
  model: TableDescription,
  deliveries: readonly EncodableDelivery[],
  options: { readonly includeTimestamp: boolean; readonly misfits?: "overflow" | "reject" },
  prefix: string,
): Promise<number> {
  const columns = model.columns.map(({ name, typeName }) => `${quoteIdentifier(name)} ${typeName}`);
  let written = 0;
  for (const [way, { prefersBinary, fast }] of WAYS) {
    const name = `${prefix}_${way}`;
    await sql.unsafe(`create table ${name} (${columns.join(",")})`);
    const plan = compilePlan(model, { ...options, prefersBinary });
    assert.equal(plan.format, prefersBinary ? "binary" : "text");
    const batch = encodeBatch(plan, deliveries, new RowBuffer(), { fast });
    const flush: Flush = {
      ...flushOf(await describeTable(store, name), [{ sequence: null, rows: [] }]),
      runs: batch.runs,
      rows: batch.rows,
      format: batch.plan.format,
      messages: {
        identities: [null],
        firstRows: Uint32Array.of(0, batch.rows.count),
        replays: new Map(),
      },
      rejectRow: (row) => rejectOf(null, row),
    };
    const outcome = committed(await store.tables.write(flush));
    assert.deepEqual(outcome.rejects, []);
    written = outcome.rowsWritten;
    const numbered = (table: string): string =>
      `(select row_number() over (order by ctid) as number, t from ${table} t)`;
    const different = await sql.unsafe(
      `select number, a.t::text as expected, b.t::text as found
       from ${numbered(`${prefix}_as_text`)} a full join ${numbered(name)} b using (number)
       where (a.t operator(pg_catalog.*<>) b.t) is not false`,
    );
    assert.deepEqual([...different], [], way);
  }
  return written;
}

testOnBoth(
  "COPY binary leaves what COPY text leaves, at the limits of each type",
  async (fixture) => {
    for (const [typeName, values] of Object.entries(LIMITS)) {
      const model = tableOf(
        columnOf("v", typeName),
        columnOf("absent", typeName),
        columnOf("_timestamp", "timestamptz"),
        columnOf("_overflow", "jsonb"),
      );
      const records = values.map((value) => `{"v":${value}}`);
      const rows = await assertSameImages(
        fixture,
        model,
        [deliveryOfJson(`[${records.join(",")}]`)],
        { includeTimestamp: true, misfits: "overflow" },
        typeName,
      );
      assert.equal(rows, values.length, typeName);
    }
  },
);

testOnBoth("COPY binary leaves what COPY text leaves of random records", async (fixture) => {
  let cases = 0;
  let rows = 0;
  for (let seed = 1; cases < RANDOM_CASES; seed++) {
    const { table, payloads, ...options } = randomBatch(seed);
    const deliveries = deliveriesOf(payloads);
    const isBinary = compilePlan(table, { ...options, prefersBinary: true }).format === "binary";
    // A name that the catalog would never give.
    const isPossible = !table.columns.some(({ name }) => name === "ctid");
    if (!isBinary || !isPossible || deliveries.length === 0) continue;
    rows += await assertSameImages(fixture, table, deliveries, options, `t${++cases}`);
  }
  assert.ok(rows > RANDOM_CASES, `${rows} rows were compared`);
});

/** Rows of COPY binary, each of values of which null is SQL NULL, in a flush of one message. */
function binaryFlush(
  table: TableDescription,
  rows: readonly (readonly (Uint8Array | null)[])[],
  sequence: number,
): Flush {
  const bytes: number[] = [];
  const ends = new Uint32Array(rows.length);
  for (const [index, values] of rows.entries()) {
    bytes.push(0, values.length);
    for (const value of values) {
      if (value === null) bytes.push(0xff, 0xff, 0xff, 0xff);
      else bytes.push(0, 0, 0, value.length, ...value);
    }
    ends[index] = bytes.length;
  }
  const lines = rows.map((_, row) => String(row));
  return {
    ...flushOf(table, [{ sequence, rows: lines }], { columns: ["a", "b"] }),
    rows: { bytes: Uint8Array.from(bytes), count: rows.length, ends },
    format: "binary",
  };
}

function int8(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value));
  return bytes;
}

const utf8 = new TextEncoder();

testOnBoth("write() isolates rows of COPY binary that PostgreSQL refuses", async (fixture) => {
  const { sql, store } = fixture;
  await sql`create table t (n serial, a int8 not null check (a < 1000), b text)`;
  const table = await describeTable(store, "t");
  const rows: (readonly (Uint8Array | null)[])[] = Array.from(
    { length: 300 },
    (_, row) => [int8(row), utf8.encode(`row ${row}`)],
  );
  rows[17] = [int8(1000), null];
  rows[18] = [null, null];
  rows[150] = [int8(1).subarray(1), null];
  rows[151] = [int8(1), Uint8Array.of(0x61, 0)];
  rows[200] = [Uint8Array.of(0, ...int8(1)), null];
  rows[201] = [int8(1)];
  rows[299] = [int8(1), Uint8Array.of(0xc3)];
  const outcome = committed(await store.tables.write(binaryFlush(table, rows, 1)));
  assert.deepEqual(outcome.rejects.map(({ ordinal, sqlState }) => [ordinal, sqlState]), [
    [17, "23514"],
    [18, "23502"],
    [150, "08P01"], // protocol_violation: too few bytes
    [151, "22021"], // character_not_in_repertoire
    [200, "22P03"], // invalid_binary_representation: too many bytes
    [201, "22P04"], // bad_copy_file_format
    [299, "22021"],
  ]);
  assert.equal(outcome.rowsWritten, 293);
  const landed = await sql`select a::int, b from t order by n`;
  assert.equal(landed.length, 293);
  assert.ok(
    landed.every(({ a, b }, at) => b === `row ${a}` && (at === 0 || landed[at - 1]?.a < a)),
  );
});

testOnBoth(
  "write() writes COPY binary of the messages that the ledger does not know",
  async (fixture) => {
    const { sql, store } = fixture;
    await sql`create table t (n serial, a int8, b text)`;
    const table = await describeTable(store, "t");
    // Wide enough that the rows take several chunks.
    const text = utf8.encode("x".repeat(200));
    const rows = Array.from({ length: 3_000 }, (_, row) => [int8(row), text]);
    await store.tables.write(binaryFlush(table, [[int8(-1), null]], 2));
    const flush = binaryFlush(table, rows, 1);
    const messages = {
      ...flush.messages,
      identities: [1, 2, 3].map((sequence) => identity(sequence)),
      firstRows: Uint32Array.of(0, 1_000, 2_000, 3_000),
    };
    const outcome = committed(await store.tables.write({ ...flush, messages }));
    assert.equal(outcome.rowsWritten, 2_000);
    const [found] =
      await sql`select count(*)::int, sum(a)::int, min(length(b)) from t where a >= 0`;
    assert.deepEqual({ ...found }, { count: 2_000, sum: 499_500 + 2_499_500, min: 200 });
  },
);

testOnBoth(
  "write() sends no COPY binary into a column that was changed",
  async ({ sql, store }) => {
    await sql`create table t (a int8, b text)`;
    const table = await describeTable(store, "t");
    await sql`alter table t alter a type float8`;
    const outcome = await store.tables.write(binaryFlush(table, [[int8(1), null]], 1));
    assert.deepEqual(outcome, { kind: "plan-stale" });
    assert.equal((await sql`select from t`).length, 0);
  },
);
