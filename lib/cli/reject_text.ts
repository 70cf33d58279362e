/**
 * Rejects as text: aligned columns for people, an object for programs. What people see never holds a
 * control character of somebody else's data: a terminal would obey it.
 */
import type { KeptReject, RejectSummary } from "../ingest/kept_reject.ts";

/** Longest cell of a table, in characters. */
const CELL_CHARACTERS_MAX = 40;

/** Control characters, and those that turn the direction of text around. */
const UNPRINTABLE = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu;

/** The text on one line, with everything that a terminal would obey spelled out. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, spelled);
}

/** Like {@linkcode printable}, but text that has lines keeps them. */
export function printableLines(text: string): string {
  return text.replaceAll(
    UNPRINTABLE,
    (sign) => sign === "\n" || sign === "\t" ? sign : spelled(sign),
  );
}

function spelled(sign: string): string {
  return `\\u${(sign.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
}

/** Rows with a heading, cells aligned and cut; the last column takes what the width leaves. */
export function alignedTable(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  widthMax: number,
): string {
  const lines = [heading, ...rows.map((row) => row.map(printable))];
  const last = heading.length - 1;
  const widths = heading.slice(0, last).map((_, column) =>
    Math.min(CELL_CHARACTERS_MAX, Math.max(...lines.map((line) => characters(line[column]))))
  );
  const used = widths.reduce((sum, width) => sum + width + 2, 0);
  const lastWidth = Math.max(CELL_CHARACTERS_MAX, widthMax - used);
  return lines.map((line) => {
    const cells = widths.map((width, column) => padded(cut(line[column] ?? "", width), width));
    return `${[...cells, cut(line[last] ?? "", lastWidth)].join("  ").trimEnd()}\n`;
  }).join("");
}

function characters(text = ""): number {
  return [...text].length;
}

function padded(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - characters(text)));
}

function cut(text: string, width: number): string {
  const signs = [...text];
  return signs.length <= width ? text : `${signs.slice(0, width - 1).join("")}…`;
}

/** One line of JSON; numbers that JSON readers would round are texts. */
export function jsonLine(reject: RejectSummary | KeptReject): string {
  const { origin } = reject;
  return `${
    JSON.stringify({
      id: reject.id,
      kept_at: reject.keptAt.toISOString(),
      received_at: reject.receivedAt.toISOString(),
      state: reject.state,
      stream: origin?.stream ?? null,
      stream_created: origin?.streamCreated ?? null,
      consumer: origin?.consumer ?? null,
      sequence: origin?.sequence ?? null,
      stored_ns: origin?.storedNs ?? null,
      ordinal: reject.ordinal,
      route_id: reject.routeId,
      processor_id: reject.processorId,
      table_name: reject.tableName,
      sqlstate: reject.sqlState,
      column_name: reject.columnName,
      constraint_name: reject.constraintName,
      reason: reject.reason,
      payload_bytes: reject.payloadBytes,
      ...("payload" in reject ? payloadFields(reject) : {}),
    })
  }\n`;
}

function payloadFields({ ordinal, payload }: KeptReject): Record<string, string> {
  return ordinal < 0
    ? { payload_base64: payload.toBase64() }
    : { record: new TextDecoder().decode(payload) };
}

/** The payload for people: as text where it is text, else in base64. */
export function payloadText({ payload }: KeptReject): { readonly text: string; note: string } {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload);
    return { text: printableLines(text), note: `${payload.length} bytes` };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // not UTF-8
    return { text: payload.toBase64(), note: `${payload.length} bytes, not UTF-8, in base64` };
  }
}
