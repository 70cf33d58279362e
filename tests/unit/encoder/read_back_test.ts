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

const space = fc.constantFrom("", "", "", " ", "\n", " \t\r\n");

/** A string in one of the many ways that JSON can spell it. */
const spelledString = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.string({ maxLength: 6 }).map((text) => JSON.stringify(text).slice(1, -1)),
    },
    fc.string({ unit: "binary", maxLength: 3 }).map((text) => JSON.stringify(text).slice(1, -1)),
    fc.integer({ min: 0, max: 0xffff }).map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`),
    fc.constantFrom(
      "\\/",
      "\\\\",
      '\\"',
      "\\n",
      "\\b",
      "\\ud83d\\ude00",
      "\\u0000",
      "é",
      "\\u005C",
      "\\ud83d",
    ),
  ),
  { maxLength: 5 },
).map((parts) => `"${parts.join("")}"`);

const digits = fc.oneof(
  fc.nat().map(String),
  fc.bigInt({ min: 0n, max: 10n ** 40n }).map(String),
  fc.constantFrom("0", "9007199254740993", "9223372036854775807", "9223372036854775808"),
);

const spelledNumber = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((double) => JSON.stringify(double)),
  fc.float({ noNaN: true, noDefaultInfinity: true }).map((double) => double.toFixed(3))
    .filter((text) => !text.includes("e")),
  fc.tuple(
    fc.constantFrom("", "-"),
    digits,
    fc.option(fc.stringMatching(/^\.[0-9]{1,20}$/), { nil: "" }),
    fc.option(fc.stringMatching(/^[eE][+-]?[0-9]{1,3}$/), { nil: "" }),
  ).map((parts) => parts.join("")),
);

const spelledTime = fc.tuple(
  fc.date({ min: new Date(0), max: new Date(2e12), noInvalidDate: true }),
  fc.constantFrom("Z", "z", "+02:00", "-15:59", ""),
).map(([date, zone]) => `"${date.toISOString().replace("Z", zone)}"`);

const { value: spelledValue } = fc.letrec<{ value: string; list: string; object: string }>((
  tie,
) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom("null", "true", "false"),
    spelledNumber,
    spelledString,
    spelledTime,
    tie("list"),
    tie("object"),
  ),
  list: fc.tuple(fc.array(tie("value"), { maxLength: 3 }), space)
    .map(([values, gap]) => `[${gap}${values.join(`${gap},${gap}`)}${gap}]`),
  object: fc.tuple(fc.array(fc.tuple(spelledString, tie("value")), { maxLength: 3 }), space)
    .map(([fields, gap]) =>
      `{${gap}${fields.map((field) => field.join(`${gap}:${gap}`)).join(`,${gap}`)}${gap}}`
    ),
}));

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

/** What a value means: numbers by their source, so that nothing is rounded. */
type Meaning = null | boolean | string | Meaning[] | Map<string, Meaning> | NumberText;

class NumberText {
  readonly number: string;

  constructor(source: string) {
    this.number = canonicalNumber(source);
  }
}

type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown;
const parse = JSON.parse as (text: string, reviver: Reviver) => unknown;

function meaningOf(json: string): Meaning {
  return parse(json, (_, value, { source }): unknown => {
    if (typeof value === "number") return new NumberText(source ?? "");
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
    return new Map(Object.entries(value));
  }) as Meaning;
}

/** Digits and exponent without zeros at the ends, by BigInt: independent of the program's own. */
function canonicalNumber(source: string): string {
  const [mantissa = "", exponent = "0"] = source.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  let value = BigInt(whole.replace("-", "") + fraction);
  let power = BigInt(exponent) - BigInt(fraction.length);
  if (value === 0n) return "0";
  while (value % 10n === 0n) {
    value /= 10n;
    power++;
  }
  return `${source.startsWith("-") ? "-" : ""}${value}e${power}`;
}

/** What PostgreSQL can hold of a text. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\ufffd");
}

function storableMeaning(value: Meaning): Meaning {
  if (typeof value === "string") return storable(value);
  if (Array.isArray(value)) return value.map(storableMeaning);
  if (!(value instanceof Map)) return value;
  return new Map([...value].map(([key, inner]) => [storable(key), storableMeaning(inner)]));
}

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
