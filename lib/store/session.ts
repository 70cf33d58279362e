/**
 * One connection to PostgreSQL. The client library reconnects by itself, even in the middle of a
 * transaction, and would run the rest of it on a new connection; so each session has a client with
 * exactly one socket, and once that is lost the session is dead for good: every call throws
 * {@linkcode StoreUnavailableError} without touching the client. One user at a time; the pool sees
 * to that.
 */
import type { Socket } from "node:net";
import postgres from "postgres";
import type { Clock } from "../clock.ts";
import { StoreUnavailableError } from "../errors.ts";
import { clientOptions, type SessionOptions } from "./client_options.ts";
import { copyIn, type CopyQuery, type CopyResult, type CopySteps } from "./copy.ts";
import { type DataAhead, textAtOnce } from "./copy_ahead.ts";
import { copyMessages } from "./copy_messages.ts";
import {
  copyLittle,
  type LittleCopies,
  type LittleResult,
  type LittleSteps,
} from "./little_copy.ts";
import { type Encryption, openSocket, type ServerAddress, TlsFailure } from "./socket.ts";
import { SocketWire } from "./socket_wire.ts";
import { readServerError, StatementError } from "./statement_error.ts";

/** A value for `$1`, `$2`, …; arrays are passed as PostgreSQL's array text. */
export type Parameter = string | number | boolean | null | Date | Uint8Array;

/** A statement that is prepared under its name. */
export interface NamedStatement {
  readonly name: string;
  /** Of `$1`, `$2`, … in the text. */
  readonly types: readonly string[];
  /** The text with these in the places of its parameters. */
  readonly text: (args: readonly string[]) => string;
}

type Client = postgres.Sql;

/** One connection; see the top of this file. */
export class Session {
  readonly address: ServerAddress;
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #prepare: boolean;
  readonly #socket: Promise<Socket>;
  readonly #wire: Promise<SocketWire>;
  /** The same once it is there: what is sent over it is copied in the same breath. */
  #openWire: SocketWire | null = null;
  #state: "good" | "retired" | "dead" = "good";
  #busySinceMs: number | null = null;
  /** The server waits for data that the caller holds back. */
  #isHeld = false;
  readonly #named = new Set<string>();
  #rejectCurrent: ((error: unknown) => void) | null = null;

