/**
 * Numbers for stream origins: the ledger's entries hold a small integer instead of four texts. An
 * origin gets its number once, in a transaction of its own, so that a flush that is rolled back does
 * not take it along. Numbers are remembered per session, as a database restored from a backup comes
 * with new connections.
 */
import type { StreamOrigin } from "../ingest/delivery.ts";
import type { SharedFloor, StartPosition } from "../ingest/ports.ts";
import type { Session } from "./session.ts";

type OriginName = Omit<StreamOrigin, "consumerCreated">;

const FIND = `SELECT id FROM state_tables.source
  WHERE consumer = $1 AND filter = $2 AND stream = $3 AND created = $4`;

const INSERT = `INSERT INTO state_tables.source (consumer, filter, stream, created)
  VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`;

const RECORD_START =
  `INSERT INTO state_tables.source AS s (consumer, filter, stream, created, begins_at)
  VALUES ($1, $2, $3, $4, $5::text::jsonb)
  ON CONFLICT (consumer, filter, stream, created)
  DO UPDATE SET begins_at = excluded.begins_at
  WHERE s.begins_at IS NULL OR s.begins_at->>'kind' = 'shared'`;

/** A floor that steps back says nothing new. */
const RECORD_SHARED = `UPDATE state_tables.source SET begins_at = $2::text::jsonb
  WHERE id = $1::int AND begins_at IS DISTINCT FROM $2::text::jsonb
    AND coalesce((begins_at->>'sequence')::bigint, 0) <= $3::bigint`;

/** Origins whose numbers one session keeps; a consumer has one, and a new one when it is remade. */
const ORIGINS_MAX = 1_000;

/** Numbers of origins; see the top of this file. */
export class SourceIds {
  #bySession = new WeakMap<Session, Map<StreamOrigin, number>>();

  /** The origin's number, made when it has none. To be called outside of a transaction. */
  async resolve(session: Session, origin: StreamOrigin): Promise<number> {
    const known = this.#known(session);
    const cached = known.get(origin);
    if (cached !== undefined) return cached;
    const id = await findSource(session, origin) ?? await insertSource(session, origin);
    if (known.size >= ORIGINS_MAX) known.clear();
    known.set(origin, id);
    return id;
  }

  /** Numbers are to be looked up again: the ledger may be another one. */
  forget(): void {
    this.#bySession = new WeakMap();
  }

  #known(session: Session): Map<StreamOrigin, number> {
    let known = this.#bySession.get(session);
    if (known === undefined) this.#bySession.set(session, known = new Map());
    return known;
  }
}

/** The origin's number, or null when the ledger has never heard of it. */
export async function findSource(session: Session, origin: OriginName): Promise<number | null> {
  const [row] = await session.query<{ id: number }>(FIND, parametersOf(origin));
  return row?.id ?? null;
}

/** Remembers where our consumer of an origin begins; the first answer stays. */
export async function recordStart(
  session: Session,
  origin: OriginName,
  start: StartPosition,
): Promise<void> {
  await session.query(RECORD_START, [...parametersOf(origin), JSON.stringify(start)]);
}

/** Remembers how far a consumer that another program made is settled. */
export async function recordShared(
  session: Session,
  source: number,
  floor: SharedFloor,
): Promise<void> {
  const text = JSON.stringify({ kind: "shared", ...floor });
  await session.query(RECORD_SHARED, [source, text, floor.sequence]);
}

async function insertSource(session: Session, origin: StreamOrigin): Promise<number> {
  await session.query(INSERT, parametersOf(origin));
  // Found again instead of RETURNING: another instance may have been quicker.
  const id = await findSource(session, origin);
  if (id === null) throw new TypeError("Cannot find the source that was just inserted");
  return id;
}

function parametersOf(origin: OriginName): string[] {
  return [origin.consumer, origin.filter, origin.stream, origin.created];
}
