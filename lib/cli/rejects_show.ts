/** The `rejects show` command: everything that is kept of one reject, payload last. */
import { ANY_REJECT, type KeptReject } from "../ingest/kept_reject.ts";
import { EXIT_CODES, type ExitCode } from "./exit_code.ts";
import type { ProgramEnvironment } from "./program_environment.ts";
import { jsonLine, payloadText, printable } from "./reject_text.ts";
import type { ShowArguments } from "./rejects_arguments.ts";
import type { RejectsSession } from "./rejects_session.ts";

/** Writes the reject; exit code 3 when it is not there. */
export async function showReject(
  environment: ProgramEnvironment,
  { store }: RejectsSession,
  { id, json }: ShowArguments,
): Promise<ExitCode> {
  const page = { afterId: "0", lastId: id, rowsMax: 1, bytesMax: 1 };
  const [reject] = await store.rejects.read({ ...ANY_REJECT, ids: [id] }, page);
  if (reject === undefined) {
    environment.writeError(`Cannot show reject ${id} as it is not there\n`);
    return EXIT_CODES.incomplete;
  }
  environment.writeOut(json ? jsonLine(reject) : described(reject));
  return EXIT_CODES.stopped;
}

function described(reject: KeptReject): string {
  const { origin } = reject;
  const payload = payloadText(reject);
  const fields: readonly (readonly [string, string | null])[] = [
    ["id", reject.id],
    ["state", reject.state],
    ["reason", reject.reason],
    ["sqlstate", reject.sqlState],
    ["column", reject.columnName],
    ["constraint", reject.constraintName],
    ["table", reject.tableName],
    ["processor", reject.processorId],
    ["route", reject.routeId],
    ["stream", origin === null ? null : `${origin.stream} (created ${origin.streamCreated})`],
    ["consumer", origin?.consumer ?? null],
    ["sequence", origin?.sequence ?? null],
    ["row", reject.ordinal < 0 ? "the whole message" : String(reject.ordinal)],
    ["received", reject.receivedAt.toISOString()],
    ["kept", reject.keptAt.toISOString()],
    ["payload", payload.note],
  ];
  const width = Math.max(...fields.map(([name]) => name.length));
  const lines = fields.filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.padEnd(width)}  ${printable(value ?? "")}\n`);
  return `${lines.join("")}\n${payload.text}\n`;
}
