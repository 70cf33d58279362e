/**
 * Names of tables, columns and indexes (design §8): a name is exactly what was asked for wherever
 * PostgreSQL can hold that, else it is cut and ends in a hash of the whole. PostgreSQL never gets to
 * cut a name itself. Which column of a table belongs to which key is decided elsewhere.
 */
import { hashHex } from "./name_hash.ts";

/** Bytes of UTF-8 that PostgreSQL keeps of a name (NAMEDATALEN - 1). */
export const NAME_BYTES_MAX = 63;

/** The column that takes values which their own column does not accept. */
export const OVERFLOW_COLUMN = "_overflow";

/**
 * Columns that every table has; another of that name is refused even when quoted (42701). `oid` is
 * an ordinary name since PostgreSQL 12 (measured).
 */
const SYSTEM_COLUMNS: ReadonlySet<string> = new Set([
  "ctid",
  "xmin",
  "xmax",
  "cmin",
  "cmax",
  "tableoid",
]);

/** How often a hash is taken again when another key has the name already. */
export const HASH_TRIES = 4;

const encoder = new TextEncoder();

/**
 * The name between double quotes, quotes in it doubled: the only way names get into SQL.
 *
 * @throws {TypeError} the name is empty or holds NUL, so that no SQL can spell it
 */
export function quoteIdentifier(name: string): string {
  if (name === "" || name.includes("\0")) {
    throw new TypeError(
      `Cannot quote a name as it must not be empty or hold NUL: it is ${JSON.stringify(name)}`,
    );
  }
  return `"${name.replaceAll('"', '""')}"`;
}

/** Bytes of the text in UTF-8. */
export function utf8Bytes(text: string): number {
  return encoder.encode(text).length;
}

/** What PostgreSQL makes of a name: at most 63 bytes, cut at the boundary of a character. */
export function truncatedName(name: string): string {
  return cutToBytes(name, NAME_BYTES_MAX);
}

/** The name of the column for a key as long as no other key has taken it. */
export function columnNameFor(key: string): string {
  return exactColumnName(key) ?? hashedName(key, 0);
}

/** The key itself if a column can have that name, else null. */
export function exactColumnName(key: string): string | null {
  if (SYSTEM_COLUMNS.has(key) || key === OVERFLOW_COLUMN) return null;
  return isStorableName(key) ? key : null;
}

/**
 * The start of the name, `_`, and 16 hexadecimal digits of a hash of all of it; what PostgreSQL
 * cannot hold in a name is shown as U+FFFD. `attempt` counts up from 0 where the name is taken.
 */
export function hashedName(name: string, attempt: number): string {
  const suffix = `_${hashHex(name, attempt)}`;
  const visible = name.toWellFormed().replaceAll("\0", "\ufffd");
  return cutToBytes(visible, NAME_BYTES_MAX - suffix.length) + suffix;
}

/** The names under which a table may exist. */
export interface TableNames {
  /** The name it gets: the full name, or its hashed form. */
  readonly name: string;
  /** What PostgreSQL would have made of a full name that is too long, else null. */
  readonly truncated: string | null;
}

/** Which names a table with this full name may have; the full name may have any length. */
export function tableNames(fullName: string): TableNames {
  if (isStorableName(fullName)) return { name: fullName, truncated: null };
  const isTooLong = utf8Bytes(fullName) > NAME_BYTES_MAX && isStorableText(fullName);
  return { name: hashedName(fullName, 0), truncated: isTooLong ? truncatedName(fullName) : null };
}

/** The name of an index on one column. */
export function indexName(tableName: string, columnName: string): string {
  return tableNames(`${tableName}_${columnName}_idx`).name;
}

function isStorableName(name: string): boolean {
  return name !== "" && utf8Bytes(name) <= NAME_BYTES_MAX && isStorableText(name);
}

/** PostgreSQL can hold the text: no NUL, no lone surrogate. */
export function isStorableText(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** The longest start of the text that has at most so many bytes and ends with a whole character. */
function cutToBytes(text: string, bytesMax: number): string {
  let bytes = 0;
  let length = 0;
  for (const character of text) {
    bytes += utf8Bytes(character);
    if (bytes > bytesMax) return text.slice(0, length);
    length += character.length;
  }
  return text;
}
