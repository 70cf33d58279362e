/**
 * Environment variables become one frozen {@linkcode Settings}, or one error that lists every wrong
 * key. Pure: the caller hands in how variables and files are read. What each variable means and its
 * default stand in `setting_table.ts`.
 */
import { ConfigurationError, type ConfigurationFault } from "../errors.ts";
import type { LogLevel } from "../log.ts";
import type { DatabaseTarget } from "./dsn.ts";
import type { NatsCredentials } from "./nats_url.ts";
import type { StartFrom } from "./setting_format.ts";
import {
  collectFaults,
  readSettings,
  type SettingSource,
  type SettingValues,
} from "./setting_reader.ts";
import { SETTING_TABLE, type SettingName } from "./setting_table.ts";

export { SETTING_NAMES, SETTINGS } from "./setting_table.ts";

/** How PostgreSQL is used. Times are in milliseconds. */
export interface DatabaseSettings {
  readonly target: DatabaseTarget;
  readonly connectionsMax: number;
  /** Never above `connectionsMax`. */
  readonly idleConnectionsMax: number;
  /** Null: connections are never replaced for their age. */
  readonly connectionLifetimeMs: number | null;
  /** Null: idle connections are never closed for their idleness. */
  readonly connectionIdleMs: number | null;
  readonly prepare: boolean;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
  /** Roles that may read the tables we create. */
  readonly tableGrants: readonly string[];
}

/** How NATS is reached, over what the routes say. */
export interface NatsSettings {
  /** Servers used instead of the routes' own; null when unset. */
  readonly urls: readonly string[] | null;
  /** Used instead of what a URL carries; null when unset. */
  readonly credentials: NatsCredentials | null;
  /** Paths, or null. */
  readonly caFile: string | null;
  /** Both or neither. */
  readonly certFile: string | null;
  readonly keyFile: string | null;
}

/** Which routes are used. */
export interface RoutingSettings {
  readonly file: string;
  readonly consumeSelector: string;
  readonly monitorSelector: string;
}

/** What applies to processors whose properties say nothing of it. */
export interface SchemaSettings {
  readonly schemaMode: "infer" | "text";
  readonly onTypeConflict: "widen" | "overflow" | "reject";
  readonly onInvalidText: "replace" | "reject";
  readonly timestamps: "infer" | "text";
}

/** Everything the operator can set. */
export interface Settings {
  readonly database: DatabaseSettings;
  readonly nats: NatsSettings;
  readonly routing: RoutingSettings;
  readonly log: { readonly level: LogLevel; readonly format: "auto" | "json" | "text" };
  /** `START_FROM`; null when unset. */
  readonly startFrom: StartFrom | null;
  readonly schema: SchemaSettings;
  /** Rows in one flush. */
  readonly flushRowsMax: number;
  /** Payload bytes in one flush. */
  readonly flushBytesMax: number;
  /** Payload bytes held by all batches. */
  readonly heldBytesMax: number;
  readonly idleEvictionMs: number;
  /** Age of an ack floor below which ledger entries are pruned. */
  readonly ledgerFloorAgeMs: number;
  readonly catalogCacheMs: number;
  /** Bounds within which rejects are kept. */
  readonly rejected: { readonly ageMaxMs: number; readonly bytesMax: number };
  readonly shutdownGraceMs: number;
}

/**
 * Reads all settings.
 *
 * @throws {ConfigurationError} listing every fault
 */
