/**
 * Any JSON value that is written is read back equal, modulo what docs/schema.md names: text that
 * PostgreSQL cannot hold, how numbers and moments are spelled, the order of keys. Random batches, in
 * columns that are inferred, widened, or left as they are; fast-check prints the seed of a failure.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { RowBuffer } from "../../../lib/encoder/row_buffer.ts";
import { columnNameFor } from "../../../lib/schema/identifiers.ts";
import { sharedPostgres } from "../../support/servers.ts";
import {
  type Meaning,
  meaningOf,
  NumberText,
  spelledValue,
  storableMeaning,
} from "../../support/json_values.ts";
import { Landing, openWriter, testOnBoth } from "./landing.ts";

await sharedPostgres();

const RUNS = 120;

/** Few enough to meet each other, odd enough to be worth meeting. */
const KEYS = ["a", "b", "é", "__proto__", '"', "", "ctid", "x".repeat(80)];

/** A record: keys, some of them twice, and the JSON text of their values. */
type SpelledRecord = readonly (readonly [key: string, json: string])[];

const anyBatches: fc.Arbitrary<SpelledRecord[][]> = fc.array(
  fc.array(fc.array(fc.tuple(fc.constantFrom(...KEYS), spelledValue), { maxLength: 5 }), {
    minLength: 1,
    maxLength: 12,
  }),
  { minLength: 1, maxLength: 3 },
);

function spelled(record: SpelledRecord, number: number): string {
  const fields = record.map(([key, json]) => `${JSON.stringify(key)}:${json}`);
  return `{${[`"#":${number}`, ...fields].join(",")}}`;
}

/** Microseconds since the Unix epoch of an RFC 3339 date-time; null for every other text. */
function microseconds(text: string): bigint | null {
  const match = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?([Zz]|[+-]\d\d:\d\d)$/
    .exec(text);
  if (match === null) return null;
  const [, date, time, fraction = "", zone = "Z"] = match;
  const ms = Date.parse(`${date}T${time}${zone.toUpperCase()}`);
  return Number.isNaN(ms) ? null : BigInt(ms) * 1_000n + BigInt(fraction.padEnd(6, "0"));
}

/** Equal, or the same moment spelled otherwise. */
function assertSame(actual: Meaning, expected: Meaning, what: string): void {
  if (typeof actual === "string" && typeof expected === "string" && actual !== expected) {
    const moment = microseconds(expected);
    if (moment !== null) return assert.equal(microseconds(actual), moment, what);
  }
  assert.deepEqual(actual, expected, what);
}

/** What a column's value means; `text` may be how a value of any type was spelled. */
function meaningInColumn({ type, text }: ColumnText, expected: Meaning): Meaning {
  switch (type) {
    case "boolean":
      return text === "true";
    case "bigint":
    case "numeric":
    case "double precision":
      return new NumberText(text);
    case "jsonb":
      return meaningOf(text);
    default:
      return typeof expected === "string" ? text : storableMeaning(meaningOf(text));
  }
}

interface ColumnText {
  readonly type: string;
  readonly text: string;
}

/** Every row by its number: for each column that is not NULL its text, moments as ISO 8601. */
async function readRows(
  landing: Landing,
  table: string,
): Promise<Map<number, Map<string, ColumnText>>> {
  const name = `"${table}"`;
  const columns = await landing.sql<{ name: string; type: string }[]>`
    select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute
    where attrelid = to_regclass(${name}) and attnum > 0 and not attisdropped`;
  const texts = columns.map(({ name: column, type }) => {
    const quoted = `"${column.replaceAll('"', '""')}"`;
    return type === "timestamp with time zone" ? `to_jsonb(${quoted}) #>> '{}'` : `${quoted}::text`;
  });
  const rows = await landing.sql.unsafe<{ texts: (string | null)[] }[]>(
    `select json_build_array(${texts.join(",")}) as texts from ${name}`,
  );
  return new Map(rows.map(({ texts: values }) => {
    const row = new Map<string, ColumnText>();
    for (const [index, { name: column, type }] of columns.entries()) {
      const text = values[index] ?? null;
      if (text !== null) row.set(column, { type, text });
    }
    return [Number(row.get("#")?.text), row];
  }));
}

function assertRow(row: Map<string, ColumnText>, record: SpelledRecord): void {
  const overflow = meaningOf(row.get("_overflow")?.text ?? "{}");
  assert.ok(overflow instanceof Map);
  for (const [key, json] of new Map(record)) {
    const expected = storableMeaning(meaningOf(json));
    const found = row.get(columnNameFor(key));
    const what = `${JSON.stringify(key)}: ${json} in ${found?.type ?? "_overflow"}`;
    if (found === undefined) assert.deepEqual(overflow.get(key) ?? null, expected, what);
    else assertSame(meaningInColumn(found, expected), expected, what);
  }
}

for (const onTypeConflict of ["widen", "overflow"]) {
  testOnBoth(`flush() writes what is read back equal when misfits ${onTypeConflict}`, {}, async (
    landing,
  ) => {
    let tables = 0;
    const buffer = new RowBuffer();
    await fc.assert(
      fc.asyncProperty(anyBatches, async (batches) => {
        const tableName = `${tables++}`;
        const writer = openWriter(landing.store, { tableName, onTypeConflict }, landing);
        const records: SpelledRecord[] = [];
        for (const batch of batches) {
          const texts = batch.map((record, index) => spelled(record, records.length + index));
          records.push(...batch);
          await writer.flush([landing.messages.next(`[${texts.join(",")}]`)], buffer, []);
        }
        const rows = await readRows(landing, `t_${tableName}`);
        assert.equal(rows.size, records.length);
        for (const [number, record] of records.entries()) {
          const row = rows.get(number);
          assert.ok(row !== undefined);
          assertRow(row, record);
        }
      }),
      { numRuns: RUNS },
    );
    assert.deepEqual(await landing.rejects(), []);
  });
}
