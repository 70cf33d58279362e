/**
 * Finds connections whose packets vanish: while a statement takes longer than any lock may be waited
 * for, a connection of its own asks what the server is doing for it. A server process that is gone,
 * or that waits for us all the time while we wait for it, means that the connection is dead: the
 * process is ended, so that it holds no locks, and the session is to be thrown away. One that works
 * is left alone. Without an answer, or behind a pooler, nothing is concluded.
 */
import type { Clock } from "../clock.ts";
import { StoreUnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Session } from "./session.ts";
import { integerArray } from "./sql_text.ts";
import { StatementError } from "./statement_error.ts";

/** What a {@linkcode SessionWatch} works with. */
export interface SessionWatchOptions {
  /** Opens one session. */
  readonly open: () => Promise<Session>;
  /** A statement under way for longer is looked at, in milliseconds. */
  readonly suspectMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** The server process behind a session. */
interface Backend {
  readonly pid: number;
  /** When the process and its server began, the server's text: numbers are used again. */
  readonly startedAt: string;
  readonly serverStartedAt: string;
}

/** What the server says of a process. */
export interface BackendActivity {
  readonly state: string | null;
  readonly waitType: string | null;
  /** When the state began, the server's text. */
  readonly stateSince: string | null;
  /** Milliseconds since then, by the server's clock. */
  readonly stateMs: number | null;
  /** Bytes that the COPY under way has read; null without one. */
  readonly copiedBytes: string | null;
}

/** Sessions to look at, and since when each waits (monotonic), as `busySinceMs` said before the look. */
type Suspects = ReadonlyMap<Session, number | null>;

/** What was seen of a session, unchanged since `sinceMs` (monotonic). */
interface Sighting {
  readonly signature: string;
  readonly sinceMs: number;
}

const BACKEND = `SELECT pg_catalog.pg_backend_pid() AS "pid", b.backend_start::text AS "startedAt",
    pg_catalog.pg_postmaster_start_time()::text AS "serverStartedAt"
  FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) b`;

/** `pg_stat_progress_copy` came with PostgreSQL 14; on older servers the look fails. */
const ACTIVITY = `SELECT a.pid AS "pid", a.backend_start::text AS "startedAt", a.state,
    a.wait_event_type AS "waitType", a.state_change::text AS "stateSince",
    extract(epoch FROM clock_timestamp() - a.state_change)::float8 * 1000 AS "stateMs",
    c.bytes_processed::text AS "copiedBytes",
    pg_catalog.pg_postmaster_start_time()::text AS "serverStartedAt"
  FROM (SELECT) one LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = ANY ($1::int[])
  LEFT JOIN pg_catalog.pg_stat_progress_copy c ON c.pid = a.pid`;

const TERMINATE = `SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a
  WHERE a.pid = $1::int AND a.backend_start::text = $2::text`;

/** A look takes this long at most, in milliseconds: it may be swallowed, too. */
const LOOK_MAX_MS = 2_000;

/** Time to the next look when nothing was suspicious, in milliseconds. */
const WORKING_PAUSE_MS = 5_000;

/**
 * What has to be unchanged for so long, in milliseconds: a server that waits for a statement, which
 * says itself since when; one that waits for data, or for us to read, which may take long on a slow
 * link and is watched over several looks.
 */
const PATIENCE_MS = { statement: 2_000, data: 3_000 };

/** Each verdict makes the next ones slower for a while: nobody is kept from ever succeeding. */
const PATIENCE_FACTOR_MAX = 16;
const FACTOR_FALLS_AFTER_MS = 120_000;

/** Watches the sessions that it opened. */
export class SessionWatch {
  readonly suspectMs: number;
  readonly #options: SessionWatchOptions;
  readonly #backends = new WeakMap<Session, Backend>();
  #sightings = new Map<Session, Sighting>();
  #notBeforeMs = 0;
  #patienceFactor = 1;
  #verdictAtMs = -Infinity;

  constructor(options: SessionWatchOptions) {
    this.#options = options;
    this.suspectMs = options.suspectMs;
  }

  /** Opens a session that can be looked at. */
  async open(): Promise<Session> {
    const session = await this.#options.open();
    try {
      const backend = await readBackend(session);
      if (backend !== null) this.#backends.set(session, backend);
      return session;
    } catch (error) {
      await session.destroy();
      if (!(error instanceof StatementError)) throw error;
      throw new StoreUnavailableError(
        `Cannot use a new connection as PostgreSQL says: ${error.message}`,
        { sqlState: error.sqlState, cause: error },
      );
    }
  }

