/**
 * A column plan as the block of bytes that the fast encoder reads: columns by type, the spellings of
 * their keys in a hash table, room for the time of receipt. A block holds offsets only, so it can be
 * copied to wherever the module expects it. What a block says is decided in assembly/layout.ts.
 */
import type { ColumnCodec } from "../schema/column_codec.ts";
import type { ColumnPlan, UnsentKey } from "../schema/column_plan.ts";
import type { CopyFormat } from "../schema/copy_format.ts";
import { isStorableText } from "../schema/identifiers.ts";
import * as layout from "./assembly/layout.ts";

/** A plan that the fast encoder can work by. */
export interface FastPlan {
  readonly block: Uint8Array;
  readonly columnCount: number;
  readonly format: CopyFormat;
  /** Of the column that takes the time of receipt; null when none does. */
  readonly receiptCodec: ColumnCodec | null;
}

/** A key as it may stand between quotes, and the index of its column or its role. */
interface Spelling {
  readonly text: Uint8Array;
  readonly column: number;
}

/** Characters of integers that are surely in range, sign included: int8, int4, int2. */
const INTEGER_CHARACTERS_SAFE: Readonly<Record<string, number>> = {
  "9223372036854775807": 18,
  "2147483647": 9,
  "32767": 4,
};

/** Bytes of integers in COPY binary, by the same. */
const INTEGER_WIDTHS: Readonly<Record<string, number>> = {
  "9223372036854775807": 8,
  "2147483647": 4,
  "32767": 2,
};

/** Bytes of a double and of a moment in COPY binary. */
const WIDTH_USUAL = 8;

/** Digits of a second that a timestamptz keeps which was not told to keep less. */
const MICROSECOND_DIGITS = 6;

/** Keys of a record beyond those of the plan whose place is remembered: absent from the table, null. */
const PREDICTED_EXTRA = 16;

const encoder = new TextEncoder();

/** The plan's block, or null when no record can be encoded fast by it. */
export function compileFastPlan(plan: ColumnPlan): FastPlan | null {
  const receiptColumns = plan.columns.filter(({ key }) => key === null);
  if (plan.columns.length === 0 || receiptColumns.length > 1) return null;
  // Rows without such a column's value are none that the module could write.
  const hasDefault = plan.columns.some((column) => column.hasDefault);
  if (hasDefault || plan.overflow?.hasDefault === true) return null;
  const spellings: Spelling[] = [];
  for (const [column, { key }] of plan.columns.entries()) {
    if (key !== null) spellings.push(...spellingsOf(key, column));
  }
  for (const [key, unsent] of plan.unsentKeys) {
    if (plan.columns.some((column) => column.key === key)) continue;
    spellings.push(...spellingsOf(key, roleOf(unsent)));
  }
  return {
    block: blockOf(plan, spellings),
    columnCount: columnCountOf(plan),
    format: plan.format,
    receiptCodec: receiptColumns[0]?.codec ?? null,
  };
}

/**
 * The ways in which programs spell a key: as it is, and with all beyond ASCII escaped, as Python
 * does by default. Any other spelling is one for the exact encoder.
 */
