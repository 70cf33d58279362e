/** Prunes the ledger as the program would, without its wait. */
import { BLOCK_SEQUENCES } from "../../lib/store/ledger_span_sql.ts";
import { KNOWN_MESSAGES } from "../servers/known_messages.ts";
import type { ScenarioRun } from "./scenario.ts";

/**
 * The floor's age is a minute at least, longer than a scenario should take: so the entries below the
 * consumer's floor, which is returned, are pruned here as the program would.
 */
export async function pruneByHand(run: ScenarioRun): Promise<number> {
  await run.pause(run.rounds(2) * 1_000);
  const floor = (await run.bed.consumer())?.ack_floor.stream_seq ?? 0;
  if (floor === 0) throw new Error("The consumer has settled nothing yet");
  await run.bed.sql.begin(async (sql) => {
    const [last] = await sql`select max(stored_ns) as ns
      from ${sql.unsafe(KNOWN_MESSAGES)} known where seq <= ${floor}`;
    if (last?.ns === null) throw new Error("The ledger had nothing to prune");
    await sql`delete from state_tables.delivered where seq <= ${floor}`;
    await sql`delete from state_tables.delivered_span
      where (seq | ${BLOCK_SEQUENCES - 1}) <= ${floor}`;
    await sql`update state_tables.source set pruned_seq = ${floor}, pruned_ns = ${last?.ns}`;
  });
  return floor;
}
