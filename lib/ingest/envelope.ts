/**
 * Reads a message's envelope (contract §3): which route or processor it is for, and where its records
 * are. One strict pass over the whole payload, so that everything behind it may take the JSON, the
 * UTF-8 and the depth for granted. Records are counted, not judged.
 */
import { JsonScanner } from "../encoder/json_scanner.ts";
import { decodeString, StringReader } from "./string_reader.ts";

/** A message, or what is wrong with it. */
export type Envelope =
  | {
    readonly kind: "message";
    /** Null when the sender gave none; never both null. */
    readonly routeId: string | null;
    readonly processorId: string | null;
    /** Byte offset of the list's opening bracket when `isList`, else of the record. */
    readonly recordsStart: number;
    /** Byte offset just behind the records' value. */
    readonly recordsEnd: number;
    readonly isList: boolean;
    readonly recordCount: number;
  }
  | {
    readonly kind: "bad";
    /** In words. */
    readonly reason: string;
    /** The route id if it could be read all the same. */
    readonly routeId: string | null;
  };

type BadEnvelope = Extract<Envelope, { kind: "bad" }>;

/** What a top-level key's value is: where it stands, -1 when the key is absent. */
interface Field {
  start: number;
  end: number;
}

const ROUTE_ID = "route_id";
const PROCESSOR_ID = "processor_id";
const QUERY_STATE = "query_state";

const NAMES = [QUERY_STATE, ROUTE_ID, PROCESSOR_ID] as const;

const OPEN_OBJECT = 0x7b;
const OPEN_LIST = 0x5b;

/** Reads one message's payload; never throws. A byte-order mark at the start is skipped. */
export function readEnvelope(payload: Uint8Array): Envelope {
  scanner.open(payload);
  try {
    return new EnvelopeReader(payload).read();
  } finally {
    scanner.close();
  }
}

// Reading is synchronous, so one of each serves all messages.
const scanner = new JsonScanner();
const routeReader = new StringReader();
const processorReader = new StringReader();

class EnvelopeReader {
  readonly #payload: Uint8Array;
  readonly #route: Field = { start: -1, end: -1 };
  readonly #processor: Field = { start: -1, end: -1 };
  readonly #records: Field = { start: -1, end: -1 };
  #recordCount = 0;

  constructor(payload: Uint8Array) {
    this.#payload = payload;
  }

