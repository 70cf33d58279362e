/**
 * What the `rejects` commands share: settings, a log and an open store around their work, and one
 * sentence instead of a stack when the database cannot be used.
 */
import { type Clock, systemClock } from "../clock.ts";
import { parseSettings, type SchemaSettings } from "../config/settings.ts";
import { StoreUnavailableError } from "../errors.ts";
import { type Log, openLog } from "../log.ts";
import type { openServiceStore } from "../service.ts";
import type { Store } from "../store/store.ts";
import { EXIT_CODES, type ExitCode } from "./exit_code.ts";
import type { ProgramEnvironment } from "./program_environment.ts";

/** Opens the store; the composition root's own, or a test's. */
export type OpenStore = typeof openServiceStore;

/** What the work of a command is given. */
export interface RejectsSession {
  readonly store: Pick<Store, "catalog" | "rejects" | "tables">;
  readonly clock: Clock;
  readonly log: Log;
  /** What applies to processors whose properties say nothing of it. */
  readonly schemaDefaults: SchemaSettings;
}

/** Work under way may take so long to end, in milliseconds. */
const CLOSE_MS = 2_000;

/**
 * Runs the work of a command on an open store.
 *
 * @throws {ConfigurationError} the settings are wrong
 */
export async function withRejects(
  environment: ProgramEnvironment,
  openStore: OpenStore,
  work: (session: RejectsSession) => Promise<ExitCode>,
): Promise<ExitCode> {
  const settings = parseSettings(environment.readVariable, environment.readTextFile);
  const { level, format } = settings.log;
  await using log = await openLog({
    level,
    format: format === "auto" ? (environment.isTerminal ? "text" : "json") : format,
    write: environment.writeError,
  });
  const { readTextFile } = environment;
  try {
    const store = await openStore({ settings, clock: systemClock, log, readTextFile });
    try {
      return await work({ store, clock: systemClock, log, schemaDefaults: settings.schema });
    } finally {
      await store.close(CLOSE_MS);
    }
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    environment.writeError(`${error.message}\n`);
    return EXIT_CODES.failed;
  }
}
