/**
 * Cuts a PostgreSQL connection at an exact place of the protocol: before COMMIT is passed on (or, where
 * it stands in one query with the COPY, before the end of the data is), after it was carried out but
 * before its answer is passed on, or in the middle of COPY data. One
 * {@linkcode PostgresCuts} serves all connections of a proxy and counts what was cut.
 */
import type { LinkFilter, Verdict } from "./fault_proxy.ts";
import { FrameSplitter } from "./frame_splitter.ts";

/** Where to cut. */
export type PostgresCut = "before-commit" | "after-commit" | "in-copy";

const QUERY = 0x51; // Q
const PARSE = 0x50; // P
const COPY_DATA = 0x64; // d
const COPY_DONE = 0x63; // c
const COMMAND_COMPLETE = 0x43; // C
const READY_FOR_QUERY = 0x5a; // Z

/** Cuts that are still to be made, and those that were. */
export class PostgresCuts {
  /** Cuts made. */
  readonly made: Record<PostgresCut, number> = {
    "before-commit": 0,
    "after-commit": 0,
    "in-copy": 0,
  };
  readonly #armed: Record<PostgresCut, number> = {
    "before-commit": 0,
    "after-commit": 0,
    "in-copy": 0,
  };

  /** Makes the next `times` transactions with COPY data be cut there. */
  arm(cut: PostgresCut, times: number): void {
    this.#armed[cut] += times;
  }

  /** Cuts not made yet. */
  get pending(): number {
    return Object.values(this.#armed).reduce((sum, times) => sum + times, 0);
  }

  /** Forgets what was not cut yet. */
  disarm(): void {
    for (const cut of ["before-commit", "after-commit", "in-copy"] as const) this.#armed[cut] = 0;
  }

  /** True when this connection is to be cut here and now. */
  take(cut: PostgresCut): boolean {
    if (this.#armed[cut] === 0) return false;
    this.#armed[cut]--;
    this.made[cut]++;
    return true;
  }

  /** What was taken could not be cut there: the next one will. */
  giveBack(cut: PostgresCut): void {
    this.#armed[cut]++;
    this.made[cut]--;
  }

  /** The filter of one connection. */
  filter(): LinkFilter {
    return new PostgresFilter(this);
  }
}

class PostgresFilter implements LinkFilter {
  readonly #cuts: PostgresCuts;
  readonly #frontend = new FrameSplitter({ startsUntyped: true });
  readonly #backend = new FrameSplitter({ startsUntyped: false });
  /** COPY data went by since the last COMMIT. */
  #hasCopied = false;
  /** COPYs of the query under way whose data has not ended; behind the last it commits by itself. */
  #copiesLeft = 0;
  /** Answers since COMMIT may have been passed on, held back; null while none are. */
  #held: Uint8Array[] | null = null;

  constructor(cuts: PostgresCuts) {
    this.#cuts = cuts;
  }

  fromClient(chunk: Uint8Array): Verdict {
    const forward: Uint8Array[] = [];
    for (const frame of this.#frontend.push(chunk)) {
      if (frame[0] === QUERY) this.#copiesLeft = isWhole(frame) ? copiesOf(frame) : 0;
      if (frame[0] === COPY_DATA) {
        this.#hasCopied = true;
        if (this.#cuts.take("in-copy")) {
          forward.push(frame.subarray(0, Math.ceil(frame.length / 2)));
          return { forward, cut: true };
        }
      } else if (this.#hasCopied && (isCommit(frame) || this.#isEnd(frame))) {
        this.#hasCopied = false;
        if (this.#cuts.take("before-commit")) return { forward, cut: true };
        if (this.#held === null && this.#cuts.take("after-commit")) this.#held = [];
      }
      forward.push(frame);
    }
    return { forward, cut: false };
  }

  #isEnd(frame: Uint8Array): boolean {
    return frame[0] === COPY_DONE && --this.#copiesLeft === 0;
  }

  fromServer(chunk: Uint8Array): Verdict {
    const frames = this.#backend.push(chunk);
    if (this.#held === null) return { forward: frames, cut: false };
    const isCommitted = frames.some((frame) =>
      frame[0] === COMMAND_COMPLETE && tagOf(frame) === "COMMIT"
    );
    if (isCommitted) return { forward: [], cut: true };
    this.#held.push(...frames);
    if (!frames.some(([type]) => type === READY_FOR_QUERY)) return { forward: [], cut: false };
    // COMMIT was sent with what came before it, of which something failed.
    const held = this.#held;
    this.#held = null;
    this.#cuts.giveBack("after-commit");
    return { forward: held, cut: false };
  }
}

/** A transaction from BEGIN to COMMIT in one query. */
function isWhole(frame: Uint8Array): boolean {
  return /^\s*begin\b[^]*\bcommit\b/i.test(textOf(frame));
}

function copiesOf(frame: Uint8Array): number {
  return textOf(frame).match(/\bfrom stdin\b/gi)?.length ?? 0;
}

function isCommit(frame: Uint8Array): boolean {
  if (frame[0] !== QUERY && frame[0] !== PARSE) return false;
  return /\bcommit\b/i.test(textOf(frame)) && !/^\s*begin/i.test(textOf(frame));
}

function tagOf(frame: Uint8Array): string {
  return textOf(frame).replace(/\0$/, "");
}

function textOf(frame: Uint8Array): string {
  return new TextDecoder().decode(frame.subarray(5));
}