  read(): Envelope {
    const start = scanner.skipSpace(hasByteOrderMark(this.#payload) ? 3 : 0);
    if (this.#payload[start] !== OPEN_OBJECT) return this.#bad("it is not a JSON object");
    let at = this.#readFields(start);
    if (at !== -1) {
      at = scanner.skipSpace(at);
      if (at < this.#payload.length) at = scanner.fail("something stands behind the message", at);
    }
    if (at === -1) return this.#bad(`it is not valid JSON: ${scanner.fault}`);
    return this.#judge();
  }

  /** Scans the top-level object; the last of several equal keys counts. */
  #readFields(start: number): number {
    let at = scanner.skipSpace(start + 1);
    if (this.#payload[at] === 0x7d) return at + 1;
    for (;;) {
      const keyStart = at;
      at = scanner.scanKey(keyStart);
      if (at === -1) return -1;
      const valueStart = at;
      const field = this.#fieldOf(keyStart);
      at = field === this.#records ? this.#scanRecords(at) : scanner.scanValue(at, 1);
      if (at === -1) return -1;
      if (field !== null) {
        field.start = valueStart;
        field.end = at;
      }
      at = scanner.skipSpace(at);
      if (this.#payload[at] === 0x7d) return at + 1;
      if (this.#payload[at] !== 0x2c) {
        return scanner.fail("expected a comma or the end of an object", at);
      }
      at = scanner.skipSpace(at + 1);
    }
  }

  /** The field of the key that was scanned last, or null for one that is none of ours. */
  #fieldOf(keyStart: number): Field | null {
    switch (topLevelKey(this.#payload, keyStart, scanner.keyEnd, scanner.hasEscape)) {
      case QUERY_STATE:
        return this.#records;
      case ROUTE_ID:
        return this.#route;
      case PROCESSOR_ID:
        return this.#processor;
      default:
        return null;
    }
  }

  #scanRecords(start: number): number {
    this.#recordCount = 1;
    if (this.#payload[start] !== OPEN_LIST) return scanner.scanValue(start, 1);
    this.#recordCount = 0;
    let at = scanner.skipSpace(start + 1);
    if (this.#payload[at] === 0x5d) return at + 1;
    for (;;) {
      at = scanner.scanValue(at, 2);
      if (at === -1) return -1;
      this.#recordCount++;
      at = scanner.skipSpace(at);
      if (this.#payload[at] === 0x5d) return at + 1;
      if (this.#payload[at] !== 0x2c) {
        return scanner.fail("expected a comma or the end of a list", at);
      }
      at = scanner.skipSpace(at + 1);
    }
  }

  #judge(): Envelope {
    const route = this.#readId(this.#route, ROUTE_ID, routeReader);
    const processor = this.#readId(this.#processor, PROCESSOR_ID, processorReader);
    if (route.fault !== null) return this.#bad(route.fault);
    if (processor.fault !== null) return this.#bad(processor.fault);
    if (route.id === null && processor.id === null) {
      return this.#bad("it has neither a route_id nor a processor_id");
    }
    const { start, end } = this.#records;
    if (start === -1) return this.#bad("query_state is missing");
    const first = this.#payload[start];
    if (first !== OPEN_LIST && first !== OPEN_OBJECT) {
      return this.#bad(`query_state must be a list or an object: at byte ${start} it is not`);
    }
    return {
      kind: "message",
      routeId: route.id,
      processorId: processor.id,
      recordsStart: start,
      recordsEnd: end,
      isList: first === OPEN_LIST,
      recordCount: this.#recordCount,
    };
  }

  /** An id that is null counts as absent. */
  #readId(
    { start, end }: Field,
    name: string,
    reader: StringReader,
  ): { readonly id: string | null; readonly fault: string | null } {
    if (start === -1 || this.#payload[start] === 0x6e) return { id: null, fault: null };
    if (this.#payload[start] !== 0x22) {
      return { id: null, fault: `${name} must be a string: at byte ${start} it is not` };
    }
    const id = reader.read(this.#payload, start, end);
    if (id === "") return { id: null, fault: `${name} must not be empty` };
    if (!id.isWellFormed() || id.includes("\0")) {
      return { id: null, fault: `${name} must not hold NUL or half of a surrogate pair` };
    }
    return { id, fault: null };
  }

  #bad(rule: string): BadEnvelope {
    const { id } = this.#readId(this.#route, ROUTE_ID, routeReader);
    return { kind: "bad", reason: `Cannot read the message as ${rule}`, routeId: id };
  }
}

/** Our name of a top-level key, or null; decodes nothing unless the key holds an escape. */
function topLevelKey(
  payload: Uint8Array,
  start: number,
  end: number,
  hasEscape: boolean,
): string | null {
  const decoded = hasEscape ? decodeString(payload, start, end) : null;
  for (const name of NAMES) {
    if (decoded === null ? isSpelled(payload, start, end, name) : decoded === name) return name;
  }
  return null;
}

function isSpelled(payload: Uint8Array, start: number, end: number, name: string): boolean {
  if (end - start !== name.length + 2) return false;
  for (let i = 0; i < name.length; i++) {
    if (payload[start + 1 + i] !== name.charCodeAt(i)) return false;
  }
  return true;
}

function hasByteOrderMark(payload: Uint8Array): boolean {
  return payload[0] === 0xef && payload[1] === 0xbb && payload[2] === 0xbf;
}
