/**
 * The column plan: which columns of a table are sent, in which order, what each accepts, and which
 * key of a record it takes. Compiled once for a description of a table; a change of the table makes
 * a new plan. Columns that take care of themselves (generated, DEFAULT, identity) are left out until a
 * record has their key.
 */
import { codecOf, type ColumnCodec } from "./column_codec.ts";
import { keyOfColumn } from "./column_keys.ts";
import { type CopyFormat, hasBinaryForm } from "./copy_format.ts";
import { OVERFLOW_COLUMN } from "./identifiers.ts";
import type { TableColumn, TableDescription, ValueType } from "./table_description.ts";

/** The key and column of the receipt time (contract §5). */
export const TIMESTAMP_KEY = "_timestamp";

/** A column that is sent. */
export interface PlannedColumn {
  readonly name: string;
  /** The key whose value it takes; null: the time of receipt. */
  readonly key: string | null;
  readonly codec: ColumnCodec;
  /** The type in words, for messages. */
  readonly typeWords: string;
  /** A row without the key takes the column's DEFAULT, or the next number of an identity. */
  readonly hasDefault: boolean;
}

/** A key of a record that no sent column takes, and that is no new key either. */
export type UnsentKey =
  /** The receipt time stands in for it. */
  | { readonly kind: "ignored" }
  /** Its column has a DEFAULT or is an identity: to be sent only when a batch has the key. */
  | { readonly kind: "defaulted" }
  /** Nothing can be written there; a value other than null is a misfit. */
  | { readonly kind: "refused"; readonly columnName: string; readonly rule: string };

/** What shapes a plan beside the table. */
export interface PlanOptions {
  /** Rows get `_timestamp`, the time of receipt. */
  readonly includeTimestamp: boolean;
  /** Keys whose columns are sent although they have a DEFAULT or are identities. */
  readonly sendDefaults?: ReadonlySet<string>;
  /** Rows are sent as COPY binary where every column sent allows it; not unless given. */
  readonly prefersBinary?: boolean;
  /**
   * What becomes of a value that its column does not hold: it goes to `_overflow`, or the row is a
   * reject; `reject` unless given.
   */
  readonly misfits?: "overflow" | "reject";
  /**
   * Why the table can have no more columns; null or absent while it can. Values of new keys then go to
   * `_overflow`; otherwise the encoder reports such keys and leaves them out.
   */
  readonly closed?: string | null;
  /** Why the table can have no `_overflow`, for messages; null or absent while it may. */
  readonly overflowRefusal?: string | null;
}

/** See the head of this file. */
export interface ColumnPlan {
  /** Null: the table does not exist yet, and every key is new. */
  readonly table: TableDescription | null;
  readonly options: PlanOptions;
  /** In the order of the catalog, which is the order of the encoded values. */
  readonly columns: readonly PlannedColumn[];
  readonly unsentKeys: ReadonlyMap<string, UnsentKey>;
  /** The table has the column `_overflow`, which is sent behind all others; else null. */
  readonly overflow: { readonly hasDefault: boolean } | null;
  /** How the rows are encoded, for all of them alike. */
  readonly format: CopyFormat;
  /** The receipt time is wanted and the table has no column for it. */
  readonly lacksTimestamp: boolean;
}

/** Makes the plan for a table; null for one that does not exist yet. */
export function compilePlan(table: TableDescription | null, options: PlanOptions): ColumnPlan {
  const columns: PlannedColumn[] = [];
  const unsentKeys = new Map<string, UnsentKey>();
  const placed = new Set<string>();
  let isBinary = options.prefersBinary ?? false;
  for (const column of table?.columns ?? []) {
    const key = keyOfColumn(column);
    // Where two columns claim one key, the first of them has it.
    if (key === null || placed.has(key)) continue;
    placed.add(key);
    const isReceiptTime = options.includeTimestamp && key === TIMESTAMP_KEY;
    const unsent = isReceiptTime
      ? unsentTimestamp(column)
      : unsentKey(column, options.sendDefaults?.has(key) ?? false);
    if (unsent !== null) {
      unsentKeys.set(key, unsent);
      continue;
    }
    const hasDefault = fillsItself(column) && !isReceiptTime;
    isBinary &&= hasBinaryForm(column) && !hasDefault;
    columns.push({
      name: column.name,
      key: isReceiptTime ? null : key,
      codec: codecOf(column),
      typeWords: typeWords(column),
      hasDefault,
    });
  }
  if (options.includeTimestamp) unsentKeys.set(TIMESTAMP_KEY, { kind: "ignored" });
  const lacksTimestamp = options.includeTimestamp && !placed.has(TIMESTAMP_KEY);
  const overflow = overflowOf(table);
  isBinary &&= columns.length > 0 && overflow?.hasDefault !== true;
  const format = isBinary ? "binary" : "text";
  return { table, options, columns, unsentKeys, overflow, format, lacksTimestamp };
}

