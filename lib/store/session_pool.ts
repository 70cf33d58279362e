/**
 * The sessions of the program: how many there are, who gets one next, and when one is ended. Flushes
 * go before look-ups, but never so long that a look-up starves. Lifetime and idle time apply between
 * two uses, never inside one; a statement that outlives every server-side timeout ends its session.
 * Opening is not repeated here: callers hear {@linkcode StoreUnavailableError} and come back.
 */
import type { Clock } from "../clock.ts";
import { StoreUnavailableError } from "../errors.ts";
import type { Session } from "./session.ts";
import type { SessionWatch } from "./session_watch.ts";

/** Bounds of the pool. */
export interface SessionPoolOptions {
  /** Opens one session. */
  readonly open: () => Promise<Session>;
  readonly clock: Clock;
  /** Sessions at most; 1 works. */
  readonly openMax: number;
  /** Sessions kept while nobody uses them. */
  readonly idleMax: number;
  /** A session older than this is ended after its use; Infinity for never. */
  readonly lifetimeMs: number;
  /** A session unused for so long is ended; Infinity for never. */
  readonly idleMs: number;
  /** Longest wait for a session. */
  readonly acquireTimeoutMs: number;
  /** A statement under way for longer is given up: packets are being swallowed. */
  readonly statementMaxMs: number;
  /** Finds that out earlier where it can. */
  readonly watch?: Pick<SessionWatch, "suspectMs" | "look"> | undefined;
}

/** A flush, or anything it waits for; or a look-up, health, janitor. */
export type Priority = "flush" | "lookup";

/** A session in use; dispose it to give the session back. */
export interface Lease extends Disposable {
  readonly session: Session;
}

interface Waiter {
  readonly resolve: (lease: Lease) => void;
  readonly reject: (error: unknown) => void;
}

interface Member {
  readonly session: Session;
  readonly openedMs: number;
  idleSinceMs: number;
}

/** Flushes served in a row before a look-up that waits has its turn. */
const FLUSHES_BEFORE_LOOKUP = 8;

/** Waiting users at most: thousands of tables may be due at once. */
const WAITERS_MAX = 20_000;

const SWEEP_MS = 1_000;

