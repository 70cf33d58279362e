/**
 * Looks at everything when a scenario is over: tables against what was published, statuses, sessions
 * left behind in PostgreSQL, exit codes and logs. Each fault of the program becomes one sentence.
 */
import { type Bed, MONITOR_STREAM, PASSWORD_CANARY } from "./bed.ts";
import { CELL_CANARY, type LoadMessage } from "./load.ts";
import { compareTable, type Comparison, type FoundRow, sumOf } from "./oracle.ts";
import type { ProgramCounts, Scenario } from "./scenario.ts";
import { complaints, type LogLine, parseLog, summed } from "./service_log.ts";

/** Warnings and errors of one instance at most: an outage is first said, then summed up. */
const COMPLAINTS_MAX = 60;

/** Resident memory at most, in bytes. */
const MEMORY_MAX = 400 * 1024 * 1024;

/** Ids named in a sentence at most. */
const IDS_SHOWN = 5;

/**
 * Compares all tables, those of a processor together; of the spoiled ones only what is there twice or
 * was never published.
 */
export async function compareTables(
  bed: Bed,
  published: readonly LoadMessage[],
  { spoiledTables = [], tableNames = [] }: Pick<Scenario, "spoiledTables" | "tableNames">,
): Promise<Comparison> {
  const byTable = Map.groupBy(published, ({ target }) => target.table);
  const comparisons: Comparison[] = [];
  for (const { table } of bed.targets) {
    const found: FoundRow[] = [];
    for (const name of [table, ...tableNames.map((suffix) => `${table}_${suffix}`)]) {
      found.push(...await readTable(bed, name));
    }
    const comparison = compareTable(byTable.get(table) ?? [], found);
    const isSpoiled = spoiledTables.includes(table);
    comparisons.push(isSpoiled ? { ...comparison, lost: [], changed: [] } : comparison);
  }
  return sumOf(comparisons);
}

async function readTable(bed: Bed, table: string): Promise<FoundRow[]> {
  const [found] = await bed.sql`select to_regclass(${`"${table}"`}) is not null as found`;
  return found?.found === true ? [...await bed.sql`select * from ${bed.sql(table)}`] : [];
}

/**
 * Rows of one table that were committed before rows of an earlier message. Ids ascend as messages
 * were published; transaction numbers as flushes began.
 */
export async function orderFaults(bed: Bed): Promise<string[]> {
  const faults: string[] = [];
  for (const { table } of bed.targets) {
    const [found] = await bed.sql`select to_regclass(${`"${table}"`}) is not null as found`;
    if (found?.found !== true) continue;
    const flushes = await bed.sql`
      select min(id::bigint)::text as first, max(id::bigint)::text as last from ${bed.sql(table)}
      group by xmin::text::bigint order by xmin::text::bigint`;
    let reached = 0;
    for (const { first, last } of flushes) {
      if (Number(first) < reached) faults.push(`${table}: row ${first} came behind row ${reached}`);
      reached = Math.max(reached, Number(last));
    }
  }
  return faults.slice(0, IDS_SHOWN);
}

/** What the tables say, as sentences. */
export function comparisonFaults(comparison: Comparison): string[] {
  const faults: string[] = [];
  for (const name of ["lost", "duplicated", "unknown", "changed"] as const) {
    const ids = comparison[name];
    if (ids.length === 0) continue;
    const shown = ids.slice(0, IDS_SHOWN).join(", ");
    faults.push(`${ids.length} rows ${name}: ids ${shown}${ids.length > IDS_SHOWN ? " …" : ""}`);
  }
  return faults;
}

