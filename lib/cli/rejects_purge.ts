/**
 * The `rejects purge` command: deletes rejects for good, after a question. What is counted for the
 * question is what goes: rejects that come later stay. Parked rows are good rows that wait for their
 * table: they go only when asked for by name.
 */
import { EXIT_CODES, type ExitCode } from "./exit_code.ts";
import type { ProgramEnvironment } from "./program_environment.ts";
import { choiceFault, filterOf, type PurgeArguments } from "./rejects_arguments.ts";
import type { RejectsSession } from "./rejects_session.ts";

/** Rejects deleted in one transaction. */
const CHUNK_ROWS = 1_000;

/** Purges; exit code 3 when the answer was no, or when it was stopped before the end. */
export async function purge(
  environment: ProgramEnvironment,
  { store }: RejectsSession,
  choice: PurgeArguments,
): Promise<ExitCode> {
  const asked = filterOf(choice);
  const fault = choiceFault(asked, choice.all) ?? confirmationFault(environment, choice);
  if (fault !== null) {
    environment.writeError(`Cannot choose what to purge: ${fault}\n`);
    return EXIT_CODES.misconfigured;
  }
  const filter = { ...asked, state: asked.state ?? "rejected" };
  const { rejects, lastId } = await store.rejects.count(filter);
  const limit = Math.min(rejects, choice.limit ?? Infinity);
  if (limit > 0 && !choice.yes) {
    const what = filter.state === "parked" ? "parked rows" : "rejects";
    const answer = await environment.ask(`Delete ${limit} ${what} for good? [y/N] `);
    if (!/^y(es)?$/i.test(answer?.trim() ?? "")) {
      environment.writeError("Nothing was deleted.\n");
      return EXIT_CODES.incomplete;
    }
  }
  let purged = 0;
  while (purged < limit && !environment.stop.aborted) {
    const rowsMax = Math.min(CHUNK_ROWS, limit - purged);
    const deleted = await store.rejects.purge(filter, { lastId, rowsMax });
    if (deleted === 0) break;
    purged += deleted;
  }
  environment.writeOut(choice.json ? `${JSON.stringify({ purged })}\n` : `${purged} purged\n`);
  return environment.stop.aborted ? EXIT_CODES.incomplete : EXIT_CODES.stopped;
}

function confirmationFault(
  { isInteractive }: ProgramEnvironment,
  { yes }: PurgeArguments,
): string | null {
  return yes || isInteractive ? null : "nobody can be asked without a terminal: say --yes";
}
