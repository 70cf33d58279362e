/** A random table and messages for it, both repeated by a seed. */
import type { TableColumn, TableDescription } from "../../../lib/schema/table_description.ts";
import { columnOf, tableOf } from "../encoding.ts";
import { Random } from "./random.ts";
import { integer, json, number, space, string, timestamp } from "./random_values.ts";

/** A case of the fuzz. */
export interface RandomBatch {
  readonly table: TableDescription;
  readonly includeTimestamp: boolean;
  /** The plan may be one for COPY binary. */
  readonly prefersBinary: boolean;
  readonly misfits: "overflow" | "reject";
  readonly onInvalidText: "replace" | "reject";
  readonly defaults: "marker" | "runs";
  readonly payloads: readonly Uint8Array[];
}

const NAMES = ["id", "user_id", "score", "a", "Größe", "naïve key", "日本語", "😀", 'quo"te']
  .concat("back\\slash", "tab\tkey", "fifteen letters", "sixteen letters!", "seventeen letters")
  .concat("a key of more than thirty-two letters in all", "slash/key", "\x7f");

/** Keys that no column is called after. */
const RESERVED = ["", "ctid", "_overflow"];

const USUAL_TYPES = ["int8", "float8", "numeric", "bool", "timestamptz", "jsonb", "text"];
const OTHER_TYPES = ["int4", "int2", "json", "float4", "date", "uuid", "varchar", "point"]
  .concat("timestamp", "time", "bytea");

const encoder = new TextEncoder();

/** The case that belongs to a seed. */
export function randomBatch(seed: number): RandomBatch {
  const random = new Random(seed);
  const columns = randomColumns(random);
  const orders = [shuffled(random, columns), shuffled(random, columns)];
  const payloads = Array.from({ length: 1 + random.below(4) }, () => {
    const payload = encoder.encode(randomMessage(random, random.pick(orders)));
    return random.chance(0.25) ? mutated(random, payload) : payload;
  });
  random.oddness = 1;
  return {
    table: tableOf(...columns),
    includeTimestamp: random.chance(0.7),
    prefersBinary: seed % 2 === 1,
    misfits: random.pick(["overflow", "reject"]),
    onInvalidText: random.pick(["replace", "reject"]),
    defaults: random.pick(["marker", "runs"]),
    payloads,
  };
}

function randomColumns(random: Random): TableColumn[] {
  const names = random.odd(0.1) ? [...NAMES, ...RESERVED] : NAMES;
  const columns = shuffled(random, names).slice(0, 1 + random.below(12)).map((name) => {
    const typeName = random.pick(random.chance(0.95) ? USUAL_TYPES : OTHER_TYPES);
    const odd = random.below(150);
    return columnOf(name === "" ? "empty" : name, typeName, {
      typmod: typeName === "varchar" ? 14 : typeName === "timestamptz" && odd < 5 ? 3 : -1,
      comment: name,
      hasDefault: odd === 0,
      generated: odd === 1,
    });
  });
  if (random.chance(0.6)) {
    columns.push(columnOf("_timestamp", random.pick(["timestamptz", "text", "jsonb", "int8"])));
  }
  if (random.chance(0.2)) {
    columns.push(columnOf("_overflow", "jsonb", { hasDefault: random.chance(0.2) }));
  }
  return columns.filter(({ name }, index) =>
    columns.findIndex((other) => other.name === name) === index
  );
}

function randomMessage(random: Random, columns: readonly TableColumn[]): string {
  const records = Array.from(
    { length: random.below(5) },
    () => random.chance(0.02) ? json(random, 1) : randomRecord(random, columns),
  );
  const list = records.length === 1 && random.chance(0.3)
    ? records[0] ?? ""
    : `[${records.map((record) => space(random) + record + space(random)).join(",")}]`;
  const fields = [`"query_state"${space(random)}:${space(random)}${list}`];
  if (random.chance(0.95)) fields.push(`"route_id":${id(random)}`);
  if (random.chance(0.3)) fields.push(`"processor_id":${id(random)}`);
  if (random.chance(0.3)) fields.push(`${string(random)}:${json(random, 2)}`);
  if (random.chance(0.02)) fields.push(`"route_id":${id(random)}`, `"query_state":[{}]`);
  const text = shuffled(random, fields).join(`,${space(random)}`);
  return `${random.chance(0.01) ? "\ufeff" : ""}${space(random)}{${text}}${space(random)}`;
}

