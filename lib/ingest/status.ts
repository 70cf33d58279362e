/**
 * What the monitor is told after a flush (contract §6, design §4). Pure: one status per route, FAILED
 * when a row of the route was rejected in this flush, COMPLETED when none was.
 */
import type { TableUnavailableError } from "../errors.ts";
import { type Delivery, type MessageIdentity, storedNs } from "./delivery.ts";
import type { RouteStatus } from "./ports.ts";

/** Reasons that a status names at most; the rest is counted. */
const REASONS_MAX = 3;

/** Longest reason in a status, in characters: the monitor shows it to people. */
const REASON_CHARACTERS_MAX = 300;

interface RouteTally {
  last: MessageIdentity | null;
  rows: number;
  rejects: number;
  parked: number;
  readonly reasons: string[];
}

/** Collects what happened to each route in one flush. */
export class StatusTally {
  readonly #routes = new Map<string, RouteTally>();

  /** Counts one message of a route; messages are counted in stream order. */
  countMessage(routeId: string | null, rows: number, identity: MessageIdentity | null): void {
    const route = this.#route(routeId);
    if (route === null) return;
    route.rows += rows;
    route.last = identity;
  }

  /** Counts rejects of a route; `reasons` may be fewer than `count`. */
  countRejects(routeId: string | null, count: number, reasons: readonly string[]): void {
    const route = this.#route(routeId);
    if (route === null || count === 0) return;
    route.rejects += count;
    for (const reason of reasons) {
      if (route.reasons.length >= REASONS_MAX) break;
      route.reasons.push(shortened(reason));
    }
  }

  /** Counts rows that wait in `rejected` until their table can be written again. */
  countParked(routeId: string | null, rows: number, reason: string): void {
    const route = this.#route(routeId);
    if (route === null) return;
    route.parked += rows;
    const short = shortened(reason);
    if (!route.reasons.includes(short)) route.reasons.push(short);
  }

  /** One status a route; `notes` are said with each (malformed properties, for example). */
  statuses(notes: readonly string[]): RouteStatus[] {
    return [...this.#routes].map(([routeId, route]) => routeStatus(routeId, route, notes));
  }

  #route(routeId: string | null): RouteTally | null {
    if (routeId === null) return null;
    let route = this.#routes.get(routeId);
    if (route === undefined) {
      route = { last: null, rows: 0, rejects: 0, parked: 0, reasons: [] };
      this.#routes.set(routeId, route);
    }
    return route;
  }
}

function routeStatus(routeId: string, route: RouteTally, notes: readonly string[]): RouteStatus {
  const failed = route.rejects > 0 || route.parked > 0;
  const sentences = notes.map(shortened);
  if (route.parked > 0) {
    sentences.unshift(`${route.parked} rows wait: ${route.reasons.join("; ")}`);
  } else if (failed) {
    const whole = route.rejects === 1 ? "1 message" : `${route.rejects} messages`;
    const what = route.rows > 0 ? `${route.rejects} of ${route.rows} rows` : whole;
    sentences.unshift(`Rejected ${what}: ${route.reasons.join("; ")}`);
  }
  return {
    routeId,
    status: failed ? "FAILED" : "COMPLETED",
    exception: sentences.join(". "),
    data: failed
      ? {
        ...(route.parked > 0 ? { parked: route.parked } : { rejected: route.rejects }),
        rows: route.rows,
        reasons: route.reasons,
        command: `state-tables rejects list --route=${quoteWord(routeId)}`,
        details: `SELECT * FROM state_tables.rejected WHERE route_id = ${quoteLiteral(routeId)}`,
      }
      : null,
    messageId: statusMessageId(route.last, failed ? "FAILED" : "COMPLETED"),
  };
}

/** FAILED for each route whose rows wait for a table that refuses them. */
export function refusedStatuses(
  deliveries: Iterable<Delivery>,
  error: TableUnavailableError,
): RouteStatus[] {
  const routes = new Set<string>();
  for (const { routeId } of deliveries) if (routeId !== null) routes.add(routeId);
  return [...routes].map((routeId) => ({
    routeId,
    status: "FAILED",
    exception: `The table '${error.table}' cannot be written: ${error.message}`,
    data: null,
    messageId: null,
  }));
}

/** `Nats-Msg-Id` of a status: a repeat of the same fact has the same one (design §4). */
export function statusMessageId(
  last: MessageIdentity | null,
  status: RouteStatus["status"],
): string | null {
  if (last === null) return null;
  const { consumer, stream, created } = last.origin;
  return [consumer, stream, created, last.sequence, storedNs(last), status].join(":");
}

function shortened(text: string): string {
  return text.length <= REASON_CHARACTERS_MAX
    ? text
    : `${text.slice(0, REASON_CHARACTERS_MAX - 3)}...`;
}

/** A word for the command that people paste into a shell. */
function quoteWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A string literal for the query that people paste into psql. */
function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