export function parseSettings(
  readVariable: SettingSource["readVariable"],
  readTextFile: SettingSource["readTextFile"],
): Settings {
  // Object.keys has type string[]; these are the table's own keys.
  const names = Object.keys(SETTING_TABLE) as SettingName[];
  const faults: ConfigurationFault[] = [];
  const values = collectFaults(
    faults,
    () => readSettings(names, { readVariable, readTextFile }),
  );
  faults.push(...checkNatsLogin(readVariable));
  if (values === undefined || faults.length > 0) throw new ConfigurationError(faults);
  const settings: Settings = {
    database: databaseSettings(values),
    nats: natsSettings(values),
    routing: {
      file: values.ROUTING_FILE,
      consumeSelector: values.ROUTE_SELECTOR,
      monitorSelector: values.MONITOR_SELECTOR,
    },
    log: { level: values.LOG_LEVEL, format: values.LOG_FORMAT },
    startFrom: values.START_FROM,
    schema: {
      schemaMode: values.SCHEMA_MODE,
      onTypeConflict: values.ON_TYPE_CONFLICT,
      onInvalidText: values.ON_INVALID_TEXT,
      timestamps: values.TIMESTAMPS,
    },
    flushRowsMax: values.FLUSH_ROWS_MAX,
    flushBytesMax: values.FLUSH_BYTES_MAX,
    heldBytesMax: values.HELD_BYTES_MAX,
    idleEvictionMs: values.IDLE_EVICTION_MINUTES,
    ledgerFloorAgeMs: values.LEDGER_FLOOR_MINUTES,
    catalogCacheMs: values.CATALOG_CACHE_SECONDS,
    rejected: { ageMaxMs: values.REJECTED_DAYS_MAX, bytesMax: values.REJECTED_BYTES_MAX },
    shutdownGraceMs: values.SHUTDOWN_GRACE_SECONDS,
  };
  freezeDeeply(settings);
  return settings;
}

function databaseSettings(values: SettingValues): DatabaseSettings {
  return {
    target: values.DSN,
    connectionsMax: values.DB_MAX_OPEN_CONNS,
    idleConnectionsMax: Math.min(values.DB_MAX_IDLE_CONNS, values.DB_MAX_OPEN_CONNS),
    connectionLifetimeMs: values.DB_CONN_MAX_LIFETIME_MINUTES,
    connectionIdleMs: values.DB_CONN_MAX_IDLE_TIME_MINUTES,
    prepare: values.DB_PREPARE,
    lockTimeoutMs: values.DB_LOCK_TIMEOUT_MS,
    statementTimeoutMs: values.DB_STATEMENT_TIMEOUT_MS,
    tableGrants: values.TABLE_GRANTS,
  };
}

function natsSettings(values: SettingValues): NatsSettings {
  return {
    urls: values.NATS_URL,
    credentials: natsCredentials(values),
    caFile: values.NATS_CA_FILE,
    certFile: values.NATS_CERT_FILE,
    keyFile: values.NATS_KEY_FILE,
  };
}

function natsCredentials(values: SettingValues): NatsCredentials | null {
  if (values.NATS_CREDS_FILE !== null) {
    return { kind: "credentials-file", path: values.NATS_CREDS_FILE };
  }
  if (values.NATS_NKEY_SEED !== null) return { kind: "nkey", seed: values.NATS_NKEY_SEED };
  if (values.NATS_TOKEN !== null) return { kind: "token", token: values.NATS_TOKEN };
  return values.NATS_USER === null || values.NATS_PASSWORD === null
    ? null
    : { kind: "user", user: values.NATS_USER, password: values.NATS_PASSWORD };
}

/** Rules between settings; judged by what is set, so that they are reported beside wrong values. */
function checkNatsLogin(
  readVariable: SettingSource["readVariable"],
): readonly ConfigurationFault[] {
  const isSet = (name: SettingName): boolean =>
    Boolean(readVariable(name)) ||
    (SETTING_TABLE[name].secret && Boolean(readVariable(`${name}_FILE`)));
  const faults: ConfigurationFault[] = [];
  const pairs: readonly (readonly [SettingName, SettingName])[] = [
    ["NATS_USER", "NATS_PASSWORD"],
    ["NATS_CERT_FILE", "NATS_KEY_FILE"],
  ];
  for (const [first, second] of pairs) {
    if (isSet(first) === isSet(second)) continue;
    const [missing, present] = isSet(first) ? [second, first] : [first, second];
    faults.push({ key: missing, rule: `must be set where ${present} is` });
  }
  const logins: readonly SettingName[] = [
    "NATS_CREDS_FILE",
    "NATS_NKEY_SEED",
    "NATS_TOKEN",
    "NATS_USER",
  ];
  const [used, ...others] = logins.filter(isSet);
  if (used !== undefined && others.length > 0) {
    const rule = `must be the only way to log in to NATS, but ${others.join(", ")} is set too`;
    faults.push({ key: used, rule });
  }
  return faults;
}

function freezeDeeply(value: object): void {
  Object.freeze(value);
  for (const part of Object.values(value)) {
    if (typeof part === "object" && part !== null) freezeDeeply(part);
  }
}