/** Hands sessions out; see the top of this file. */
export class SessionPool {
  readonly #options: SessionPoolOptions;
  readonly #waiting: Readonly<Record<Priority, Set<Waiter>>> = {
    flush: new Set(),
    lookup: new Set(),
  };
  readonly #idle: Member[] = [];
  readonly #used: Member[] = [];
  /** Sessions being opened or ended; shutdown waits for them. */
  readonly #background = new Set<Promise<void>>();
  readonly #sweep: Disposable;
  #opening = 0;
  #ending = 0;
  #flushesInARow = 0;
  #isClosed = false;
  #isLooking = false;
  #onReturn: (() => void) | null = null;

  constructor(options: SessionPoolOptions) {
    this.#options = options;
    this.#sweep = options.clock.every(SWEEP_MS, () => this.#sweepOnce());
  }

  /**
   * Waits for a session. The wait is bounded; within a priority, first come is first served.
   *
   * @throws {StoreUnavailableError} none was free in time, none can be opened, or the pool is closed
   */
  async acquire(priority: Priority, signal?: AbortSignal): Promise<Lease> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw closedError();
    // Mostly nobody waits. What goes through a set leaves tables behind that keep what was in them.
    const member = this.#waitingCount === 0 ? this.#takeIdle() : null;
    if (member !== null) return this.#lease(member);
    const queue = this.#waiting[priority];
    if (queue.size >= WAITERS_MAX) {
      throw new StoreUnavailableError(`Cannot wait for a connection as ${WAITERS_MAX} others do`);
    }
    const { promise, resolve, reject } = Promise.withResolvers<Lease>();
    const waiter = { resolve, reject };
    queue.add(waiter);
    this.#serve();
    if (!queue.has(waiter)) return await promise;
    const onAbort = (): void => {
      if (queue.delete(waiter)) reject(signal?.reason);
    };
    using _timer = this.#options.clock.after(this.#options.acquireTimeoutMs, () => {
      if (queue.delete(waiter)) reject(this.#timeoutError());
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    return await promise.finally(() => signal?.removeEventListener("abort", onAbort));
  }

  /** Refuses new users, waits up to `graceMs` for those at work, then ends every connection. */
  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    this.#sweep[Symbol.dispose]();
    this.#rejectWaiting(closedError());
    for (const member of this.#idle.splice(0)) this.#end(member, "close");
    const timer = new AbortController();
    const grace = this.#options.clock.delay(graceMs, timer.signal).catch(() => {}); // not needed
    while (this.#used.length > 0 || this.#background.size > 0) {
      const change = Promise.allSettled(this.#background).then(() => this.#nextReturn());
      const isOver = await Promise.race([change.then(() => false), grace.then(() => true)]);
      if (isOver) break;
    }
    timer.abort();
    for (const member of this.#used) this.#end(member, "destroy");
    await Promise.allSettled(this.#background);
  }

  /** Resolves when a session is given back; at once when none is in use. */
  #nextReturn(): Promise<void> {
    if (this.#used.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onReturn = resolve);
  }

  get #waitingCount(): number {
    return this.#waiting.flush.size + this.#waiting.lookup.size;
  }

  #timeoutError(): StoreUnavailableError {
    const { acquireTimeoutMs } = this.#options;
    return new StoreUnavailableError(
      `Cannot get a connection within ${acquireTimeoutMs} ms as all ${this.#used.length} are in use`,
    );
  }

  /** Gives free sessions to those who wait, and opens more while somebody waits and may. */
  #serve(): void {
    for (;;) {
      const member = this.#takeIdle();
      if (member === null) break;
      const waiter = this.#nextWaiter();
      if (waiter === null) {
        this.#idle.push(member);
        break;
      }
      waiter.resolve(this.#lease(member));
    }
    const waiting = this.#waitingCount;
    const open = this.#used.length + this.#idle.length + this.#opening + this.#ending;
    const missing = Math.min(waiting - this.#opening, this.#options.openMax - open);
    for (let i = 0; i < missing; i++) this.#open();
  }

  #takeIdle(): Member | null {
    for (;;) {
      const member = this.#idle.pop();
      if (member === undefined) return null;
      if (member.session.isReusable) return member;
      this.#end(member, "destroy");
    }
  }

  #nextWaiter(): Waiter | null {
    const { flush, lookup } = this.#waiting;
    const isLookupsTurn = flush.size === 0 || this.#flushesInARow >= FLUSHES_BEFORE_LOOKUP;
    const queue = isLookupsTurn && lookup.size > 0 ? lookup : flush;
    const [waiter] = queue;
    if (waiter === undefined) return null;
    queue.delete(waiter);
    this.#flushesInARow = queue === flush ? this.#flushesInARow + 1 : 0;
    return waiter;
  }

  #lease(member: Member): Lease {
    this.#used.push(member);
    return {
      session: member.session,
      [Symbol.dispose]: () => this.#giveBack(member),
    };
  }

  #giveBack(member: Member): void {
    const index = this.#used.indexOf(member);
    if (index < 0) return;
    this.#used.splice(index, 1);
    const { clock, lifetimeMs, idleMax } = this.#options;
    const now = clock.monotonic();
    member.idleSinceMs = now;
    if (member.session.isDead) this.#end(member, "destroy");
    else if (
      this.#isClosed || !member.session.isReusable || now - member.openedMs > lifetimeMs ||
      (this.#waitingCount === 0 && this.#idle.length >= idleMax)
    ) this.#end(member, "close");
    else this.#idle.push(member);
    this.#onReturn?.();
    this.#serve();
  }

  #open(): void {
    this.#opening++;
    this.#track(
      this.#options.open().then((session) => {
        const now = this.#options.clock.monotonic();
        this.#opening--;
        this.#idle.push({ session, openedMs: now, idleSinceMs: now });
        if (this.#isClosed) {
          for (const member of this.#idle.splice(0)) this.#end(member, "close");
        }
        this.#serve();
      }, (error) => {
        this.#opening--;
        // While others are alive those who wait get one of them; a broken one fails in use.
        if (this.#used.length === 0 && this.#idle.length === 0) this.#rejectWaiting(error);
      }),
    );
  }

  #rejectWaiting(error: unknown): void {
    for (const queue of Object.values(this.#waiting)) {
      for (const waiter of queue) waiter.reject(error);
      queue.clear();
    }
  }

  #end(member: Member, how: "close" | "destroy"): void {
    this.#ending++;
    this.#track(
      member.session[how]().finally(() => {
        this.#ending--;
        if (!this.#isClosed) this.#serve();
      }),
    );
  }

  /** @param work does not reject but by a mistake, which then is the program's unhandled rejection */
  #track(work: Promise<void>): void {
    const tracked: Promise<void> = work.finally(() => this.#background.delete(tracked));
    this.#background.add(tracked);
  }

  #sweepOnce(): void {
    const { clock, idleMs, lifetimeMs, statementMaxMs } = this.#options;
    const now = clock.monotonic();
    for (const member of this.#idle.splice(0)) {
      const isOver = now - member.idleSinceMs > idleMs || now - member.openedMs > lifetimeMs;
      if (!member.session.isReusable) this.#end(member, "destroy");
      else if (isOver) this.#end(member, "close");
      else this.#idle.push(member);
    }
    for (const { session } of this.#used) {
      const sinceMs = session.busySinceMs;
      if (sinceMs !== null && now - sinceMs > statementMaxMs) this.#track(session.destroy());
    }
    this.#lookAtSuspects(now);
    this.#serve();
  }

  #lookAtSuspects(now: number): void {
    const { watch } = this.#options;
    if (watch === undefined || this.#isLooking || this.#isClosed) return;
    const suspects = new Map<Session, number>();
    for (const { session } of this.#used) {
      const sinceMs = session.busySinceMs;
      if (sinceMs !== null && now - sinceMs > watch.suspectMs) suspects.set(session, sinceMs);
    }
    if (suspects.size === 0) return;
    this.#isLooking = true;
    this.#track(
      watch.look([...suspects.keys()]).then((dead) => {
        for (const session of dead) {
          // It may have moved on meanwhile.
          if (session.busySinceMs !== suspects.get(session)) session.retire();
          else this.#track(session.destroy());
        }
        // What took one connection away took those that nobody uses, too.
        if (dead.length > 0) {
          for (const member of this.#idle.splice(0)) this.#end(member, "destroy");
        }
      }).finally(() => this.#isLooking = false),
    );
  }
}

function closedError(): StoreUnavailableError {
  return new StoreUnavailableError("Cannot use the database as the program is stopping");
}
