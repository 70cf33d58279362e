/**
 * The `run` command: configuration, then the log, then the service until it has stopped. Faults of
 * the configuration go to the caller; everything else that goes wrong is logged here with its stack.
 */
import { systemClock } from "../clock.ts";
import { loadConfiguration } from "../config/configuration.ts";
import { describeTarget } from "../config/dsn.ts";
import { describeNatsAddress, parseNatsUrls } from "../config/nats_url.ts";
import { ConfigurationError } from "../errors.ts";
import { type Log, openLog } from "../log.ts";
import type { runService, ServiceOptions } from "../service.ts";
import { describeVersion } from "../version.ts";
import { EXIT_CODES, type ExitCode } from "./exit_code.ts";
import type { ProgramEnvironment } from "./program_environment.ts";

/** Runs the service until it is told to stop; the composition root's own, or a test's. */
export type RunService = typeof runService;

/**
 * Runs the service until it is told to stop.
 *
 * @throws {ConfigurationError} the configuration is wrong, or forbids to run what was found at start
 */
export async function run(
  environment: ProgramEnvironment,
  serve: RunService,
): Promise<ExitCode> {
  const configuration = loadConfiguration(environment);
  const { level, format } = configuration.settings.log;
  await using log = await openLog({
    level,
    format: format === "auto" ? (environment.isTerminal ? "text" : "json") : format,
    write: environment.writeError,
  });
  environment.onUncaughtError((error) => logBug(log, error));
  const options: ServiceOptions = {
    ...configuration,
    log,
    clock: systemClock,
    readTextFile: environment.readTextFile,
    stop: environment.stop,
  };
  logStart(options);
  try {
    await serve(options);
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    logBug(log, error);
    return EXIT_CODES.failed;
  }
  log.info("Stopped");
  return EXIT_CODES.stopped;
}

function logStart(options: ServiceOptions): void {
  const { settings, consumeRoute, monitorRoute, log } = options;
  const { addresses } = parseNatsUrls(consumeRoute.urls, "NATS_URL");
  log.info("Starting", {
    version: describeVersion(),
    database: describeTarget(settings.database.target),
    nats: addresses.map(describeNatsAddress).join(","),
    subject: consumeRoute.subject,
    queue: consumeRoute.queue,
  });
  for (const { keyword, reason } of settings.database.target.ignoredKeywords) {
    log.warn(`A keyword of the DSN has no effect: ${reason}`, { keyword });
  }
  if (monitorRoute === null) {
    log.warn("Nobody is told of statuses as the routing file has no route for the monitor", {
      selector: settings.routing.monitorSelector,
    });
  }
}

function logBug(log: Log, error: unknown): void {
  log.error("Unexpected error", {
    error: error instanceof Error ? error.stack ?? error.message : String(error),
  });
}