  /** Connects at the first statement. */
  constructor(address: ServerAddress, encryption: Encryption, options: SessionOptions) {
    this.address = address;
    this.#clock = options.clock;
    this.#prepare = options.prepare;
    const socket = Promise.withResolvers<Socket>();
    this.#socket = socket.promise;
    this.#wire = socket.promise.then((opened) => this.#openWire = new SocketWire(opened));
    this.#wire.catch(() => {}); // the first statement has the same error
    let isOpened = false;
    this.#client = postgres(clientOptions(address, options, {
      openSocket: () => {
        // The library asks again when it wants to reconnect.
        if (isOpened) return Promise.reject(this.#lost());
        isOpened = true;
        const { tls, clock, connectTimeoutMs } = options;
        openSocket(address, { encryption, tls, clock, timeoutMs: connectTimeoutMs })
          .then(socket.resolve, socket.reject);
        return this.#wire.then(() => socket.promise);
      },
      onClose: () => this.#markDead(),
    }));
  }

  /** The connection was lost; the session can only be thrown away. */
  get isDead(): boolean {
    return this.#state === "dead";
  }

  /** True when it may be used again after the present use. */
  get isReusable(): boolean {
    return this.#state === "good";
  }

  /**
   * Monotonic time at which the statement under way began or last moved on. Null when there is none,
   * and while the server waits for data that the caller holds back: that says nothing about it.
   */
  get busySinceMs(): number | null {
    return this.#isHeld ? null : this.#busySinceMs;
  }

  /** Not to be used again once given back: its server is not the one we want. */
  retire(): void {
    if (this.#state === "good") this.#state = "retired";
  }

  /**
   * Runs a statement whose text never changes, with parameters. Statement and row type stand
   * together in the caller: the row type is what that statement selects.
   *
   * @throws {StatementError} PostgreSQL refused it
   * @throws {StoreUnavailableError} the connection is lost
   */
  async query<Row extends object>(
    text: string,
    parameters: readonly Parameter[],
  ): Promise<readonly Row[]> {
    return await this.#run(() =>
      this.#client.unsafe<Row[]>(text, [...parameters], { prepare: this.#prepare })
    );
  }

  /** Like `query`, for a text that varies: it is not kept prepared. */
  async queryOnce<Row extends object>(
    text: string,
    parameters: readonly Parameter[] = [],
  ): Promise<readonly Row[]> {
    return await this.#run(() =>
      this.#client.unsafe<Row[]>(text, [...parameters], { prepare: false })
    );
  }

  /**
   * Runs statements without parameters and answers with the last one's command tag, `COMMIT` or
   * `ROLLBACK` for example. Throws as `query` does.
   */
  async execute(text: string): Promise<string> {
    const result: unknown = await this.#run(() => this.#client.unsafe(text));
    // Several statements give an array of results; one gives a result, an array with a command.
    const isOne = typeof result === "object" && result !== null && "command" in result;
    const last: unknown = isOne || !Array.isArray(result) ? result : result.at(-1);
    const command = typeof last === "object" && last !== null && "command" in last
      ? last.command
      : "";
    return typeof command === "string" ? command : "";
  }

  /** Runs one statement without parameters; resolves to the rows it inserted or deleted. */
  async modify(text: string): Promise<number> {
    const { count } = await this.#run(() => this.#client.unsafe(text));
    return count;
  }

  /** COPY … FROM STDIN; resolves to the number of rows. Throws as `query` does. */
  async copyIn(statement: string, chunks: Iterable<Uint8Array>): Promise<number> {
    return (await this.copyAmong(statement, chunks)).rows;
  }

  /**
   * Runs statements without parameters, the last COPY … FROM STDIN of which takes `chunks`, as one
   * simple query: after an error the server carries out none of those behind it. Throws as `query`
   * does, and what `steps.onReady` throws; a transaction that was begun is then to be rolled back.
   *
   * @param ahead data of the COPYs before it: it is sent with the query, a round trip earlier, only
   *   where {@linkcode Session.maySendAhead} says so, and copied
   */
  async copyAmong(
    text: string,
    chunks: Iterable<Uint8Array>,
    steps: CopySteps = {},
    ahead: readonly Iterable<Uint8Array>[] = [],
  ): Promise<CopyResult> {
    const data = await this.#dataAhead(ahead);
    return await this.#inSteps(
      steps,
      (watched) => copyIn(this.#copyQuery(text, data), chunks, watched, data),
    );
  }

  /**
   * Runs statements without parameters as one simple query, some of which are COPY … FROM STDIN of
   * little data, at less cost. Throws as {@linkcode copyAmong} does.
   *
   * @param copies.ahead only where {@linkcode Session.maySendAhead} says so
   */
  async copyLittle(copies: LittleCopies, steps: LittleSteps = {}): Promise<LittleResult> {
    const wire = this.#openWire ?? await this.#wire;
    return await this.#inSteps(steps, (watched) => copyLittle(wire, copies, watched));
  }

  /** Runs a query with COPY; says what is under way, and throws what called the copy off. */
  async #inSteps<Row, Result>(
    steps: CopySteps<Row>,
    start: (watched: CopySteps<Row>) => Promise<Result>,
  ): Promise<Result> {
    let calledOff: { readonly reason: unknown } | null = null;
    const watched: CopySteps<Row> = {
      onRow: (row) => {
        this.#moveOn();
        steps.onRow?.(row);
      },
      onReady: async () => {
        this.#isHeld = true;
        try {
          await steps.onReady?.();
          if (this.#state === "dead") throw this.#lost();
        } catch (reason) {
          calledOff = { reason };
          throw reason;
        } finally {
          this.#moveOn();
        }
      },
      onEnd: steps.onEnd,
    };
    try {
      return await this.#run(() => start(watched));
    } catch (error) {
      // Once it is called off, the server only says that it was.
      const { reason } = calledOff ?? { reason: error };
      throw error instanceof StatementError ? reason : error;
    }
  }

  /** The server at the other end stays the same, and is none of a pooler's choice. */
  get hasOwnServer(): boolean {
    return this.#prepare;
  }

  /** It does, and the connection is open: data may be sent before the server asks for it. */
  get maySendAhead(): boolean {
    return this.#prepare && this.#named.size > 0;
  }

  /**
   * The SQL that runs `text` with literal arguments: EXECUTE of a statement that is prepared once for
   * this connection, as planning costs more than running, or the text itself where that is off.
   */
  async callText({ name, types, text }: NamedStatement, args: readonly string[]): Promise<string> {
    if (!this.#prepare) return text(args);
    if (!this.#named.has(name)) {
      const parameters = types.map((_, index) => `$${index + 1}`);
      await this.execute(`PREPARE ${name} (${types.join(", ")}) AS ${text(parameters)}`);
      this.#named.add(name);
    }
    return `EXECUTE ${name} (${args.join(", ")})`;
  }

  /** Null when there is none. */
  async #dataAhead(copies: readonly Iterable<Uint8Array>[]): Promise<DataAhead | null> {
    if (copies.length === 0) return null;
    const messages = copyMessages(copies, { endsLast: true });
    return { socket: await this.#socket, messages, copies: copies.length };
  }

  /** See {@linkcode CopyQuery}: the library's types leave out what is used. */
  #copyQuery(text: string, ahead: DataAhead | null): CopyQuery {
    const sent = ahead === null ? text : textAtOnce(text);
    return this.#client.unsafe(sent) as unknown as CopyQuery;
  }

  /** Ends the connection politely. */
  async close(): Promise<void> {
    const isConnected = this.#state !== "dead";
    this.#markDead();
    await this.#client.end({ timeout: isConnected ? 1 : 0 });
    await this.#destroySocket();
  }

  /** Ends the connection at once; the statement under way fails. */
  async destroy(): Promise<void> {
    this.#markDead();
    await this.#destroySocket();
    await this.#client.end({ timeout: 0 });
  }

  async #destroySocket(): Promise<void> {
    const socket = await this.#socket.catch(() => null);
    if (socket === null || socket.closed) return;
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.destroy();
    await closed;
  }

  /** The statement under way fails, unless the library says in a moment why it does. */
  #markDead(): void {
    this.#state = "dead";
    queueMicrotask(() => this.#rejectCurrent?.(this.#lost()));
  }

  /** @param code an error code of the socket or the library; never its message, which may hold data */
  #lost(code?: string): StoreUnavailableError {
    const { host, port } = this.address;
    const why = code === undefined ? "" : `: ${code}`;
    return new StoreUnavailableError(
      `Cannot use the connection to PostgreSQL at ${host}:${port} as it is lost${why}`,
    );
  }

  /** The server answered, or is given what it waits for: the time counts anew. */
  #moveOn(): void {
    // A connection that was lost meanwhile has no statement any more.
    if (this.#busySinceMs !== null) this.#busySinceMs = this.#clock.monotonic();
    this.#isHeld = false;
  }

  /** The library does not settle every statement of a lost connection: losing it settles ours. */
  #run<T>(start: () => PromiseLike<T>): Promise<T> {
    if (this.#state === "dead") return Promise.reject(this.#lost());
    if (this.#busySinceMs !== null) {
      return Promise.reject(new TypeError("Cannot run a statement as another one is under way"));
    }
    this.#busySinceMs = this.#clock.monotonic();
    this.#isHeld = false;
    return new Promise<T>((resolve, reject) => {
      this.#rejectCurrent = reject;
      start().then(resolve, (error) => reject(this.#translate(error)));
    }).finally(() => {
      this.#busySinceMs = null;
      this.#isHeld = false;
      this.#rejectCurrent = null;
    });
  }

  #translate(error: unknown): unknown {
    const answer = readServerError(error);
    if (answer !== null) {
      // Read-only: a standby, or a primary about to become one. 26000: a pooler changed servers.
      if (answer.sqlState === "25006" || answer.sqlState === "26000") this.retire();
      return answer;
    }
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "UNDEFINED_VALUE" || code === "MAX_PARAMETERS_EXCEEDED") {
      return new TypeError(`Cannot run a statement as the client library says: ${code}`);
    }
    this.#markDead();
    if (error instanceof StoreUnavailableError || error instanceof TlsFailure) return error;
    return this.#lost(typeof code === "string" ? code : undefined);
  }
}
