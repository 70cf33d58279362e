/**
 * Carries statuses to the monitor without holding up rows or acks: a bounded queue in memory, sent
 * in order per route, retried while the monitor is away. When the queue is full the oldest status is
 * given up, counted and logged; after a restart a redelivery says it again.
 */
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { backoffDelayMs } from "../retry.ts";
import { TimeLimit, type Wait } from "../time_limit.ts";
import type { Counters } from "./counters.ts";
import type { RouteStatus, StatusPublisher } from "./ports.ts";

/** Statuses waiting at most. */
const QUEUE_MAX = 10_000;

/** Statuses under way at once; all of different routes, so that order per route holds. */
const UNDER_WAY_MAX = 256;

/** Wait between tries while the monitor is away. */
const BACKOFF = { initialMs: 100, maxMs: 5_000 };

/** A failing monitor is mentioned again after this long, in milliseconds. */
const REMINDER_MS = 60_000;

/** Acks wait for the monitor this long at most, in milliseconds (design §4). */
const STATUS_WAIT_MS = 250;

/** Statuses that were handed over together. */
interface Report {
  /** How many of them are neither stored nor given up. */
  left: number;
  readonly done: () => void;
  wait: Wait<Report> | null;
}

interface Waiting {
  readonly status: RouteStatus;
  readonly report: Report;
}

/** Sends statuses; `publisher` null means that nobody listens (no monitor route). */
export class StatusReporter {
  readonly #publisher: StatusPublisher | null;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #counters: Counters;
  readonly #patience: TimeLimit<Report>;
  /** Wait for their route, for room, or for the monitor. */
  #queue: Waiting[] = [];
  /**
   * A list, as a map that is emptied again and again leaves tables behind, each of which keeps the next
   * one and what is in it until the whole heap is collected.
   */
  readonly #underWay: Waiting[] = [];
  /** Routes of those: only their names outlive them. */
  readonly #routes = new Set<string>();
  /** Until the monitor is tried again. */
  #pause: Disposable | null = null;
  #failures = 0;
  #isClosed = false;
  #onEmpty: (() => void) | null = null;
  #remindAtMs = 0;

  constructor(options: {
    publisher: StatusPublisher | null;
    clock: Clock;
    log: Log;
    counters: Counters;
  }) {
    const { clock } = options;
    this.#publisher = options.publisher;
    this.#clock = clock;
    this.#log = options.log;
    this.#counters = options.counters;
    this.#patience = new TimeLimit({
      clock,
      limitMs: STATUS_WAIT_MS,
      onLate: ({ done }) => done(),
    });
  }

  /** Takes statuses over; resolves when each was stored or given up. Never rejects. */
  report(statuses: readonly RouteStatus[]): Promise<void> {
    return this.#report(statuses, false);
  }

  /**
   * Hands statuses over and waits for the monitor a moment, not longer: status before ack, because
   * after a crash between the two a redelivery says it again; but acks do not hang on the monitor.
   */
  reportInTime(statuses: readonly RouteStatus[]): Promise<void> {
    return this.#report(statuses, true);
  }

  /** Waits until everything is sent, at most `graceMs`; gives up the rest. */
  async drain(graceMs: number): Promise<void> {
    if (this.#queue.length + this.#underWay.length > 0) {
      const empty = Promise.withResolvers<void>();
      this.#onEmpty = empty.resolve;
      using _timer = this.#clock.after(graceMs, empty.resolve);
      await empty.promise;
    }
    this.#isClosed = true;
    this.#pause?.[Symbol.dispose]();
    this.#queue.unshift(...this.#underWay.splice(0));
    this.#routes.clear();
    this.#giveUp(this.#queue.length, "the service stops");
    this.#patience[Symbol.dispose]();
  }

  #report(statuses: readonly RouteStatus[], isBounded: boolean): Promise<void> {
    const publisher = this.#publisher;
    if (publisher === null || statuses.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const report: Report = { left: statuses.length, done: resolve, wait: null };
      if (isBounded && !this.#isClosed) report.wait = this.#patience.begin(report);
      for (const status of statuses) this.#take(publisher, { status, report });
    });
  }

  #take(publisher: StatusPublisher, waiting: Waiting): void {
    const isFree = this.#queue.length === 0 && this.#pause === null && !this.#isClosed &&
      this.#mayGo(waiting);
    if (isFree) return this.#publish(publisher, waiting);
    this.#queue.push(waiting);
    if (this.#isClosed) this.#giveUp(this.#queue.length, "the service stops");
    else this.#giveUp(Math.max(0, this.#queue.length - QUEUE_MAX), "the queue is full");
  }

  #publish(publisher: StatusPublisher, waiting: Waiting): void {
    this.#underWay.push(waiting);
    this.#routes.add(waiting.status.routeId);
    publisher.publish(waiting.status).then(
      () => this.#stored(publisher, waiting),
      (error) => this.#failed(publisher, waiting, error),
    );
  }

  #stored(publisher: StatusPublisher, waiting: Waiting): void {
    if (this.#isClosed) return;
    this.#leave(waiting);
    this.#failures = 0;
    this.#counters.statuses++;
    this.#over(waiting);
    // Its place or its route is free: that is enough for one, and no other waits for less.
    this.#goOn(publisher, 1);
    if (this.#queue.length + this.#underWay.length === 0) this.#onEmpty?.();
  }

  #failed(publisher: StatusPublisher, waiting: Waiting, error: unknown): void {
    if (this.#isClosed) return;
    this.#leave(waiting);
    this.#queue.unshift(waiting);
    this.#logFailure(error);
    this.#pause ??= this.#clock.after(backoffDelayMs(++this.#failures, BACKOFF), () => {
      this.#pause = null;
      this.#goOn(publisher, UNDER_WAY_MAX);
    });
  }

  /** Publishes so many of those that wait at most, each route's first, as far as there is room. */
  #goOn(publisher: StatusPublisher, most: number): void {
    if (this.#pause !== null) return;
    let left = most;
    for (let at = 0; left > 0 && this.#underWay.length < UNDER_WAY_MAX;) {
      const waiting = this.#queue[at];
      if (waiting === undefined) return;
      if (!this.#mayGo(waiting)) at++;
      else {
        this.#queue.splice(at, 1);
        this.#publish(publisher, waiting);
        left--;
      }
    }
  }

  /** There is room, and nothing of its route is under way. */
  #mayGo({ status }: Waiting): boolean {
    return this.#underWay.length < UNDER_WAY_MAX && !this.#routes.has(status.routeId);
  }

  #leave(waiting: Waiting): void {
    this.#routes.delete(waiting.status.routeId);
    const last = this.#underWay.pop();
    if (last === undefined || last === waiting) return;
    this.#underWay[this.#underWay.indexOf(waiting)] = last;
  }

  #over({ report }: Waiting): void {
    if (--report.left > 0) return;
    if (report.wait !== null) this.#patience.end(report.wait);
    report.done();
  }

  #giveUp(count: number, reason: string): void {
    if (count === 0) return;
    for (const waiting of this.#queue.splice(0, count)) this.#over(waiting);
    this.#counters.statusesLost += count;
    this.#log.warn("Statuses were given up", { count, reason });
  }

  #logFailure(error: unknown): void {
    const now = this.#clock.monotonic();
    if (now < this.#remindAtMs) return;
    this.#remindAtMs = now + REMINDER_MS;
    this.#log.warn("Cannot publish statuses; keeping them and trying again", {
      reason: error instanceof Error ? error.message : String(error),
      waiting: this.#queue.length,
    });
  }
}
