/**
 * The part of a flush that replays rejects: locks them in the flush's own transaction, and settles
 * them there. A reject is deleted in the transaction that writes its rows, so it is written once
 * however many replays run and wherever they die; one that still does not fit stays, with the new
 * reason.
 */
import type { FlushMessages, Reject } from "../ingest/ports.ts";
import { storableText } from "./rejects.ts";
import type { Session } from "./session.ts";
import { integerArray } from "./sql_text.ts";

/** Ordered, so that two transactions lock alike; what another one holds is left to it. */
const LOCK = `SELECT r.id::text AS "id", r.ordinal FROM state_tables.rejected r
  WHERE r.id = ANY ($1::bigint[]) ORDER BY r.id FOR UPDATE SKIP LOCKED`;

const DELETE = `DELETE FROM state_tables.rejected WHERE id = ANY ($1::bigint[])`;

const RESTATE = `UPDATE state_tables.rejected SET processor_id = $2, table_name = $3, sqlstate = $4,
  column_name = $5, constraint_name = $6, reason = $7 WHERE id = $1::bigint`;

/** A record of a message that was kept whole; it inherits the message's identity. */
const SPLIT = `INSERT INTO state_tables.rejected (source, seq, stored_ns, received_at, ordinal,
    processor_id, table_name, sqlstate, column_name, constraint_name, reason, route_id, record)
  SELECT source, seq, stored_ns, received_at, $8::int, $2::text, $3::text, $4::text, $5::text,
    $6::text, $7::text, $9::text, $10::text
  FROM state_tables.rejected WHERE id = $1::bigint ON CONFLICT DO NOTHING`;

/** The rejects that this transaction may replay. */
export interface LockedRejects {
  /** Indexes into the flush's messages of those that somebody else has, or had. */
  readonly gone: ReadonlySet<number>;
  /** Stored ordinal by id. */
  readonly ordinals: ReadonlyMap<string, number>;
}

/** Locks what the flush replays. The first statement of the transaction that touches them. */
export async function lockReplayed(
  session: Session,
  { replays }: Pick<FlushMessages, "replays">,
): Promise<LockedRejects> {
  if (replays.size === 0) return { gone: new Set(), ordinals: new Map() };
  const rows = await session.query<{ id: string; ordinal: number }>(LOCK, [
    integerArray(replays.values()),
  ]);
  const ordinals = new Map(rows.map(({ id, ordinal }) => [id, ordinal]));
  const gone = new Set<number>();
  for (const [index, id] of replays) if (!ordinals.has(id)) gone.add(index);
  return { gone, ordinals };
}

/** Deletes what landed and gives what did not its new reason. */
export async function settleReplayed(
  session: Session,
  { ordinals }: LockedRejects,
  rejects: readonly Reject[],
): Promise<void> {
  if (ordinals.size === 0) return;
  const staying = new Set<string>();
  for (const reject of rejects) {
    const id = reject.replayOf;
    const ordinal = id === undefined ? undefined : ordinals.get(id);
    if (id === undefined || ordinal === undefined) continue;
    if (ordinal >= 0) {
      staying.add(id);
      await session.query(RESTATE, [id, ...reasonParameters(reject)]);
    } else {
      const record = storableText(new TextDecoder().decode(reject.payload));
      const { routeId } = reject;
      await session.query(SPLIT, [
        id,
        ...reasonParameters(reject),
        reject.ordinal,
        storableText(routeId),
        record,
      ]);
    }
  }
  const landed = [...ordinals.keys()].filter((id) => !staying.has(id));
  await session.query(DELETE, [integerArray(landed)]);
}

function reasonParameters(reject: Reject): (string | null)[] {
  return [
    storableText(reject.processorId),
    storableText(reject.tableName),
    reject.sqlState,
    storableText(reject.columnName),
    storableText(reject.constraintName),
    storableText(reject.reason),
  ];
}
