/**
 * Carries statuses to the monitor without holding up rows or acks: a bounded queue in memory, sent
 * in order per route, retried while the monitor is away. When the queue is full the oldest status is
 * given up, counted and logged; after a restart a redelivery says it again.
 */
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { backoffDelayMs } from "../retry.ts";
import type { Counters } from "./counters.ts";
import type { RouteStatus, StatusPublisher } from "./ports.ts";

/** Statuses waiting at most. */
const QUEUE_MAX = 10_000;

/** Statuses under way at once; all of different routes, so that order per route holds. */
const WINDOW_MAX = 256;

/** Wait between tries while the monitor is away. */
const BACKOFF = { initialMs: 100, maxMs: 5_000 };

/** A failing monitor is mentioned again after this long, in milliseconds. */
const REMINDER_MS = 60_000;

/** Acks wait for the monitor this long at most, in milliseconds (design §4). */
const STATUS_WAIT_MS = 250;

/**
 * Hands statuses over and waits for the monitor a moment, not longer: status before ack, because
 * after a crash between the two a redelivery says it again; but acks do not hang on the monitor.
 */
export async function reportStatuses(
  statuses: readonly RouteStatus[],
  { reporter, clock }: { readonly reporter: StatusReporter; readonly clock: Clock },
): Promise<void> {
  if (statuses.length === 0) return;
  const late = Promise.withResolvers<void>();
  using _timer = clock.after(STATUS_WAIT_MS, late.resolve);
  await Promise.race([reporter.report(statuses), late.promise]);
}

interface Waiting {
  readonly status: RouteStatus;
  readonly done: () => void;
}

/** Sends statuses; `publisher` null means that nobody listens (no monitor route). */
export class StatusReporter {
  readonly #publisher: StatusPublisher | null;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #counters: Counters;
  readonly #stop = new AbortController();
  /** Gives the window that is being published up. */
  #leaveWindow: (() => void) | null = null;
  #queue: Waiting[] = [];
  #worker: Promise<void> | null = null;
  #remindAtMs = 0;

  constructor(options: {
    publisher: StatusPublisher | null;
    clock: Clock;
    log: Log;
    counters: Counters;
  }) {
    this.#publisher = options.publisher;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#counters = options.counters;
  }

  /** Takes statuses over; resolves when each was stored or given up. Never rejects. */
  report(statuses: readonly RouteStatus[]): Promise<void> {
    if (this.#publisher === null || statuses.length === 0) return Promise.resolve();
    const sent = statuses.map((status) =>
      new Promise<void>((resolve) => this.#queue.push({ status, done: resolve }))
    );
    this.#giveUp(Math.max(0, this.#queue.length - QUEUE_MAX), "the queue is full");
    this.#worker ??= this.#work(this.#publisher).finally(() => this.#worker = null);
    return Promise.all(sent).then(() => undefined);
  }

  /** Waits until everything is sent, at most `graceMs`; gives up the rest. */
  async drain(graceMs: number): Promise<void> {
    if (this.#worker !== null) {
      const timeout = new AbortController();
      const worker = this.#worker;
      await Promise.race([
        worker.then(() => timeout.abort()),
        this.#clock.delay(graceMs, timeout.signal).catch(() => undefined),
      ]);
    }
    this.#stop.abort(new Error("The status reporter was closed"));
    this.#leaveWindow?.();
    this.#giveUp(this.#queue.length, "the service stops");
    await this.#worker;
  }

  async #work(publisher: StatusPublisher): Promise<void> {
    for (let failures = 0; this.#queue.length > 0;) {
      const window = this.#takeWindow();
      const failed = await this.#publishAll(publisher, window);
      if (failed.length === 0) {
        failures = 0;
        continue;
      }
      if (this.#stop.signal.aborted) {
        this.#queue.unshift(...failed);
        this.#giveUp(this.#queue.length, "the service stops");
        return;
      }
      this.#queue.unshift(...failed);
      await this.#clock.delay(backoffDelayMs(++failures, BACKOFF), this.#stop.signal)
        .catch(() => undefined);
    }
  }

  /** The next statuses, up to the first whose route is in the window already. */
  #takeWindow(): Waiting[] {
    const routes = new Set<string>();
    let end = 0;
    for (const { status } of this.#queue) {
      if (end >= WINDOW_MAX || routes.has(status.routeId)) break;
      routes.add(status.routeId);
      end++;
    }
    return this.#queue.splice(0, end);
  }

  /** Publishes a window and returns what failed, in order; at a stop that is what is not stored. */
  async #publishAll(publisher: StatusPublisher, window: Waiting[]): Promise<Waiting[]> {
    // Of this window alone: what lives longer would keep every race against it.
    const left = new Promise<null>((resolve) => this.#leaveWindow = () => resolve(null));
    const outcomes = await Promise.race([
      Promise.allSettled(window.map(({ status }) => publisher.publish(status))),
      left,
    ]);
    this.#leaveWindow = null;
    if (outcomes === null) return window;
    const failed: Waiting[] = [];
    for (const [index, waiting] of window.entries()) {
      const outcome = outcomes[index];
      if (outcome?.status === "rejected") {
        failed.push(waiting);
        this.#logFailure(outcome.reason);
      } else {
        this.#counters.statuses++;
        waiting.done();
      }
    }
    return failed;
  }

  #giveUp(count: number, reason: string): void {
    if (count === 0) return;
    for (const waiting of this.#queue.splice(0, count)) waiting.done();
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
