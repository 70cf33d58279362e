/** The `rejects replay` command: moves rejects that fit by now into their tables, and counts. */
import { replayRejects } from "../ingest/replay.ts";
import { EXIT_CODES, type ExitCode } from "./exit_code.ts";
import type { ProgramEnvironment } from "./program_environment.ts";
import { printable } from "./reject_text.ts";
import { choiceFault, filterOf, type ReplayArguments } from "./rejects_arguments.ts";
import type { RejectsSession } from "./rejects_session.ts";

/** Replays; exit code 3 when some stayed, or when it was stopped before the end. */
export async function replay(
  environment: ProgramEnvironment,
  { store, clock, log, schemaDefaults }: RejectsSession,
  choice: ReplayArguments,
): Promise<ExitCode> {
  const filter = filterOf(choice);
  const fault = choiceFault(filter, choice.all);
  if (fault !== null) {
    environment.writeError(`Cannot choose what to replay: ${fault}\n`);
    return EXIT_CODES.misconfigured;
  }
  const said = new Set<string>();
  const onLeft = (sentence: string): void => {
    if (said.has(sentence)) return;
    said.add(sentence);
    environment.writeError(`${printable(sentence)}\n`);
  };
  const counts = await replayRejects(filter, choice.limit ?? Infinity, {
    catalog: store.catalog,
    store: store.tables,
    rejects: store.rejects,
    clock,
    log,
    schemaDefaults,
    stop: environment.stop,
    onLeft,
  });
  const { moved, rows, stayed, gone } = counts;
  environment.writeOut(
    choice.json
      ? `${JSON.stringify(counts)}\n`
      : `${moved} moved (${rows} rows written), ${stayed} stayed, ${gone} taken by somebody else\n`,
  );
  if (environment.stop.aborted) environment.writeError("Stopped before the end.\n");
  const isComplete = stayed === 0 && !environment.stop.aborted;
  return isComplete ? EXIT_CODES.stopped : EXIT_CODES.incomplete;
}
