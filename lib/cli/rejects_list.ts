/** The `rejects list` command: a line for each reject, the newest first. */
import type { RejectSummary } from "../ingest/kept_reject.ts";
import { EXIT_CODES, type ExitCode } from "./exit_code.ts";
import type { ProgramEnvironment } from "./program_environment.ts";
import { alignedTable, jsonLine } from "./reject_text.ts";
import { filterOf, type ListArguments } from "./rejects_arguments.ts";
import type { RejectsSession } from "./rejects_session.ts";

/** Columns of the output when nobody says how wide it is. */
const WIDTH = 200;

const HEADING = ["ID", "KEPT", "STATE", "TABLE", "ROUTE", "SEQ", "ROW", "SQLSTATE", "REASON"];

/** Writes the list; says on standard error when there are more. */
export async function listRejects(
  environment: ProgramEnvironment,
  { store }: RejectsSession,
  choice: ListArguments,
): Promise<ExitCode> {
  // One more than asked for tells whether there are more.
  const found = await store.rejects.list(filterOf(choice), choice.limit + 1);
  const rejects = found.slice(0, choice.limit);
  if (choice.json) environment.writeOut(rejects.map(jsonLine).join(""));
  else if (rejects.length === 0) environment.writeError("No rejects.\n");
  else {
    const width = environment.terminalColumns ?? WIDTH;
    environment.writeOut(alignedTable(HEADING, rejects.map(cellsOf), width));
  }
  if (found.length > rejects.length) {
    environment.writeError(`There are more than ${choice.limit}: raise --limit to see them.\n`);
  }
  return EXIT_CODES.stopped;
}

function cellsOf(reject: RejectSummary): string[] {
  return [
    reject.id,
    reject.keptAt.toISOString().replace(/\.\d+Z$/, "Z"),
    reject.state,
    reject.tableName ?? reject.processorId ?? "-",
    reject.routeId ?? "-",
    reject.origin?.sequence ?? "-",
    reject.ordinal < 0 ? "whole" : String(reject.ordinal),
    reject.sqlState ?? "-",
    reject.reason,
  ];
}
