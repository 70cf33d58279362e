/**
 * Every setting of the program in one table: name, default, meaning, and how its text is read.
 * Parsing, the README's table and the list of variables that the program may read all come from here,
 * so none of them can drift from the others.
 */
import type { LogLevel } from "../log.ts";
import { ConfigurationError } from "../errors.ts";
import { parseDsn } from "./dsn.ts";
import { parseNatsUrls, splitNatsUrls } from "./nats_url.ts";
import {
  byteSize,
  commaList,
  type Format,
  minutesOrNever,
  oneOf,
  onOrOff,
  plainText,
  startFrom,
  wholeNumber,
} from "./setting_format.ts";

/** One setting. */
export interface Setting<T> {
  /** Text that stands in for an unset variable; null when there is none. */
  readonly default: string | null;
  /** What it does, in a sentence for the README. */
  readonly meaning: string;
  /** Its value is never shown, and it may come from the file that `<name>_FILE` names. */
  readonly secret: boolean;
  /**
   * Reads the text, or what an unset variable means.
   *
   * @throws {ConfigurationError} the text breaks the rule, or is required and not there
   */
  readonly read: (text: string | undefined, key: string) => T;
}

const DAY_SECONDS = 86_400;
const YEAR_MINUTES = 525_600;
const HOUR_MS = 3_600_000;

const LEVELS: Readonly<Record<string, LogLevel>> = {
  DEBUG: "debug",
  INFO: "info",
  WARN: "warning",
  WARNING: "warning",
  ERROR: "error",
  CRITICAL: "error",
};

/** The settings by name, in the order in which they are explained. */
export const SETTING_TABLE = {
  DSN: required(parseDsn, "PostgreSQL connection, as keywords or as a URL", "secret"),
  ROUTING_FILE: withDefault(".routing.yaml", plainText, "Path of the routing file"),
  ROUTE_SELECTOR: withDefault(
    "data/transformers/mixer/state-tables-1.0",
    plainText,
    "Selector of the route that is consumed",
  ),
  MONITOR_SELECTOR: withDefault(
    "processor/monitor",
    plainText,
    "Selector of the route that statuses are published to; without such a route none are",
  ),
  NATS_URL: optional(
    readNatsUrls,
    "Comma-separated servers, used instead of the `url` of both routes",
    "secret",
  ),
  NATS_CREDS_FILE: optional(plainText, "Path of a NATS credentials file"),
  NATS_NKEY_SEED: optional(plainText, "Seed of an nkey", "secret"),
  NATS_USER: optional(plainText, "User, with `NATS_PASSWORD`"),
  NATS_PASSWORD: optional(plainText, "Password of `NATS_USER`", "secret"),
  NATS_TOKEN: optional(plainText, "Token", "secret"),
  NATS_CA_FILE: optional(plainText, "Path of the root certificates for NATS; sets TLS on"),
  NATS_CERT_FILE: optional(plainText, "Path of the client certificate for NATS"),
  NATS_KEY_FILE: optional(plainText, "Path of that certificate's key"),
  START_FROM: optional(
    startFrom,
    "Where a consumer begins that has to be created on a stream of which the ledger knows " +
      "nothing, or that another program read since: `all`, `new`, a stream sequence, or an RFC 3339 time",
  ),
  DB_MAX_OPEN_CONNS: withDefault("4", wholeNumber({ min: 1, max: 1_000 }), "Size of the pool"),
  DB_MAX_IDLE_CONNS: withDefault(
    "4",
    wholeNumber({ min: 0, max: 1_000 }),
    "Idle connections kept, never more than the pool has",
  ),
  DB_CONN_MAX_LIFETIME_MINUTES: withDefault(
    "5",
    minutesOrNever(YEAR_MINUTES),
    "A connection is replaced after so many minutes; 0: never",
  ),
  DB_CONN_MAX_IDLE_TIME_MINUTES: withDefault(
    "1",
    minutesOrNever(YEAR_MINUTES),
    "An idle connection is closed after so many minutes; 0: never",
  ),
  DB_PREPARE: withDefault(
    "true",
    onOrOff,
    "Prepared statements; `false` behind pgbouncer in transaction mode",
  ),
  DB_LOCK_TIMEOUT_MS: withDefault(
    "5000",
    wholeNumber({ min: 1, max: HOUR_MS }),
    "Longest wait for a table's lock, in milliseconds",
  ),
  DB_STATEMENT_TIMEOUT_MS: withDefault(
    "60000",
    wholeNumber({ min: 1, max: HOUR_MS }),
    "Longest time a statement may take, in milliseconds",
  ),
  TABLE_GRANTS: withDefault("", commaList, "Comma-separated roles that may read created tables"),
  SCHEMA_MODE: withDefault(
    "infer",
    oneOf({ infer: "infer", text: "text" } as const),
    "Types of new columns: `infer`, or `text` for all; a processor's `schemaMode` goes before it",
  ),
  ON_TYPE_CONFLICT: withDefault(
    "widen",
    oneOf({ widen: "widen", overflow: "overflow", reject: "reject" } as const),
    "What becomes of a value that its column does not hold: `widen`, `overflow` or `reject`; " +
      "a processor's `onTypeConflict` goes before it",
  ),
  ON_INVALID_TEXT: withDefault(
    "replace",
    oneOf({ replace: "replace", reject: "reject" } as const),
    "What becomes of text that PostgreSQL cannot hold: `replace` by U+FFFD, or `reject` the row; " +
      "a processor's `onInvalidText` goes before it",
  ),
  TIMESTAMPS: withDefault(
    "infer",
    oneOf({ infer: "infer", text: "text" } as const),
    "Columns of date-times: `infer` timestamptz, or `text`; " +
      "a processor's `timestamps` goes before it",
  ),
  FLUSH_ROWS_MAX: withDefault("20000", wholeNumber({ min: 1, max: 1_000_000 }), "Rows in a flush"),
  FLUSH_BYTES_MAX: withDefault("8MiB", byteSize(1024), "Payload bytes in a flush"),
  HELD_BYTES_MAX: withDefault(
    "28MiB",
    byteSize(1024),
    "Payload bytes held in all batches together; beyond it no more is pulled",
  ),
  IDLE_EVICTION_MINUTES: withDefault(
    "10",
    wholeNumber({ min: 1, max: YEAR_MINUTES }, 60_000),
    "An empty batch writer is forgotten after so many minutes",
  ),
  LEDGER_FLOOR_MINUTES: withDefault(
    "10",
    wholeNumber({ min: 1, max: YEAR_MINUTES }, 60_000),
    "Ledger entries are pruned below an ack floor that was seen so long ago; never less than the " +
      "NATS server's sync_interval",
  ),
  CATALOG_CACHE_SECONDS: withDefault(
    "30",
    wholeNumber({ min: 1, max: DAY_SECONDS }, 1_000),
    "A processor's settings are looked up again after so many seconds",
  ),
  REJECTED_DAYS_MAX: withDefault(
    "30",
    wholeNumber({ min: 1, max: 36_500 }, DAY_SECONDS * 1_000),
    "Rejects older than so many days are dropped",
  ),
  REJECTED_BYTES_MAX: withDefault(
    "256MiB",
    byteSize(1024),
    "Size of all rejects together; beyond it the oldest are dropped",
  ),
  SHUTDOWN_GRACE_SECONDS: withDefault(
    "25",
    wholeNumber({ min: 1, max: 3_600 }, 1_000),
    "Time to flush what is held after SIGTERM or SIGINT",
  ),
  LOG_LEVEL: withDefault("INFO", oneOf(LEVELS), `${Object.keys(LEVELS).join(", ")}`),
  LOG_FORMAT: withDefault(
    "auto",
    oneOf({ auto: "auto", json: "json", text: "text" } as const),
    "`json`: an object a line; `text`: for people; `auto`: text on a terminal, else JSON",
  ),
} as const;

