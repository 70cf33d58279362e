/**
 * One simple query with COPYs … FROM STDIN of little data, spoken over the session's socket while the
 * client library has nothing under way: for each query the library makes a promise of its own kind, and
 * for each COPY a result and a stream, which is more work than all the rest of a small flush, and young
 * collections of garbage find much of it alive. Messages as in PostgreSQL's documentation, "Message
 * Formats", and their order as in "COPY Operations" there.
 */
import { Buffer } from "node:buffer";
import type { CopySteps } from "./copy.ts";
import { copyMessages } from "./copy_messages.ts";
import { StatementError } from "./statement_error.ts";

/** The session's end of the connection. */
export interface Wire {
  write(bytes: Uint8Array): void;
  /** Hands what comes to the listener, and nothing to the library. */
  divert(listener: (bytes: Uint8Array) => void): void;
  /** Hands what comes to the library again, beginning with `rest`. */
  release(rest: Uint8Array): void;
}

/** What is sent. */
export interface LittleCopies {
  /** Statements without parameters, some of which are COPY … FROM STDIN. */
  readonly text: string;
  /** Data of the first COPYs, which goes with the query. Copied at once. */
  readonly ahead: readonly Iterable<Uint8Array>[];
  /**
   * Data of the others, which goes together when the server asks for the first of it and
   * `steps.onReady` is over. Copied at once.
   */
  readonly behind: readonly Iterable<Uint8Array>[];
}

/** What the server said when all was done. */
export interface LittleResult {
  /** Rows that it counted, of each COPY. */
  readonly rows: readonly number[];
  /** Command tag of the query's last statement. */
  readonly tag: string;
}

/** Of a row its values as texts. */
export type LittleSteps = CopySteps<readonly (string | null)[]>;

/**
 * Resolves to what the server counted for each COPY, and to the command tag of the last statement; the
 * connection is the library's again then, whether the query succeeded or not. It settles with the
 * server's last message, so that whoever loses the connection has to settle in its place.
 *
 * @throws {StatementError} PostgreSQL refused a statement, or the copy was called off
 * @throws {Error} what came is none of what may come: the connection is of no more use
 */
export function copyLittle(
  wire: Wire,
  copies: LittleCopies,
  steps: LittleSteps = {},
): Promise<LittleResult> {
  return new LittleQuery(wire, copies, steps).result.promise;
}

const TYPE = {
  commandComplete: letter("C"),
  copyInResponse: letter("G"),
  dataRow: letter("D"),
  emptyQueryResponse: letter("I"),
  errorResponse: letter("E"),
  noticeResponse: letter("N"),
  notificationResponse: letter("A"),
  parameterStatus: letter("S"),
  readyForQuery: letter("Z"),
  rowDescription: letter("T"),
} as const;

/** Type and length, which counts itself and not the type. */
const HEADER_BYTES = 5;

/** Longer messages are none that this query can get: rows are one value, errors some kilobytes. */
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

/** -1 as it is read without a sign. */
const NULL_LENGTH = 2 ** 32 - 1;

const NOTHING = new Uint8Array();
const encoder = new TextEncoder();
const decoder = new TextDecoder();

class LittleQuery {
  readonly result = Promise.withResolvers<LittleResult>();
  readonly #wire: Wire;
  readonly #steps: LittleSteps;
  /** COPYs whose data went with the query. */
  readonly #ahead: number;
  /** Messages for the others. */
  readonly #behind: Uint8Array;
  /** Start of a message whose end has not come yet. */
  #rest: Uint8Array = NOTHING;
  #error: StatementError | null = null;
  #begun = 0;
  readonly #rows: number[] = [];
  #tag = "";
  /** `broken` when what came makes no sense: then it is nobody's to read on. */
  #mode: "open" | "ready" | "broken" = "open";

