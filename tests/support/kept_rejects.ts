/** Rejects put into `state_tables.rejected` as the program would have kept them. */
import type postgres from "postgres";

/** A reject to be kept; what is absent is null. */
export interface RejectFixture {
  /** The record's JSON text; else `payload` is a whole message. */
  readonly record?: string;
  readonly payload?: string | Uint8Array;
  readonly processorId?: string;
  readonly routeId?: string;
  readonly tableName?: string;
  readonly reason?: string;
  readonly state?: "rejected" | "parked";
  /** Stream sequence; null for core NATS. */
  readonly sequence?: number;
  readonly ordinal?: number;
  readonly receivedAt?: Date;
  readonly keptAt?: Date;
}

/** Keeps one reject; returns its id. */
export async function keepReject(sql: postgres.Sql, reject: RejectFixture): Promise<string> {
  const { sequence, record, payload } = reject;
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  const source = sequence === undefined ? null : await sourceId(sql);
  const [kept] = await sql`
    insert into state_tables.rejected (at, state, source, seq, stored_ns, ordinal, route_id,
      processor_id, table_name, reason, record, payload, received_at)
    values (${reject.keptAt ?? new Date()}, ${reject.state ?? "rejected"}, ${source},
      ${sequence ?? null}, ${sequence === undefined ? null : sequence * 1_000},
      ${bytes === undefined ? reject.ordinal ?? 0 : -1}, ${reject.routeId ?? null},
      ${reject.processorId ?? null}, ${reject.tableName ?? null}, ${reject.reason ?? "unfit"},
      ${record ?? null}, decode(${bytes?.toBase64() ?? null}, 'base64'),
      ${reject.receivedAt ?? new Date()})
    returning id::text`;
  return String(kept?.id);
}

/** Keeps many records of one processor in one statement: `{"n": 1}` to `{"n": count}`. */
export async function keepNumbers(
  sql: postgres.Sql,
  processorId: string,
  count: number,
): Promise<void> {
  await sql`
    insert into state_tables.rejected (ordinal, processor_id, reason, record, received_at)
    select 0, ${processorId}, 'unfit', '{"n": ' || n || '}', now()
    from generate_series(1, ${count}::int) n`;
}

async function sourceId(sql: postgres.Sql): Promise<number> {
  await sql`insert into state_tables.source (consumer, filter, stream, created)
    values ('durable', '', 'orders', '2026-11-24T10:00:00Z') on conflict do nothing`;
  const [source] = await sql`select id from state_tables.source where stream = 'orders'`;
  return Number(source?.id);
}
