/**
 * Watches a scenario from outside: how long nothing became durable although something waited, and
 * whether a COMPLETED was ever said before its rows were durable. Reads the ledger without the proxy;
 * while PostgreSQL is away nothing is durable, and that is a stall like any other.
 */
import type { Subscription } from "@nats-io/nats-core";
import { type Bed, MONITOR_SUBJECT } from "./bed.ts";
import type { Publisher } from "./load.ts";
import { KNOWN_MESSAGES } from "../servers/known_messages.ts";

const POLL_MS = 150;

/** Statuses checked at once; more that come meanwhile are not checked. */
const CHECKS_MAX = 4;
const LIES_SHOWN = 5;

/** The watch; dispose it to end it. */
export class ProgressWatch implements AsyncDisposable {
  longestStallMs = 0;
  /** Statuses that were not true when they were heard. */
  readonly lies: string[] = [];
  readonly #bed: Bed;
  readonly #publisher: Publisher;
  readonly #subscription: Subscription;
  readonly #loops: Promise<unknown>;
  #isStopped = false;
  #checking = 0;

  constructor(bed: Bed, publisher: Publisher) {
    this.#bed = bed;
    this.#publisher = publisher;
    this.#subscription = bed.connection.subscribe(MONITOR_SUBJECT);
    this.#loops = Promise.all([this.#watchLedger(), this.#watchStatuses()]);
  }

  stop(): void {
    this.#isStopped = true;
    this.#subscription.unsubscribe();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.#loops;
  }

  async #watchLedger(): Promise<void> {
    let durable = 0;
    let sinceMs = performance.now();
    while (!this.#isStopped) {
      const now = await this.#countDurable();
      const hasProgress = now !== null && now !== durable;
      const isDone = now !== null && now >= this.#publisher.published.length;
      if (hasProgress || isDone) sinceMs = performance.now();
      if (now !== null) durable = now;
      this.longestStallMs = Math.max(this.longestStallMs, performance.now() - sinceMs);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async #countDurable(): Promise<number | null> {
    try {
      const { sql } = this.#bed;
      const [row] = await sql`select count(*)::int as n from ${sql.unsafe(KNOWN_MESSAGES)} known`;
      return Number(row?.n);
    } catch {
      return null; // away, or the ledger is not made yet
    }
  }

  async #watchStatuses(): Promise<void> {
    const checks = new Set<Promise<void>>();
    for await (const message of this.#subscription) {
      const id = message.headers?.get("Nats-Msg-Id") ?? "";
      if (this.#checking >= CHECKS_MAX || !id.endsWith(":COMPLETED")) continue;
      const check: Promise<void> = this.#check(id).finally(() => checks.delete(check));
      checks.add(check);
    }
    await Promise.all(checks);
  }

  /**
   * The id of a status names the last message it speaks of: that has to be in the ledger, or to be
   * among those that were pruned from it.
   */
  async #check(id: string): Promise<void> {
    const [sequence, storedNs] = id.split(":").slice(-3);
    this.#checking++;
    try {
      const { sql } = this.#bed;
      const [row] = await sql`
        select exists(select from ${sql.unsafe(KNOWN_MESSAGES)} d
          where d.seq = ${sequence ?? ""}::bigint and d.stored_ns = ${storedNs ?? ""}::bigint)
          or exists(select from state_tables.source s
          where s.pruned_seq >= ${sequence ?? ""}::bigint
            and s.pruned_ns >= ${storedNs ?? ""}::bigint) as yes`;
      if (row?.yes === true || this.lies.length >= LIES_SHOWN) return;
      this.lies.push(`COMPLETED was said before it was durable: ${id}`);
    } catch {
      // PostgreSQL went away since: nothing can be said about this one.
    } finally {
      this.#checking--;
    }
  }
}
