// @ts-nocheck: AssemblyScript, which has types and functions of its own
/**
 * Writes values as COPY text; what is decoded for COPY binary takes no second escape. Every function
 * writes at `to`, returns where it stopped, writes at most twice as many bytes as it reads, and may
 * touch one vector behind that.
 */
import { isBinary } from "./copy_format.ts";
import { BACKSLASH, byteAt, hexUnit, LETTER_U } from "./source_bytes.ts";

/** From here on the machine's own copy is faster than our loop. */
const LONG_BYTES: usize = 256;

/** Bytes that mean themselves. */
export function copyPlain(start: usize, end: usize, to: usize): usize {
  const length = end - start;
  if (length > LONG_BYTES) {
    memory.copy(to, start, length);
  } else {
    for (let done: usize = 0; done < length; done += 16) {
      v128.store(to + done, v128.load(start + done));
    }
  }
  return to + length;
}

/** Source bytes for json, or for text that is no string: as they stand, escaped for COPY. */
export function copyEscaped(start: usize, end: usize, to: usize): usize {
  let out = to;
  for (let at = start; at < end; at++) out = writeByte(byteAt(at), out);
  return out;
}

/** The text of a string whose escapes have been judged; see `decodeToCopy` in json_text.ts. */
export function copyDecoded(start: usize, end: usize, to: usize): usize {
  let at = start;
  let out = to;
  while (at < end) {
    const vector = v128.load(at);
    v128.store(out, vector);
    const mask = i8x16.bitmask(i8x16.eq(vector, i8x16.splat(0x5c)));
    const plain: usize = mask === 0 ? 16 : ctz(mask);
    if (at + plain >= end) return out + (end - at);
    at += plain;
    out += plain;
    if (mask === 0) continue;
    const letter = byteAt(at + 1);
    if (letter !== LETTER_U) {
      if (isBinary) {
        store<u8>(out++, meaningOf(letter));
      } else {
        // What COPY has no such escape for means itself: a quote, a slash.
        if (letter !== 0x22 && letter !== 0x2f) store<u8>(out++, BACKSLASH);
        store<u8>(out++, <u8> letter);
      }
      at += 2;
      continue;
    }
    const unit = <u32> hexUnit(at + 2);
    at += 6;
    if ((unit & 0xf800) !== 0xd800) {
      out = writeCharacter(unit, out);
      continue;
    }
    const low = <u32> hexUnit(at + 2);
    at += 6;
    out = writeCharacter(0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff), out);
  }
  return out;
}

/** One byte; the four that COPY escapes, escaped. */
function writeByte(code: u32, to: usize): usize {
  if (isBinary || (code > 0x0d && code !== BACKSLASH)) {
    store<u8>(to, <u8> code);
    return to + 1;
  }
  const letter: u32 = code === BACKSLASH
    ? BACKSLASH
    : code === 0x0a
    ? 0x6e
    : code === 0x0d
    ? 0x72
    : code === 0x09
    ? 0x74
    : 0;
  if (letter === 0) {
    store<u8>(to, <u8> code);
    return to + 1;
  }
  store<u8>(to, <u8> BACKSLASH);
  store<u8>(to + 1, <u8> letter);
  return to + 2;
}

/** The byte that a letter behind a backslash stands for in JSON. */
function meaningOf(letter: u32): u8 {
  switch (letter) {
    case 0x62:
      return 0x08;
    case 0x66:
      return 0x0c;
    case 0x6e:
      return 0x0a;
    case 0x72:
      return 0x0d;
    case 0x74:
      return 0x09;
    default:
      return <u8> letter;
  }
}

/** A character as UTF-8, escaped for COPY text. */
function writeCharacter(character: u32, to: usize): usize {
  if (character < 0x80) return writeByte(character, to);
  if (character < 0x800) {
    store<u8>(to, <u8> (0xc0 | (character >> 6)));
    store<u8>(to + 1, continuation(character));
    return to + 2;
  }
  if (character < 0x10000) {
    store<u8>(to, <u8> (0xe0 | (character >> 12)));
    store<u8>(to + 1, continuation(character >> 6));
    store<u8>(to + 2, continuation(character));
    return to + 3;
  }
  store<u8>(to, <u8> (0xf0 | ((character >> 18) & 7)));
  store<u8>(to + 1, continuation(character >> 12));
  store<u8>(to + 2, continuation(character >> 6));
  store<u8>(to + 3, continuation(character));
  return to + 4;
}

function continuation(bits: u32): u8 {
  return <u8> (0x80 | (bits & 0x3f));
}
