/**
 * How values are put into a column, by the type that the catalog gives it. Types that this program
 * never creates have one codec each; a type without a codec takes nothing but null. A domain is
 * treated as the type under it: its constraints are PostgreSQL's to judge.
 */
import { INTEGER_RANGES, type IntegerRange } from "./decimal.ts";
import type { TableColumn, ValueType } from "./table_description.ts";

/** How values are put into one column. */
export type ColumnCodec =
  | { readonly kind: "boolean" }
  | { readonly kind: "integer"; readonly range: IntegerRange }
  | { readonly kind: "float8" }
  | { readonly kind: "float4" }
  | { readonly kind: "numeric"; readonly modifier: NumericModifier | null }
  /** `digits` of the second are kept. */
  | { readonly kind: "timestamptz" | "timestamp" | "time"; readonly digits: number }
  | { readonly kind: "date" }
  | { readonly kind: "bytea" }
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
  | { readonly kind: "array"; readonly element: ColumnCodec }
  /** A type without a rule. */
  | { readonly kind: "unsupported" };

/** The two numbers of `numeric(precision, scale)`. */
export interface NumericModifier {
  readonly precision: number;
  readonly scale: number;
}

/** `typmod` of varchar, char and numeric counts four bytes of header (PostgreSQL's VARHDRSZ). */
const HEADER = 4;

/** Digits of a second that PostgreSQL keeps where no modifier says less. */
const SECOND_DIGITS_MAX = 6;

/** The codec of a column as the catalog describes it. */
export function codecOf(column: TableColumn): ColumnCodec {
  if (column.elements === null) return scalarCodec(column.domainOver ?? column);
  const element = scalarCodec(column.elements);
  return element.kind === "json" || element.kind === "unsupported"
    ? { kind: "unsupported" }
    : { kind: "array", element };
}

function scalarCodec(type: ValueType): ColumnCodec {
  if (type.typeKind === "e") return { kind: "enum", labels: new Set(type.enumLabels) };
  if (type.typeKind !== "b" || type.typeSchema !== "pg_catalog") return { kind: "unsupported" };
  const isBounded = type.typmod >= HEADER;
  switch (type.typeName) {
    case "bool":
      return { kind: "boolean" };
    case "int2":
    case "int4":
    case "int8":
      return { kind: "integer", range: INTEGER_RANGES[type.typeName] };
    case "float8":
    case "float4":
    case "date":
    case "uuid":
    case "bytea":
      return { kind: type.typeName };
    case "numeric":
      return { kind: "numeric", modifier: isBounded ? numericModifier(type.typmod) : null };
    case "timestamptz":
    case "timestamp":
    case "time":
      return { kind: type.typeName, digits: type.typmod < 0 ? SECOND_DIGITS_MAX : type.typmod };
    case "jsonb":
    case "json":
      return { kind: "json", holdsOutsize: type.typeName === "json" };
    case "text":
    case "varchar":
    case "bpchar":
      return {
        kind: "text",
        charactersMax: isBounded ? type.typmod - HEADER : null,
        isPadded: type.typeName === "bpchar" && isBounded,
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
