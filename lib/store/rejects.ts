/**
 * Writes and reads `state_tables.rejected` inside other people's transactions. A message whose entry
 * the ledger already has finds here what was true when it was written.
 */
import { storedNs, type StreamOrigin } from "../ingest/delivery.ts";
import type { KnownMessage, Reject } from "../ingest/ports.ts";
import { keyArrays } from "./ledger_entries.ts";
import { indexOf, type LedgerEntries, narrowed } from "./ledger_groups.ts";
import type { Parameter, Session } from "./session.ts";

const COLUMNS = [
  "state",
  "source",
  "seq",
  "stored_ns",
  "ordinal",
  "route_id",
  "processor_id",
  "table_name",
  "sqlstate",
  "column_name",
  "constraint_name",
  "reason",
  "record",
  "payload",
  "received_at",
] as const;

/** Rejects in one statement: records may be large, and a statement takes 65,535 parameters. */
const ROWS_PER_STATEMENT = 200;

/** Reasons that a repeated status quotes. */
const REASONS_MAX = 3;

/** Keeps rejects. One that is there already stays as it is. */
export async function insertRejects(
  session: Session,
  rejects: readonly Reject[],
  sourceOf: ReadonlyMap<StreamOrigin, number>,
): Promise<void> {
  for (let at = 0; at < rejects.length; at += ROWS_PER_STATEMENT) {
    const part = rejects.slice(at, at + ROWS_PER_STATEMENT);
    const values = part.map((_, row) =>
      `(${COLUMNS.map((_, column) => `$${row * COLUMNS.length + column + 1}`).join(",")})`
    );
    await session.queryOnce(
      `INSERT INTO state_tables.rejected (${COLUMNS.join(",")}) VALUES ${values.join(",")}
       ON CONFLICT DO NOTHING`,
      part.flatMap((reject) => parametersOf(reject, sourceOf)),
    );
  }
}

function parametersOf(
  reject: Reject,
  sourceOf: ReadonlyMap<StreamOrigin, number>,
): readonly Parameter[] {
  const { identity, ordinal, payload } = reject;
  const isWholeMessage = ordinal < 0;
  return [
    reject.isParked === true ? "parked" : "rejected",
    identity === null ? null : sourceOf.get(identity.origin) ?? null,
    identity?.sequence ?? null,
    identity === null ? null : storedNs(identity),
    ordinal,
    storableText(reject.routeId),
    storableText(reject.processorId),
    storableText(reject.tableName),
    reject.sqlState,
    storableText(reject.columnName),
    storableText(reject.constraintName),
    storableText(reject.reason),
    isWholeMessage ? null : storableText(new TextDecoder().decode(payload)),
    isWholeMessage ? payload : null,
    new Date(reject.receivedAtMs),
  ];
}

/** PostgreSQL's text holds no NUL; a reject must land whatever its names hold. */
export function storableText(text: string | null): string | null {
  return text === null ? null : text.replaceAll("\0", "\ufffd");
}

interface SummaryRow {
  readonly seq: string;
  readonly stored_ns: string;
  readonly count: number;
  readonly reasons: readonly string[];
}

/** What `rejected` holds of each known message; `known` are indexes as in `ledger`. */
export async function summarizeKnown(
  session: Session,
  ledger: LedgerEntries,
  known: ReadonlySet<number>,
): Promise<readonly KnownMessage[]> {
  const messages: KnownMessage[] = [];
  for (const group of ledger.bySource) {
    const asked = narrowed(group, (index) => known.has(index));
    const { source, identities } = asked;
    if (identities.length === 0) continue;
    const rows = await session.queryOnce<SummaryRow>(
      `SELECT r.seq, r.stored_ns, pg_catalog.count(*)::int AS count,
         pg_catalog.to_json((pg_catalog.array_agg(r.reason ORDER BY r.ordinal))[1:${REASONS_MAX}])
           AS reasons
       FROM unnest($1::bigint[], $2::bigint[]) u(seq, ns)
       JOIN state_tables.rejected r ON r.source = ${source} AND r.seq = u.seq AND r.stored_ns = u.ns
       GROUP BY r.seq, r.stored_ns`,
      keyArrays(identities),
    );
    const summaries = new Map(rows.map((row) => [`${row.seq}:${row.stored_ns}`, row]));
    for (const [at, identity] of identities.entries()) {
      const summary = summaries.get(`${identity.sequence}:${storedNs(identity)}`);
      messages.push({
        index: indexOf(asked, at),
        rejectCount: summary?.count ?? 0,
        reasons: summary?.reasons ?? [],
      });
    }
  }
  return messages.sort((a, b) => a.index - b.index);
}