/** The same plan with the columns of these keys sent although they have a DEFAULT. */
export function planSendingDefaults(plan: ColumnPlan, keys: Iterable<string>): ColumnPlan {
  const sendDefaults = new Set([...plan.options.sendDefaults ?? [], ...keys]);
  return compilePlan(plan.table, { ...plan.options, sendDefaults });
}

function unsentKey(column: TableColumn, sendsDefault: boolean): UnsentKey | null {
  if (column.generated || column.identity === "always") {
    return { kind: "refused", columnName: column.name, rule: "the column is generated" };
  }
  if (codecOf(column).kind === "unsupported") {
    return {
      kind: "refused",
      columnName: column.name,
      rule: `no value is known to be lossless in type ${typeWords(column)}`,
    };
  }
  return fillsItself(column) && !sendsDefault ? { kind: "defaulted" } : null;
}

function fillsItself(column: TableColumn): boolean {
  return column.hasDefault || column.identity !== "none";
}

function overflowOf(table: TableDescription | null): ColumnPlan["overflow"] {
  const column = table?.columns.find(({ name }) => name === OVERFLOW_COLUMN);
  if (column === undefined || column.generated) return null;
  const isJsonb = column.typeName === "jsonb" && column.typeSchema === "pg_catalog";
  return isJsonb ? { hasDefault: column.hasDefault } : null;
}

/**
 * The receipt time goes into columns that hold a moment, rounded where they say so, or any text;
 * others keep their default.
 */
function unsentTimestamp(column: TableColumn): UnsentKey | null {
  const codec = codecOf(column);
  const canHold = codec.kind === "timestamptz" || codec.kind === "timestamp" ||
    codec.kind === "json" ||
    (codec.kind === "text" && (codec.charactersMax ?? Infinity) >= TIMESTAMP_CHARACTERS);
  return canHold && !column.generated ? null : { kind: "ignored" };
}

/** Length of `2026-11-24T12:00:00Z`. */
const TIMESTAMP_CHARACTERS = 20;

/** The type as SQL spells it, with its modifier; a domain by its name. */
function typeWords(column: TableColumn): string {
  const { domainOver, elements } = column;
  if (domainOver !== null || elements === null) return typeName(column, codecOf(column));
  const codec = codecOf(column);
  return `${typeName(elements, codec.kind === "array" ? codec.element : codec)}[]`;
}

function typeName(type: ValueType, codec: ColumnCodec): string {
  const name = SQL_NAMES[type.typeName] ?? type.typeName;
  switch (codec.kind) {
    case "numeric":
      if (codec.modifier === null) return name;
      return `${name}(${codec.modifier.precision},${codec.modifier.scale})`;
    case "text":
      return codec.charactersMax === null ? name : `${name}(${codec.charactersMax})`;
    case "timestamptz":
    case "timestamp":
    case "time":
      return type.typmod < 0 ? name : `${name}(${codec.digits})`;
    default:
      return name;
  }
}

/** Catalog names that SQL spells otherwise. */
const SQL_NAMES: Readonly<Record<string, string | undefined>> = {
  bool: "boolean",
  int2: "smallint",
  int4: "integer",
  int8: "bigint",
  float4: "real",
  float8: "double precision",
  bpchar: "char",
};