  /**
   * Looks at sessions whose statement takes long; answers with those whose connection is dead. Their
   * server processes were told to end.
   */
  async look(suspects: readonly Session[]): Promise<readonly Session[]> {
    const { clock, log } = this.#options;
    const known = new Map(
      suspects.filter((session) => this.#backends.has(session))
        .map((session) => [session, session.busySinceMs]),
    );
    if (known.size === 0 || clock.monotonic() < this.#notBeforeMs) return [];
    const timer = new AbortController();
    const limit = clock.delay(LOOK_MAX_MS, timer.signal).then(() => [], () => []);
    try {
      return await Promise.race([this.#lookWith(known, limit), limit]);
    } catch (error) {
      if (!(error instanceof StatementError || error instanceof StoreUnavailableError)) throw error;
      log.debug("Cannot look what PostgreSQL is doing", { reason: error.message });
      return [];
    } finally {
      timer.abort();
    }
  }

  /** @param limit settles when nobody waits any more: a connection that comes later is ended */
  async #lookWith(suspects: Suspects, limit: Promise<unknown>): Promise<Session[]> {
    const session = await this.#options.open();
    limit.then(() => session.destroy());
    try {
      return await this.#judgeAll(session, suspects);
    } finally {
      await session.destroy();
    }
  }

  async #judgeAll(witness: Session, suspects: Suspects): Promise<Session[]> {
    const { clock } = this.#options;
    const pids = [...suspects.keys()].map((session) => this.#backends.get(session)?.pid ?? 0);
    const rows = await witness.query<Backend & BackendActivity>(ACTIVITY, [integerArray(pids)]);
    const nowMs = clock.monotonic();
    if (nowMs - this.#verdictAtMs > FACTOR_FALLS_AFTER_MS) this.#patienceFactor = 1;
    const sightings = new Map<Session, Sighting>();
    const dead: Session[] = [];
    for (const [session, busySinceMs] of suspects) {
      // While the look took place, what had come when this program slept was read, too.
      if (session.busySinceMs !== busySinceMs) continue;
      const backend = this.#backends.get(session);
      const isSameAddress = session.address.host === witness.address.host &&
        session.address.port === witness.address.port;
      if (backend === undefined || !isSameAddress) continue;
      const found = rows.find(({ pid, startedAt }) =>
        pid === backend.pid && startedAt === backend.startedAt
      );
      const patienceMs = patienceFor(found ?? null);
      if (patienceMs === null) continue;
      const signature = JSON.stringify({ ...found, stateMs: null });
      const before = this.#sightings.get(session);
      const seenMs = before?.signature === signature ? before.sinceMs : nowMs;
      const sinceMs = Math.min(seenMs, nowMs - idleMs(found ?? null));
      const isGone = found === undefined && rows[0]?.serverStartedAt === backend.serverStartedAt;
      if (isGone || nowMs - sinceMs >= patienceMs * this.#patienceFactor) {
        await this.#end(witness, backend, found ?? null);
        dead.push(session);
      } else sightings.set(session, { signature, sinceMs });
    }
    this.#sightings = sightings;
    if (dead.length === 0 && sightings.size === 0) this.#notBeforeMs = nowMs + WORKING_PAUSE_MS;
    if (dead.length > 0) {
      this.#verdictAtMs = nowMs;
      this.#patienceFactor = Math.min(this.#patienceFactor * 2, PATIENCE_FACTOR_MAX);
    }
    return dead;
  }

  async #end(
    witness: Session,
    { pid, startedAt }: Backend,
    activity: BackendActivity | null,
  ): Promise<void> {
    this.#options.log.warn("A connection to PostgreSQL is dead and given up", {
      server_process: pid,
      state: activity?.state ?? "gone",
      waits_for: activity?.waitType,
    });
    if (activity !== null) await witness.query(TERMINATE, [pid, startedAt]);
  }
}

/**
 * How long this has to be seen unchanged before the connection counts as dead; null when the server
 * is at work. Whoever asks waits for the server.
 */
export function patienceFor(activity: BackendActivity | null): number | null {
  if (activity === null) return PATIENCE_MS.data;
  const { state, waitType } = activity;
  if (state === "active") return waitType === "Client" ? PATIENCE_MS.data : null;
  // In or outside of a transaction. What is left says nothing: `disabled`, or null, not to be seen.
  return state?.startsWith("idle") === true ? PATIENCE_MS.statement : null;
}

/** How long the server has waited for a statement by its own account, in milliseconds; else 0. */
export function idleMs(activity: BackendActivity | null): number {
  return activity?.state?.startsWith("idle") === true ? activity.stateMs ?? 0 : 0;
}

/** Null when a pooler stands in between: then the process serves others, too. */
async function readBackend(session: Session): Promise<Backend | null> {
  const rows = await session.queryOnce<Backend>(BACKEND);
  const [backend] = rows;
  // The client library leaves with each result the number that it was given at the connect; a pooler
  // gives one of its own.
  const { state } = rows as { readonly state?: { readonly pid?: unknown } };
  return backend !== undefined && state?.pid === backend.pid ? backend : null;
}
