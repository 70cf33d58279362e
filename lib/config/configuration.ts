/**
 * Settings and routes together, as a command needs them before it connects anywhere. The faults of
 * the environment and of the routing file are reported in one error, so that they can be mended in
 * one go.
 */
import { ConfigurationError, type ConfigurationFault } from "../errors.ts";
import { parseRouting, type Route, selectRoute } from "./routing.ts";
import { collectFaults, readSettings, readTextFile, type SettingSource } from "./setting_reader.ts";
import { parseSettings, type Settings } from "./settings.ts";

/** What the program runs with. */
export interface Configuration {
  readonly settings: Settings;
  readonly consumeRoute: Route;
  /** Null when the routing file has no such route: then nobody is told of statuses. */
  readonly monitorRoute: Route | null;
}

/**
 * Reads the environment and the routing file.
 *
 * @throws {ConfigurationError} listing every fault of both
 */
export function loadConfiguration(source: SettingSource): Configuration {
  const faults: ConfigurationFault[] = [];
  const settings = collectFaults(
    faults,
    () => parseSettings(source.readVariable, source.readTextFile),
  );
  const routes = loadRoutes(source, faults);
  if (settings === undefined || routes === undefined || faults.length > 0) {
    throw new ConfigurationError(faults);
  }
  return { settings, ...routes };
}

type Routes = Pick<Configuration, "consumeRoute" | "monitorRoute">;

function loadRoutes(source: SettingSource, faults: ConfigurationFault[]): Routes | undefined {
  const names = ["ROUTING_FILE", "ROUTE_SELECTOR", "MONITOR_SELECTOR"] as const;
  const { ROUTING_FILE, ROUTE_SELECTOR, MONITOR_SELECTOR } = readSettings(names, source);
  const rows = collectFaults(
    faults,
    () => parseRouting(readTextFile(ROUTING_FILE, "ROUTING_FILE", source)),
  );
  if (rows === undefined) return undefined;
  // A wrong NATS_URL has been reported with the settings already.
  const urls = collectFaults([], () => readSettings(["NATS_URL"], source))?.NATS_URL ?? null;
  const consumeRoute = collectFaults(
    faults,
    () => selectRoute(rows, ROUTE_SELECTOR, { use: "consume", urls }),
  );
  const monitorRoute = collectFaults(
    faults,
    () => selectRoute(rows, MONITOR_SELECTOR, { use: "publish", urls }),
  );
  if (consumeRoute === null) {
    faults.push({
      key: "ROUTE_SELECTOR",
      rule: `must be the selector of a route in ${ROUTING_FILE}`,
      value: JSON.stringify(ROUTE_SELECTOR),
    });
  }
  return consumeRoute ? { consumeRoute, monitorRoute: monitorRoute ?? null } : undefined;
}
