/**
 * Which column of a table belongs to which key. A column's comment claims it for a key when the
 * column's name is what that key's name was cut to; without a claim a column belongs to the key of
 * exactly its name. So two keys never share a column, and tables whose names PostgreSQL itself cut
 * (the Go service left such) are found again.
 */
import {
  exactColumnName,
  HASH_TRIES,
  hashedName,
  isStorableText,
  NAME_BYTES_MAX,
  truncatedName,
  utf8Bytes,
} from "./identifiers.ts";
import type { TableColumn } from "./table_description.ts";

/** What a key needs of a column: its name, and the comment that claims it. */
type NamedColumn = Pick<TableColumn, "name" | "comment">;

/** Where a key's values go. */
export type ColumnResolution =
  /** Index into the columns given. */
  | { readonly kind: "column"; readonly index: number }
  /** PostgreSQL's own truncation of the key is there and nobody claims it: set this comment. */
  | { readonly kind: "claim-truncated"; readonly name: string; readonly comment: string }
  /** Add a column of this name; set the comment unless it is null. */
  | { readonly kind: "missing"; readonly name: string; readonly comment: string | null };

/** A cut name may be as short as this: the next character had up to four bytes. */
const CUT_NAME_BYTES_MIN = NAME_BYTES_MAX - 3;

/** Finds the column of a key, or says how it is made. */
export function resolveColumn(columns: readonly NamedColumn[], key: string): ColumnResolution {
  const index = columns.findIndex((column) => keyOfColumn(column) === key);
  if (index !== -1) return { kind: "column", index };
  const taken = new Map(columns.map((column) => [column.name, column]));
  const exact = exactColumnName(key);
  if (exact !== null && !taken.has(exact)) {
    const mayBeCut = utf8Bytes(exact) >= CUT_NAME_BYTES_MIN;
    return { kind: "missing", name: exact, comment: mayBeCut ? commentFor(key) : null };
  }
  const truncated = truncationOf(key);
  const cut = truncated === null ? undefined : taken.get(truncated);
  if (cut !== undefined && claimedKey(cut) === null) {
    return { kind: "claim-truncated", name: cut.name, comment: commentFor(key) };
  }
  for (let attempt = 0; attempt < HASH_TRIES; attempt++) {
    const name = hashedName(key, attempt);
    if (!taken.has(name)) return { kind: "missing", name, comment: commentFor(key) };
  }
  throw new RangeError(
    `Cannot name a column as ${HASH_TRIES} hashes of its key are taken: ${JSON.stringify(key)}`,
  );
}

/** The key whose values the column holds; null for one that no key can have, such as `_overflow`. */
export function keyOfColumn(column: NamedColumn): string | null {
  return claimedKey(column) ?? exactColumnName(column.name);
}

/** The comment claims a column or table of this name for a key of which the name was made. */
export function isClaimOf(comment: string | null, name: string): boolean {
  return claimedKey({ name, comment }) !== null;
}

/**
 * The comment that claims a column: the key itself, or as a JSON string where a comment cannot hold
 * it (an empty comment is none).
 */
export function commentFor(key: string): string {
  return key !== "" && isStorableText(key) ? key : JSON.stringify(key);
}

function claimedKey({ name, comment }: NamedColumn): string | null {
  if (comment === null) return null;
  if (isNameOf(name, comment)) return comment;
  const key = jsonString(comment);
  return key !== null && commentFor(key) === comment && isNameOf(name, key) ? key : null;
}

/** The name is one that a column for this key may have. */
function isNameOf(name: string, key: string): boolean {
  if (exactColumnName(key) === name || truncationOf(key) === name) return true;
  for (let attempt = 0; attempt < HASH_TRIES; attempt++) {
    if (hashedName(key, attempt) === name) return true;
  }
  return false;
}

/** What PostgreSQL makes of the key where that is something else, and a name that we would use. */
function truncationOf(key: string): string | null {
  if (!isStorableText(key) || utf8Bytes(key) <= NAME_BYTES_MAX) return null;
  return truncatedName(key);
}

function jsonString(text: string): string | null {
  if (!text.startsWith('"')) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? value : null;
  } catch {
    // An ordinary comment that begins with a quote.
    return null;
  }
}
