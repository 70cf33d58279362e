/** What the demo prints: tables with their columns and a few rows, statuses, rejects. */
import type postgres from "postgres";
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { DemoProcessor } from "./workflow.ts";

/** Longest value shown, in characters. */
const VALUE_MAX = 34;

/** Rows shown of each table. */
const ROWS_SHOWN = 3;

const encoder = new TextEncoder();

/** Writes one line to standard output. */
export function say(line: string): void {
  Deno.stdout.writeSync(encoder.encode(`${line}\n`));
}

/** Each table: its columns with types, its size, and a few rows. */
export async function printTables(
  sql: postgres.Sql,
  processors: readonly DemoProcessor[],
): Promise<void> {
  for (const { processorId, title, properties } of processors) {
    const table = `${processorId}_${properties.tableName}`;
    const columns = await sql<{ name: string; type: string }[]>`
      select attname as name, format_type(atttypid, atttypmod) as type
      from pg_attribute
      where attrelid = ${`"${table}"`}::regclass and attnum > 0 and not attisdropped
      order by attnum`;
    const [count] = await sql`select count(*)::int as rows from ${sql(table)}`;
    say(`Table "${table}": ${title}, ${count?.rows} rows`);
    say(`  ${columns.map(({ name, type }) => `${name} ${shortType(type)}`).join(", ")}`);
    const values = columns.map(({ name }) => `"${name.replaceAll('"', '""')}"::text`).join(", ");
    const rows = await sql.unsafe(`select ${values} from "${table}" limit ${ROWS_SHOWN}`).values();
    for (const row of rows) say(`  | ${row.map((value) => shown(value)).join(" | ")}`);
    say("");
  }
}

/** How often the monitor heard which status, and one FAILED in full. */
export async function printStatuses(connection: NatsConnection, stream: string): Promise<void> {
  const manager = await jetstreamManager(connection);
  const { state } = await manager.streams.info(stream);
  const counts = new Map<string, number>();
  let failed: Record<string, unknown> | null = null;
  for (let sequence = state.first_seq; sequence <= state.last_seq; sequence++) {
    const message = await manager.streams.getMessage(stream, { seq: sequence });
    const status = message?.json<Record<string, unknown>>();
    if (status === undefined) continue;
    const name = String(status.status);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    if (name === "FAILED") failed ??= status;
  }
  say(
    `Statuses heard by the monitor: ${[...counts].map(([name, n]) => `${name} ${n}`).join(", ")}`,
  );
  if (failed !== null) say(`  one FAILED: ${failed.route_id}: ${failed.exception}`);
  say("");
}

/** What could not land, kept with its reason. */
export async function printRejects(sql: postgres.Sql): Promise<void> {
  const rejects = await sql<{ reason: string; payload: string }[]>`
    select reason, coalesce(record, convert_from(payload, 'UTF8')) as payload
    from state_tables.rejected order by id limit 5`;
  const [count] = await sql`select count(*)::int as rejects from state_tables.rejected`;
  say(`Rejects, kept in state_tables.rejected: ${count?.rejects}`);
  for (const { reason, payload } of rejects) say(`  | ${shown(payload)} | ${reason}`);
}

function shortType(type: string): string {
  return type === "timestamp with time zone" ? "timestamptz" : type;
}

function shown(value: unknown): string {
  if (value === null) return "null";
  const text = String(value).replace(/\s+/g, " ");
  return text.length <= VALUE_MAX ? text : `${text.slice(0, VALUE_MAX - 1)}…`;
}
