/**
 * The exact encoder against an independent oracle: records are spelled at random, JSON.parse (with
 * the source text of numbers) says what they mean, and COPY text read back must say the same.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ACCEPTED_KINDS } from "../../../lib/schema/accepted_kinds.ts";
import type { ColumnType } from "../../../lib/schema/column_type.ts";
import { inferColumnType } from "../../../lib/schema/inference.ts";
import type { TableColumn } from "../../../lib/schema/table_description.ts";
import {
  type Meaning,
  meaningOf,
  NumberText,
  space,
  spelledValue,
  storableMeaning,
} from "../../support/json_values.ts";
import { columnOf, encodeJson, tableOf } from "../../support/encoding.ts";

const CATALOG_NAMES: Readonly<Record<ColumnType, string>> = {
  boolean: "bool",
  bigint: "int8",
  "double precision": "float8",
  numeric: "numeric",
  timestamptz: "timestamptz",
  jsonb: "jsonb",
  text: "text",
};

/** A record: few keys, so that they meet columns, come twice, and change their order. */
const spelledRecord = fc.tuple(
  fc.array(
    fc.tuple(
      fc.constantFrom('"a"', '"b"', '"c"', '"\\u0061"', '"é"', '"__proto__"', '"\\""'),
      spelledValue,
      space,
    ),
    { maxLength: 8 },
  ),
  space,
).map(([fields, gap]) =>
  `{${gap}${
    fields.map(([key, value, inner]) => `${key}${inner}:${inner}${value}`).join(`${gap},`)
  }${gap}}`
);

const KEYS = ["a", "b", "c", "é", "__proto__", '"'];

/** What a COPY value means in a column of this type. */
function readBack(type: ColumnType, copied: string): Meaning {
  switch (type) {
    case "boolean":
      return copied === "t";
    case "bigint":
    case "numeric":
      return new NumberText(copied);
    case "double precision":
      // What PostgreSQL prints: the shortest form of the double.
      return new NumberText(String(Number(copied)));
    case "jsonb":
      return meaningOf(copied);
    case "timestamptz":
    case "text":
      return copied;
  }
}

function assertReadBack(
  type: ColumnType,
  json: Meaning,
  source: string,
  copied: string | null,
): void {
  if (json === null || copied === null) return assert.equal(copied, json);
  if (type === "text" && typeof json !== "string") return assert.equal(copied, source);
  assert.deepEqual(readBack(type, copied), storableMeaning(json));
}

/** What each key of a record means. */
function lastValues(record: string): Map<string, Meaning> {
  const meaning = meaningOf(record);
  assert.ok(meaning instanceof Map);
  return meaning;
}

Deno.test("encodeBatch() writes a batch into the columns inferred from it, and all of it reads back", () => {
  fc.assert(
    fc.property(fc.array(spelledRecord, { maxLength: 5 }), (records) => {
      const json = `[${records.join(",")}]`;
      const { batch: { newKeys, rejects } } = encodeJson(null, [json]);
      assert.deepEqual(rejects, []);
      const types = new Map(
        newKeys.map(({ key, kinds }) => [key, inferColumnType(kinds) ?? "text"]),
      );
      const columns = [...types].map(([key, type]) => columnOf(key, CATALOG_NAMES[type]));
      const { batch, values } = encodeJson(tableOf(...columns), [json]);
      assert.deepEqual([batch.rejects, batch.newKeys, batch.misfits], [[], [], []]);
      if (columns.length === 0) return;
      for (const [row, record] of records.entries()) {
        const meanings = lastValues(record);
        for (const [index, [key, type]] of [...types].entries()) {
          const copied = values[row]?.[index] ?? null;
          const meaning = meanings.get(key) ?? null;
          if (type === "text" && meaning !== null && typeof meaning !== "string") {
            assert.ok(record.includes(copied ?? "absent"));
            assert.deepEqual(meaningOf(copied ?? ""), meaning);
          } else {
            assertReadBack(type, meaning, "", copied);
          }
        }
      }
    }),
    { numRuns: 3000 },
  );
});

Deno.test("encodeBatch() writes into any column what that holds without loss, and nothing else", () => {
  const anyType = fc.constantFrom<ColumnType>(...Object.keys(ACCEPTED_KINDS) as ColumnType[]);
  const anyColumns = fc.tuple(...KEYS.map(() => anyType));
  fc.assert(
    fc.property(anyColumns, spelledValue, fc.constantFrom(...KEYS), (types, value, key) => {
      const columns = KEYS.map((name, index): TableColumn =>
        columnOf(name, CATALOG_NAMES[types[index] ?? "text"])
      );
      const at = KEYS.indexOf(key);
      const type = types[at] ?? "text";
      const json = `[{${JSON.stringify(key)}:${value}}]`;
      const { batch: { newKeys } } = encodeJson(null, [json]);
      const isAccepted = ((newKeys[0]?.kinds ?? 0) & ~ACCEPTED_KINDS[type]) === 0;
      const { batch, values } = encodeJson(tableOf(...columns), [json]);
      assert.equal(batch.rejects.length === 0, isAccepted, `${value} in ${type}`);
      if (isAccepted) assertReadBack(type, meaningOf(value), value, values[0]?.[at] ?? null);
      else assert.deepEqual(batch.misfits, [{ column: at, kinds: newKeys[0]?.kinds }]);
    }),
    { numRuns: 5000 },
  );
});
