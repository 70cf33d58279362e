/** Prunes the ledger as the program would, without its wait. */
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
    const pruned = await sql`
      delete from state_tables.delivered where seq <= ${floor} returning stored_ns`;
    if (pruned.length === 0) throw new Error("The ledger had nothing to prune");
    const last = pruned.map(({ stored_ns }) => BigInt(stored_ns))
      .reduce((a, b) => a > b ? a : b);
    await sql`update state_tables.source set pruned_seq = ${floor}, pruned_ns = ${String(last)}`;
  });
  return floor;
}