/** Every good route has a COMPLETED, and only those with bad rows a FAILED. */
export async function statusFaults(
  bed: Bed,
  published: readonly LoadMessage[],
  refused: readonly string[],
): Promise<string[]> {
  const heard = new Map<string, Set<string>>();
  const manager = await bed.manager();
  const { state } = await manager.streams.info(MONITOR_STREAM);
  if (state.messages > 0) {
    const consumer = await bed.stream.consumers.get(MONITOR_STREAM);
    let left = state.messages;
    while (left > 0) {
      const batch = await consumer.fetch({ max_messages: left, expires: 5_000 });
      const before = left;
      for await (const message of batch) {
        left--;
        const { route_id, status } = message.json<{ route_id: string; status: string }>();
        heard.set(route_id, (heard.get(route_id) ?? new Set()).add(status));
      }
      if (left === before) break;
    }
  }
  const faults: string[] = [];
  for (const [routeId, messages] of Map.groupBy(published, ({ target }) => target.routeId)) {
    const statuses = heard.get(routeId) ?? new Set();
    const hasPoison = messages.some(({ poison }) => poison);
    if (statuses.size === 0) faults.push(`No status of route ${routeId}`);
    if (hasPoison && !statuses.has("FAILED")) faults.push(`No FAILED of route ${routeId}`);
    const mayFail = hasPoison || refused.includes(routeId);
    if (!mayFail && statuses.has("FAILED")) faults.push(`FAILED for the good route ${routeId}`);
  }
  return faults.length <= IDS_SHOWN
    ? faults
    : [...faults.slice(0, IDS_SHOWN), `… ${faults.length} such statuses in all`];
}

/** Nothing of ours waits for a lock or sits in a transaction when all is settled. */
export async function sessionFaults(bed: Bed): Promise<string[]> {
  const stuck = await bed.sql`
    select state, wait_event_type, left(query, 60) as query from pg_stat_activity
    where application_name = 'state-tables' and
      (state like 'idle in transaction%' or wait_event_type = 'Lock')`;
  return stuck.map(({ state, wait_event_type, query }) =>
    `A session is stuck: ${state}, ${wait_event_type}, ${query}`
  );
}

/** Logs of all instances. */
export async function readLogs(bed: Bed): Promise<LogLine[][]> {
  return await Promise.all(
    bed.instances.map(async ({ process }) => parseLog(await process.log())),
  );
}

/** What the summaries of all instances add up to. */
export function countsOf(logs: readonly LogLine[][]): ProgramCounts {
  const total = (counter: string): number =>
    logs.reduce((sum, lines) => sum + summed(lines, counter), 0);
  return {
    redelivered: total("redelivered"),
    ledgerDrops: total("ledger_drops"),
    storeRetries: total("store_retries"),
    tableRetries: total("table_retries"),
    rejectedRows: total("rejected_rows"),
    extensions: total("extensions"),
    statusesLost: total("statuses_lost"),
    parkedMessages: total("parked_messages"),
    unparkedMessages: total("unparked_messages"),
  };
}

/** Exit codes, memory, secrets in logs, and logs without measure. */
export function instanceFaults(
  bed: Bed,
  logs: readonly LogLine[][],
  scenario: Scenario,
): string[] {
  const faults: string[] = [];
  for (const [index, instance] of bed.instances.entries()) {
    const lines = logs[index] ?? [];
    const { end, exitCode, peakBytes } = instance;
    const allowed = [0, ...scenario.exitCodes ?? []];
    if (end === "stopped" && !allowed.includes(exitCode ?? -1)) {
      faults.push(`Instance ${index} ended with ${exitCode}: ${lastWords(lines)}`);
    }
    if (peakBytes > MEMORY_MAX) {
      faults.push(`Instance ${index} used ${Math.round(peakBytes / 2 ** 20)} MiB`);
    }
    const loud = complaints(lines);
    if (loud.length > COMPLAINTS_MAX) {
      faults.push(`Instance ${index} complained ${loud.length} times: ${loud[0]?.message}`);
    }
    for (const canary of [CELL_CANARY, PASSWORD_CANARY]) {
      const line = lines.find(({ raw }) => raw.includes(canary));
      if (line !== undefined) faults.push(`Instance ${index} logs ${canary}: ${line.message}`);
    }
    for (const { message, fields, raw, level } of lines) {
      if (message === "Unexpected error") faults.push(`A bug: ${String(fields.error)}`);
      else if (level === "raw") faults.push(`Not a log line: ${raw.slice(0, 200)}`);
    }
  }
  return faults;
}

function lastWords(lines: readonly LogLine[]): string {
  return lines.slice(-3).map(({ message }) => message).join(" | ");
}
