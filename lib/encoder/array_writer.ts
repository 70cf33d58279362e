/**
 * Writes a JSON list of scalars into an array column as COPY text, if the elements' type accepts every
 * one of them. Lists within lists and objects are misfits: PostgreSQL's arrays are rectangular, and
 * their elements have one type.
 */
import { acceptsNumber, acceptsString } from "../schema/acceptance.ts";
import type { ColumnCodec } from "../schema/column_codec.ts";
import { readDecimal, wholeText } from "../schema/decimal.ts";
import {
  TOKEN_ESCAPED_STRING,
  TOKEN_FALSE,
  TOKEN_FRACTION,
  TOKEN_INTEGER,
  TOKEN_NULL,
  TOKEN_STRING,
  TOKEN_TRUE,
} from "../schema/json_token.ts";
import { numberText } from "../schema/value_kind.ts";
import { copyEscaped, type JsonText, writeAscii } from "./json_text.ts";
import { decodedString } from "./value_judge.ts";
import { skipSpace, ValueSkipper } from "./value_skipper.ts";
import type { SourceValue } from "./source_value.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

const skipper = new ValueSkipper();

/**
 * Writes the list at `at` and returns where it ends, or -1 when the column does not accept it. It
 * takes at most twice the bytes of its source.
 */
export function writeArray(
  element: ColumnCodec,
  { payload, start, end }: SourceValue,
  text: JsonText,
  out: Uint8Array,
  at: number,
): number {
  if (payload[start] !== 0x5b) return -1;
  const before = text.replacements;
  const literal = new Uint8Array((end - start) * 2);
  let to = 0;
  literal[to++] = 0x7b;
  let from = skipSpace(payload, start + 1);
  while (payload[from] !== 0x5d) {
    if (to > 1) literal[to++] = 0x2c;
    const elementEnd = skipper.skip(payload, from);
    const source = { payload, token: skipper.token, start: from, end: elementEnd };
    to = writeElement(element, source, text, literal, to);
    if (to === -1) {
      text.replacements = before;
      return -1;
    }
    from = skipSpace(payload, elementEnd);
    if (payload[from] === 0x2c) from = skipSpace(payload, from + 1);
  }
  literal[to++] = 0x7d;
  return copyEscaped(literal, 0, to, out, at);
}

/** Writes one element of the array's literal, or returns -1. */
function writeElement(
  codec: ColumnCodec,
  { payload, token, start, end }: SourceValue,
  text: JsonText,
  out: Uint8Array,
  at: number,
): number {
  switch (token) {
    case TOKEN_NULL:
      return writeAscii("NULL", out, at);
    case TOKEN_TRUE:
    case TOKEN_FALSE: {
      const isText = codec.kind === "text" && (codec.charactersMax ?? Infinity) >= end - start;
      const word = token === TOKEN_TRUE ? "true" : "false";
      return isText || codec.kind === "boolean" ? writeAscii(word, out, at) : -1;
    }
    case TOKEN_INTEGER:
    case TOKEN_FRACTION: {
      const source = numberText(payload, start, end);
      if (!acceptsNumber(codec, source)) return -1;
      const isWhole = codec.kind === "integer" && token === TOKEN_FRACTION;
      const spelled = isWhole ? wholeText(readDecimal(source)) : source;
      // `[1e18,1e18,…]` would take many times the room that its source does.
      return spelled.length <= source.length ? writeAscii(spelled, out, at) : -1;
    }
    case TOKEN_STRING:
    case TOKEN_ESCAPED_STRING: {
      const decoded = decodedString(payload, start, end, text);
      return acceptsString(codec, decoded, 0, decoded.length) ? writeQuoted(decoded, out, at) : -1;
    }
    default:
      return -1;
  }
}

function writeQuoted(text: Uint8Array, out: Uint8Array, at: number): number {
  let to = at;
  out[to++] = QUOTE;
  for (const code of text) {
    if (code === QUOTE || code === BACKSLASH) out[to++] = BACKSLASH;
    out[to++] = code;
  }
  out[to++] = QUOTE;
  return to;
}
