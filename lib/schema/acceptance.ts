/**
 * Which values a column accepts: those that its type holds without loss (design §8). PostgreSQL
 * itself would round, cut, drop an offset or read a word as a date; nothing of that kind gets here.
 * Types that this program never creates have one codec each and a listed set of lossless forms; a
 * type without a codec accepts nothing but null.
 */
import { isCalendarDate, isTimestamp } from "./date_time.ts";
import {
  type Decimal,
  fitsInteger,
  fitsNumeric,
  fitsNumericModifier,
  INTEGER_RANGES,
  type IntegerRange,
  isExactDouble,
  isExactSingle,
  readDecimal,
} from "./decimal.ts";
import type { TableColumn } from "./table_description.ts";

/** How values are put into one column. */
export type ColumnCodec =
  | { readonly kind: "boolean" }
  | { readonly kind: "integer"; readonly range: IntegerRange }
  | { readonly kind: "float8" }
  | { readonly kind: "float4" }
  | { readonly kind: "numeric"; readonly modifier: NumericModifier | null }
  | { readonly kind: "timestamptz" }
  | { readonly kind: "date" }
  | { readonly kind: "uuid" }
  | { readonly kind: "enum"; readonly labels: ReadonlySet<string> }
  /** `json` and `jsonb`: any value as JSON; only `json` keeps numbers beyond numeric. */
  | { readonly kind: "json"; readonly holdsOutsize: boolean }
  /** `text`, `varchar` and `char`: any value as text. */
  | {
    readonly kind: "text";
    /** Length bound in characters, or null. */
    readonly charactersMax: number | null;
    /** `char(n)` fills up with blanks, and does not tell trailing ones apart. */
    readonly isPadded: boolean;
  }
  /** A type without a rule yet. */
  | { readonly kind: "unsupported" };

/** The two numbers of `numeric(precision, scale)`. */
export interface NumericModifier {
  readonly precision: number;
  readonly scale: number;
}

/** `typmod` of varchar, char and numeric counts four bytes of header (PostgreSQL's VARHDRSZ). */
const HEADER = 4;

/** The codec of a column as the catalog describes it. */
export function codecOf(column: TableColumn): ColumnCodec {
  if (column.typeKind === "e") return { kind: "enum", labels: new Set(column.enumLabels) };
  if (column.typeKind !== "b" || column.typeSchema !== "pg_catalog") return { kind: "unsupported" };
  const isBounded = column.typmod >= HEADER;
  switch (column.typeName) {
    case "bool":
      return { kind: "boolean" };
    case "int2":
    case "int4":
    case "int8":
      return { kind: "integer", range: INTEGER_RANGES[column.typeName] };
    case "float8":
    case "float4":
    case "date":
    case "uuid":
      return { kind: column.typeName };
    case "numeric":
      return { kind: "numeric", modifier: isBounded ? numericModifier(column.typmod) : null };
    case "timestamptz":
      // timestamptz(p) rounds; -1 and 6 both mean microseconds.
      return column.typmod === -1 || column.typmod === 6
        ? { kind: "timestamptz" }
        : { kind: "unsupported" };
    case "jsonb":
    case "json":
      return { kind: "json", holdsOutsize: column.typeName === "json" };
    case "text":
    case "varchar":
    case "bpchar":
      return {
        kind: "text",
        charactersMax: isBounded ? column.typmod - HEADER : null,
        isPadded: column.typeName === "bpchar" && isBounded,
      };
    default:
      return { kind: "unsupported" };
  }
}

/** PostgreSQL 15 packs the scale into eleven bits with a sign; before it was never negative. */
function numericModifier(typmod: number): NumericModifier {
  const packed = typmod - HEADER;
  return { precision: (packed >> 16) & 0xffff, scale: ((packed & 0x7ff) ^ 1024) - 1024 };
}

/** A column of this codec holds the JSON number without loss; `text` is its source. */
export function acceptsNumber(codec: ColumnCodec, text: string): boolean {
  switch (codec.kind) {
    case "text":
      return codec.charactersMax === null || text.length <= codec.charactersMax;
    case "json":
      return codec.holdsOutsize || fitsNumeric(readDecimal(text));
    case "float8":
      return isExactDouble(text) && (isPlain(text) || fitsNumeric(readDecimal(text)));
    case "integer":
    case "float4":
    case "numeric": {
      const decimal = readDecimal(text);
      return fitsNumeric(decimal) && holdsNumber(codec, decimal);
    }
    case "boolean":
    case "timestamptz":
    case "date":
    case "uuid":
    case "enum":
    case "unsupported":
      return false;
    default:
      return unknownCodec(codec);
  }
}

type NumberCodec = Extract<
  ColumnCodec,
  { readonly kind: "integer" | "float4" | "numeric" }
>;

/** Short and without an exponent: numeric surely holds it. */
function isPlain(text: string): boolean {
  return text.length <= PLAIN_CHARACTERS_MAX && !text.includes("e") && !text.includes("E");
}

/** Far below the digits that numeric has. */
const PLAIN_CHARACTERS_MAX = 1_000;

function holdsNumber(codec: NumberCodec, decimal: Decimal): boolean {
  switch (codec.kind) {
    case "integer":
      return fitsInteger(decimal, codec.range);
    case "float4":
      return isExactSingle(decimal);
    case "numeric":
      return codec.modifier === null || fitsNumericModifier(decimal, codec.modifier);
    default:
      return unknownCodec(codec);
  }
}

/** A column of this codec holds the string; the bytes are its text as UTF-8, escapes resolved. */
export function acceptsString(
  codec: ColumnCodec,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  switch (codec.kind) {
    case "timestamptz":
      return isTimestamp(bytes, start, end);
    case "date":
      return isCalendarDate(bytes, start, end);
    case "uuid":
      return isUuid(bytes, start, end);
    case "enum":
      return codec.labels.has(utf8.decode(bytes.subarray(start, end)));
    case "json":
      return true;
    case "text":
      return codec.charactersMax === null ||
        fitsCharacters(codec.charactersMax, codec.isPadded, bytes.subarray(start, end));
    case "boolean":
    case "integer":
    case "float8":
    case "float4":
    case "numeric":
    case "unsupported":
      return false;
    default:
      return unknownCodec(codec);
  }
}

// A byte-order mark is a character like any other here.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** At most so many characters; where blanks are filled up, no trailing one that would be lost. */
function fitsCharacters(charactersMax: number, isPadded: boolean, text: Uint8Array): boolean {
  let characters = 0;
  for (const byte of text) {
    // Continuation bytes are 10xxxxxx.
    if ((byte & 0xc0) !== 0x80) characters++;
  }
  if (characters > charactersMax) return false;
  return !isPadded || characters === charactersMax || text.at(-1) !== 0x20;
}

const UUID_LENGTH = 36;

/** The form that PostgreSQL prints: hexadecimal digits in groups of 8, 4, 4, 4 and 12. */
function isUuid(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== UUID_LENGTH) return false;
  for (let i = 0; i < UUID_LENGTH; i++) {
    const code = bytes[start + i] ?? 0;
    const isDash = i === 8 || i === 13 || i === 18 || i === 23;
    if (isDash ? code !== 0x2d : !isHexDigit(code)) return false;
  }
  return true;
}

function isHexDigit(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66) ||
    (code >= 0x41 && code <= 0x46);
}

function unknownCodec(codec: never): never {
  throw new TypeError(`Cannot judge a value as the codec is unknown: ${JSON.stringify(codec)}`);
}