function spellingsOf(key: string, column: number): Spelling[] {
  if (!isStorableText(key)) return [];
  const usual = JSON.stringify(key).slice(1, -1);
  const ascii = usual.replace(
    // deno-lint-ignore no-control-regex -- all of ASCII
    /[^\x00-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  const texts = usual === ascii ? [usual] : [usual, ascii];
  return texts.map((text) => ({ text: encoder.encode(text), column }));
}

/** `_overflow` is the last column, which no key leads to: in rows that fit it is null. */
function columnCountOf({ columns, overflow }: ColumnPlan): number {
  return columns.length + (overflow === null ? 0 : 1);
}

function roleOf({ kind }: UnsentKey): number {
  switch (kind) {
    case "ignored":
      return layout.COLUMN_IGNORED;
    case "refused":
      return layout.COLUMN_REFUSED;
    default:
      return layout.COLUMN_ALWAYS_PASSES;
  }
}

function blockOf(plan: ColumnPlan, spellings: readonly Spelling[]): Uint8Array {
  const hashSlots = 2 ** Math.ceil(Math.log2(spellings.length * 2 + 2));
  const predictedCount = spellings.length + PREDICTED_EXTRA;
  const columnsAt = layout.PLAN_HEADER_BYTES;
  const spellingsAt = columnsAt + columnCountOf(plan) * layout.COLUMN_BYTES;
  const hashAt = spellingsAt + spellings.length * layout.SPELLING_BYTES;
  const predictedAt = hashAt + hashSlots * 4;
  const receiptAt = predictedAt + predictedCount * 4;
  const textsAt = receiptAt + layout.RECEIPT_BYTES_MAX;
  const textBytes = spellings.reduce((sum, { text }) => sum + text.length + 1, 0);
  const block = new Uint8Array(textsAt + textBytes);
  const view = new DataView(block.buffer);
  const header = (field: number, value: number): void => view.setUint32(field, value, true);
  header(layout.PLAN_COLUMN_COUNT, columnCountOf(plan));
  header(layout.PLAN_HASH_MASK, hashSlots - 1);
  header(layout.PLAN_COLUMNS, columnsAt);
  header(layout.PLAN_SPELLINGS, spellingsAt);
  header(layout.PLAN_HASH, hashAt);
  header(layout.PLAN_PREDICTED, predictedAt);
  header(layout.PLAN_PREDICTED_COUNT, predictedCount);
  header(layout.PLAN_RECEIPT, receiptAt);
  const isBinary = plan.format === "binary";
  header(layout.PLAN_FORMAT, isBinary ? layout.FORMAT_BINARY : layout.FORMAT_TEXT);
  for (const [index, { key, codec }] of plan.columns.entries()) {
    const at = columnsAt + index * layout.COLUMN_BYTES;
    const type = key === null ? layout.TYPE_RECEIPT : typeOf(codec);
    view.setUint32(at + layout.COLUMN_TYPE, type, true);
    view.setUint32(at + layout.COLUMN_CHARACTERS_SAFE, charactersSafe(codec), true);
    view.setUint32(at + layout.COLUMN_WIDTH, widthOf(codec), true);
  }
  for (let at = hashAt; at < receiptAt; at += 4) view.setInt32(at, layout.NO_SPELLING, true);
  writeSpellings(view, spellings, { spellingsAt, hashAt, hashSlots, textsAt });
  return block;
}

function writeSpellings(
  view: DataView<ArrayBuffer>,
  spellings: readonly Spelling[],
  places: {
    readonly spellingsAt: number;
    readonly hashAt: number;
    readonly hashSlots: number;
    readonly textsAt: number;
  },
): void {
  const block = new Uint8Array(view.buffer);
  let textAt = places.textsAt;
  for (const [index, { text, column }] of spellings.entries()) {
    const at = places.spellingsAt + index * layout.SPELLING_BYTES;
    const hash = hashBytes(text);
    view.setUint32(at + layout.SPELLING_TEXT, textAt, true);
    view.setUint32(at + layout.SPELLING_LENGTH, text.length, true);
    view.setUint32(at + layout.SPELLING_HASH, hash, true);
    view.setInt32(at + layout.SPELLING_COLUMN, column, true);
    block.set(text, textAt);
    block[textAt + text.length] = 0x22;
    textAt += text.length + 1;
    let slot = hash & (places.hashSlots - 1);
    const isTaken = (): boolean =>
      view.getInt32(places.hashAt + slot * 4, true) !== layout.NO_SPELLING;
    while (isTaken()) slot = (slot + 1) & (places.hashSlots - 1);
    view.setInt32(places.hashAt + slot * 4, index, true);
  }
}

/** What of a codec the fast encoder knows; everything else takes only null there. */
function typeOf(codec: ColumnCodec): number {
  switch (codec.kind) {
    case "boolean":
      return layout.TYPE_BOOLEAN;
    case "integer":
      return layout.TYPE_INTEGER;
    case "float8":
      return layout.TYPE_FLOAT8;
    case "numeric":
      return codec.modifier === null ? layout.TYPE_NUMERIC : layout.TYPE_OTHER;
    case "timestamptz":
      return codec.digits === MICROSECOND_DIGITS ? layout.TYPE_TIMESTAMPTZ : layout.TYPE_OTHER;
    case "json":
      return layout.TYPE_JSON;
    case "text":
      return codec.charactersMax === null ? layout.TYPE_TEXT : layout.TYPE_OTHER;
    default:
      return layout.TYPE_OTHER;
  }
}

function charactersSafe(codec: ColumnCodec): number {
  return codec.kind === "integer" ? INTEGER_CHARACTERS_SAFE[codec.range.max] ?? 0 : 0;
}

function widthOf(codec: ColumnCodec): number {
  return codec.kind === "integer" ? INTEGER_WIDTHS[codec.range.max] ?? 0 : WIDTH_USUAL;
}

/** FNV-1a, 32 bits. */
function hashBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
