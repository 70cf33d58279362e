/**
 * JSON values spelled in every way that there is, and what they mean: an oracle that is independent of
 * the program's own reading. Numbers mean what their source says; nothing is rounded.
 */
import fc from "fast-check";

/** White space that JSON allows between tokens. */
export const space: fc.Arbitrary<string> = fc.constantFrom("", "", "", " ", "\n", " \t\r\n");

/** A string in one of the many ways that JSON can spell it. */
export const spelledString: fc.Arbitrary<string> = fc.array(
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

const { value } = fc.letrec<{ value: string; list: string; object: string }>((
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

/** Any JSON value, as text. */
export const spelledValue: fc.Arbitrary<string> = value;

/** What a value means: numbers by their source, so that nothing is rounded. */
export type Meaning = null | boolean | string | Meaning[] | Map<string, Meaning> | NumberText;

/** A number by its digits. */
export class NumberText {
  readonly number: string;

  constructor(source: string) {
    this.number = canonicalNumber(source);
  }
}

/**
 * What JSON text means; the text is valid. A reader of its own, recursive and slow: `JSON.parse` with
 * a reviver has given null for values that were there, now and then and not again for the same text.
 */
export function meaningOf(json: string): Meaning {
  return new MeaningReader(json).read();
}

/** Reads one value after the other. */
class MeaningReader {
  readonly #json: string;
  #at = 0;

  constructor(json: string) {
    this.#json = json;
  }

  read(): Meaning {
    this.#take(/[ \t\r\n]*/y);
    const first = this.#json[this.#at] ?? "";
    if (first === "{") return this.#object();
    if (first === "[") return this.#list();
    if (first === '"') return this.#string();
    const word = this.#take(/true|false|null/y);
    if (word !== "") return word === "null" ? null : word === "true";
    return new NumberText(this.#take(/-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y));
  }

  #object(): Map<string, Meaning> {
    const fields = new Map<string, Meaning>();
    this.#take(/\{\s*/y);
    while (this.#take(/\}/y) === "") {
      const key = this.#string();
      this.#take(/\s*:/y);
      // The last one of a key that comes twice is the one that counts.
      fields.set(key, this.read());
      this.#take(/\s*,?\s*/y);
    }
    return fields;
  }

  #list(): Meaning[] {
    const values: Meaning[] = [];
    this.#take(/\[\s*/y);
    while (this.#take(/\]/y) === "") {
      values.push(this.read());
      this.#take(/\s*,?\s*/y);
    }
    return values;
  }

  #string(): string {
    const text: unknown = JSON.parse(this.#take(/"(?:[^"\\]|\\.)*"/y));
    if (typeof text !== "string") throw new TypeError("Cannot read a string");
    return text;
  }

  /** What the pattern matches here, and goes behind it; empty when it does not. */
  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#json)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }
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

/** What PostgreSQL can hold of a value: neither NUL nor half of a surrogate pair. */
export function storableMeaning(value: Meaning): Meaning {
  if (typeof value === "string") return storable(value);
  if (Array.isArray(value)) return value.map(storableMeaning);
  if (!(value instanceof Map)) return value;
  return new Map([...value].map(([key, inner]) => [storable(key), storableMeaning(inner)]));
}