/** Name of a setting. */
export type SettingName = keyof typeof SETTING_TABLE;

/** A row of the README's table. */
export interface SettingDescription {
  readonly name: string;
  /** As the README shows it; null when there is none. */
  readonly default: string | null;
  readonly meaning: string;
  readonly secret: boolean;
}

/** The settings as the README lists them. */
export const SETTINGS: readonly SettingDescription[] = Object.entries(SETTING_TABLE).map(
  ([name, setting]) => ({
    name,
    default: setting.default,
    meaning: setting.meaning,
    secret: setting.secret,
  }),
);

/**
 * Every variable that the program reads, `*_FILE` variants included. The libraries want others
 * (`PG*`, `LOG_TOKENS`, …) and must not get them: run with `--ignore-env`.
 */
export const SETTING_NAMES: readonly string[] = SETTINGS.flatMap(({ name, secret }) =>
  secret ? [name, `${name}_FILE`] : [name]
);

function withDefault<T>(text: string, format: Format<T>, meaning: string): Setting<T> {
  return {
    default: text,
    meaning,
    secret: false,
    read: (given, key) => format(given ?? text, key),
  };
}

function optional<T>(format: Format<T>, meaning: string, secret?: "secret"): Setting<T | null> {
  return {
    default: null,
    meaning,
    secret: secret !== undefined,
    read: (text, key) => text === undefined ? null : format(text, key),
  };
}

function required<T>(format: Format<T>, meaning: string, secret: "secret"): Setting<T> {
  return {
    default: null,
    meaning,
    secret: secret !== undefined,
    read: (text, key) => {
      if (text !== undefined) return format(text, key);
      throw new ConfigurationError([{ key, rule: `must be set, or ${key}_FILE name its file` }]);
    },
  };
}

function readNatsUrls(text: string, key: string): readonly string[] {
  const urls = splitNatsUrls(text);
  parseNatsUrls(urls, key);
  return urls;
}
