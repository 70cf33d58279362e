/**
 * Splits a stream of bytes into NATS commands: a line, and for messages the payload behind it, whose
 * size is the line's last word. Works for both directions. Pure; what is incomplete waits.
 */

/** One command as it is on the wire. */
export interface NatsCommand {
  /** All of it, line ends included. */
  readonly bytes: Uint8Array;
  /** Null for what is no message. */
  readonly subject: string | null;
  readonly reply: string | null;
  /** Payloads of up to 16 bytes as text, headers excluded; null for longer ones. */
  readonly payload: string | null;
}

/** Settlements are shorter than this. */
const SHORT_PAYLOAD_BYTES = 16;

const LINE_FEED = 0x0a;
const LINE_END_BYTES = 2;

const decoder = new TextDecoder();

/** The splitter of one direction of one connection. */
export class NatsSplitter {
  #rest: Uint8Array = new Uint8Array(0);

  /** Takes bytes and returns the commands that are complete now. */
  push(chunk: Uint8Array): NatsCommand[] {
    const bytes = concatenated(this.#rest, chunk);
    const commands: NatsCommand[] = [];
    let at = 0;
    for (;;) {
      const lineEnd = bytes.indexOf(LINE_FEED, at);
      if (lineEnd < 0) break;
      const words = decoder.decode(bytes.subarray(at, lineEnd)).trim().split(/\s+/);
      const bodyBytes = bodySize(words);
      const end = lineEnd + 1 + (bodyBytes === null ? 0 : bodyBytes + LINE_END_BYTES);
      if (bytes.length < end) break;
      commands.push(commandOf(words, bytes.subarray(at, end)));
      at = end;
    }
    this.#rest = bytes.slice(at);
    return commands;
  }
}

/** Bytes behind the line, the line end not counted; null when nothing is behind it. */
function bodySize(words: readonly string[]): number | null {
  return isMessage(words) ? Number(words.at(-1)) : null;
}

function isMessage(words: readonly string[]): boolean {
  return ["PUB", "HPUB", "MSG", "HMSG"].includes(words[0]?.toUpperCase() ?? "");
}

/**
 * `PUB subject [reply] size`, `MSG subject sid [reply] size`; with headers one more size before the
 * last.
 */
function commandOf(words: readonly string[], bytes: Uint8Array): NatsCommand {
  if (!isMessage(words)) return { bytes, subject: null, reply: null, payload: null };
  const verb = words[0]?.toUpperCase() ?? "";
  const sizes = verb.startsWith("H") ? 2 : 1;
  const leading = verb.endsWith("MSG") ? 3 : 2; // verb, subject, sid
  const reply = words.length - sizes > leading ? words[leading] ?? null : null;
  const total = Number(words.at(-1));
  const size = sizes === 2 ? total - Number(words.at(-2)) : total;
  const payload = size > SHORT_PAYLOAD_BYTES ? null : payloadText(bytes, size);
  return { bytes, subject: words[1] ?? null, reply, payload };
}

function payloadText(bytes: Uint8Array, size: number): string {
  const end = bytes.length - LINE_END_BYTES;
  return decoder.decode(bytes.subarray(end - size, end));
}

function concatenated(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