  constructor(wire: Wire, { text, ahead, behind }: LittleCopies, steps: LittleSteps) {
    this.#wire = wire;
    this.#steps = steps;
    this.#ahead = ahead.length;
    this.#behind = copyMessages(behind, { endsLast: true });
    wire.divert((bytes) => this.#receive(bytes));
    wire.write(message("Q", text, copyMessages(ahead, { endsLast: true })));
    if (behind.length === 0) steps.onEnd?.();
  }

  #receive(chunk: Uint8Array): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (this.#mode === "open" && bytes.length - at >= HEADER_BYTES) {
      const end = at + 1 + lengthAt(bytes, at + 1);
      if (end < at + HEADER_BYTES || end - at > MESSAGE_BYTES_MAX) return this.#fail();
      if (end > bytes.length) break;
      this.#take(bytes, at, end);
      at = end;
    }
    if (this.#mode === "ready") this.#wire.release(bytes.subarray(at));
    if (this.#mode !== "open") return;
    // What is read may be written over; a Buffer's `slice` would not copy it.
    this.#rest = at === bytes.length ? NOTHING : new Uint8Array(bytes.subarray(at));
  }

  #take(bytes: Uint8Array, at: number, end: number): void {
    switch (bytes[at]) {
      case TYPE.dataRow:
        this.#steps.onRow?.(readRow(bytes, at + HEADER_BYTES));
        return;
      case TYPE.commandComplete:
        this.#complete(decoder.decode(bytes.subarray(at + HEADER_BYTES, end - 1)));
        return;
      case TYPE.copyInResponse:
        this.#begun++;
        if (this.#begun === this.#ahead + 1) this.#send().catch(this.result.reject);
        return;
      case TYPE.errorResponse:
        this.#error ??= readError(bytes.subarray(at + HEADER_BYTES, end));
        return;
      case TYPE.readyForQuery:
        this.#mode = "ready";
        if (this.#error === null) this.result.resolve({ rows: this.#rows, tag: this.#tag });
        else this.result.reject(this.#error);
        return;
      case TYPE.rowDescription:
      case TYPE.emptyQueryResponse:
      case TYPE.noticeResponse:
      case TYPE.notificationResponse:
      case TYPE.parameterStatus:
        return;
      default:
        this.#fail();
    }
  }

  /** @param text `COPY 12`, `COMMIT`, `INSERT 0 1` */
  #complete(text: string): void {
    const [command = "", count] = text.split(" ", 2);
    this.#tag = command;
    if (command === "COPY") this.#rows.push(Number(count));
  }

  async #send(): Promise<void> {
    try {
      await this.#steps.onReady?.();
    } catch {
      // Whoever threw it knows why; the server answers 57014, and quotes this in its log.
      if (this.#mode === "open") {
        this.#wire.write(message("f", "called off by the client", NOTHING));
      }
      return;
    }
    if (this.#mode !== "open") return;
    this.#steps.onEnd?.();
    this.#wire.write(this.#behind);
  }

  #fail(): void {
    this.#mode = "broken";
    this.result.reject(new Error("what the server says makes no sense"));
  }
}

/** A message of one text, and what is sent behind it. */
function message(type: "Q" | "f", text: string, behind: Uint8Array): Uint8Array {
  const body = encoder.encode(text);
  const bytes = new Uint8Array(HEADER_BYTES + body.length + 1 + behind.length);
  bytes[0] = letter(type);
  new DataView(bytes.buffer).setUint32(1, HEADER_BYTES - 1 + body.length + 1);
  bytes.set(body, HEADER_BYTES);
  bytes.set(behind, HEADER_BYTES + body.length + 1);
  return bytes;
}

/** Values as texts: their number, and of each its length, or -1 for null, and its bytes. */
function readRow(bytes: Uint8Array, start: number): (string | null)[] {
  const values: (string | null)[] = [];
  const count = (bytes[start] ?? 0) * 2 ** 8 + (bytes[start + 1] ?? 0);
  let at = start + 2;
  while (values.length < count) {
    const length = lengthAt(bytes, at);
    at += 4;
    if (length === NULL_LENGTH) values.push(null);
    else values.push(decoder.decode(bytes.subarray(at, at += length)));
  }
  return values;
}

/** Fields of a letter and a text each, every text ended by a zero byte. */
function readError(fields: Uint8Array): StatementError {
  const texts = new Map<string, string>();
  for (let at = 0; at < fields.length && fields[at] !== 0;) {
    const end = fields.indexOf(0, at + 1);
    if (end < 0) break;
    const text = decoder.decode(fields.subarray(at + 1, end));
    if (text !== "") texts.set(String.fromCharCode(fields[at] ?? 0), text);
    at = end + 1;
  }
  return new StatementError({
    message: texts.get("M") ?? "",
    sqlState: texts.get("C") ?? "XX000",
    schema: texts.get("s") ?? null,
    table: texts.get("t") ?? null,
    column: texts.get("c") ?? null,
    constraint: texts.get("n") ?? null,
    isNested: texts.has("W"),
  });
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) * 2 ** 24 + (bytes[at + 1] ?? 0) * 2 ** 16 +
    (bytes[at + 2] ?? 0) * 2 ** 8 + (bytes[at + 3] ?? 0);
}

function letter(text: string): number {
  return text.charCodeAt(0);
}