function id(random: Random): string {
  return random.chance(0.9) ? '"route:processor"' : random.pick(["null", '""', '"\\u0041"', "1"]);
}

function randomRecord(random: Random, columns: readonly TableColumn[]): string {
  random.oddness = random.pick([0, 0, 0.1, 1]);
  const absent = random.pick([0, 0, 0.1, 0.6]);
  const members = columns.filter(() => !random.chance(absent)).map((column) =>
    member(random, column)
  );
  if (random.odd(0.1)) members.push(`${string(random)}:${random.pick(["1", "null", "[]"])}`);
  if (random.chance(0.05)) members.push('"always null":null');
  const twice = columns[0];
  if (twice !== undefined && random.odd(0.05)) members.push(member(random, twice));
  if (random.chance(0.1)) members.reverse();
  return `{${members.join(",") || space(random)}}`;
}

function member(random: Random, column: TableColumn): string {
  const key = spelledKey(random, column.comment ?? column.name);
  return `${space(random)}${key}${space(random)}:${space(random)}${value(random, column)}${
    space(random)
  }`;
}

function spelledKey(random: Random, key: string): string {
  const usual = JSON.stringify(key);
  if (!random.odd(0.05)) return usual;
  const escapedFrom = random.chance(0.5) ? 0x7f : 0x00;
  return `"${
    key.split("").map((unit) => {
      const code = unit.charCodeAt(0);
      return code >= escapedFrom
        ? `\\u${code.toString(16).padStart(4, "0")}`
        : JSON.stringify(unit).slice(1, -1);
    }).join("")
  }"`;
}

function value(random: Random, { typeName }: TableColumn): string {
  if (random.chance(0.05)) return "null";
  if (random.odd(0.05)) return json(random, 1);
  switch (typeName) {
    case "int8":
    case "int4":
    case "int2":
      return random.odd(0.1) ? number(random) : integer(random);
    case "float8":
    case "float4":
    case "numeric":
      return number(random);
    case "bool":
      return random.pick(["true", "false"]);
    case "timestamptz":
    case "date":
      return timestamp(random);
    case "jsonb":
    case "json":
      return json(random, 3);
    default:
      return random.chance(0.8) ? string(random) : json(random, 2);
  }
}

const BYTES = [0x22, 0x5c, 0x2c, 0x3a, 0x5b, 0x5d, 0x7b, 0x7d, 0x30, 0x2d, 0x2e, 0x65, 0x75, 0x64]
  .concat(0x00, 0x0a, 0x20, 0x1f, 0x7f, 0x80, 0xc0, 0xc3, 0xe2, 0xed, 0xf0, 0xf4, 0xff, 0xa0);

/** Some bytes changed, put in or left out, or the end cut off. */
function mutated(random: Random, payload: Uint8Array): Uint8Array {
  const bytes = [...payload];
  for (let times = 1 + random.below(2); times > 0 && bytes.length > 0; times--) {
    const at = random.below(bytes.length);
    const byte = random.chance(0.8) ? random.pick(BYTES) : random.below(256);
    const how = random.below(4);
    if (how === 0) bytes[at] = byte;
    else if (how === 1) bytes.splice(at, 0, byte);
    else if (how === 2) bytes.splice(at, 1 + random.below(3));
    else bytes.length = at;
  }
  return Uint8Array.from(bytes);
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  return items.map((item) => ({ item, order: random.fraction() }))
    .sort((a, b) => a.order - b.order).map(({ item }) => item);
}
