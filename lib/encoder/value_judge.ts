/**
 * Second looks at values, off the fast path: the kind of any value, the text of a string with
 * escapes, and whether an object or array holds a number that jsonb refuses.
 */
import { fitsNumeric, readDecimal } from "../schema/decimal.ts";
import {
  TOKEN_ESCAPED_STRING,
  TOKEN_FRACTION,
  TOKEN_INTEGER,
  TOKEN_STRING,
  TOKEN_SUSPECT_STRUCTURE,
} from "../schema/json_token.ts";
import {
  KIND_OUTSIZE_STRUCTURE,
  KIND_STRUCTURE,
  kindOfNumber,
  kindOfString,
  kindOfToken,
  numberText,
} from "../schema/value_kind.ts";
import { JsonText } from "./json_text.ts";

/** The kind of a value, as schema/value_kind.ts defines it. */
export function kindOfValue(
  token: number,
  payload: Uint8Array,
  start: number,
  end: number,
): number {
  switch (token) {
    case TOKEN_INTEGER:
    case TOKEN_FRACTION:
      return kindOfNumber(token, payload, start, end);
    case TOKEN_STRING:
      return kindOfString(payload, start + 1, end - 1);
    case TOKEN_ESCAPED_STRING: {
      const decoded = decodedString(payload, start, end, new JsonText());
      return kindOfString(decoded, 0, decoded.length);
    }
    case TOKEN_SUSPECT_STRUCTURE:
      return hasOutsizeNumber(payload, start, end) ? KIND_OUTSIZE_STRUCTURE : KIND_STRUCTURE;
    default:
      return kindOfToken(token);
  }
}

/** The text of a string with escapes, without its quotes, as UTF-8. */
export function decodedString(
  payload: Uint8Array,
  start: number,
  end: number,
  text: JsonText,
): Uint8Array {
  const out = new Uint8Array(end - start);
  return out.subarray(0, text.decode(payload, start + 1, end - 1, out, 0));
}

/** A number in the structure has more digits than PostgreSQL's numeric. */
export function hasOutsizeNumber(payload: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const code = payload[at] ?? 0;
    if (code === 0x22) {
      at++;
      while (at < end && payload[at] !== 0x22) at += payload[at] === 0x5c ? 2 : 1;
    } else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
      const first = at;
      while (at < end && isNumberByte(payload[at] ?? 0)) at++;
      if (!fitsNumeric(readDecimal(numberText(payload, first, at)))) return true;
      at--;
    }
  }
  return false;
}

/** The start of a value's source, for a sentence. */
export function shownValue(payload: Uint8Array, start: number, end: number): string {
  // No character has more than four bytes.
  const source = payload.subarray(start, Math.min(end, start + SHOWN_CHARACTERS_MAX * 4));
  const characters = [...new TextDecoder().decode(source)];
  if (characters.length <= SHOWN_CHARACTERS_MAX) return characters.join("");
  return `${characters.slice(0, SHOWN_CHARACTERS_MAX).join("")}…`;
}

const SHOWN_CHARACTERS_MAX = 60;

/** Digits and: . e E + - */
function isNumberByte(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x65 || code === 0x45 ||
    code === 0x2b || code === 0x2d;
}
