/**
 * What a processor's `properties` ask for (contract §5), as settings the core can rely on. Pure: a
 * malformed property becomes a fault in words, and the last good value, or else the default, stays
 * in force. Properties that belong to others are ignored.
 */

/** Settings of one processor's table and batches. */
export interface ProcessorSettings {
  /** Suffix of the table's name; empty: none; null: the property is absent. */
  readonly tableName: string | null;
  /** Rows that make a batch due; 0 and 1 mean instant. */
  readonly batchRows: number;
  /** Age of the oldest delivery that makes a batch due, in milliseconds; 0 means instant. */
  readonly batchWindowMs: number;
  /** Every row gets `_timestamp`, the time of receipt. */
  readonly includeTimestamp: boolean;
  /** Keys whose columns are indexed. */
  readonly indexKeys: readonly string[];
}

/** What applies where a property is absent or `properties` is null (contract §5). */
export const DEFAULT_PROCESSOR_SETTINGS: ProcessorSettings = {
  tableName: null,
  batchRows: 100,
  batchWindowMs: 30_000,
  includeTimestamp: true,
  indexKeys: [],
};

/** The longest window, in seconds: a day. */
const WINDOW_SECONDS_MAX = 86_400;

/** The largest `batchSize`: a batch beyond it would never be what somebody meant. */
const BATCH_ROWS_MAX = 1_000_000_000;

/** Settings, and what was wrong with the properties, one sentence each. */
export interface ParsedProcessorSettings {
  readonly settings: ProcessorSettings;
  readonly faults: readonly string[];
}

/** The outcome of reading one property: a value, or the sentence that says what is wrong. */
type Property<T> = { readonly value: T } | { readonly fault: string };

/**
 * Reads settings from `properties` as jsonb gave them. `lastGood` stands in for each property that
 * is malformed.
 */
export function parseProcessorSettings(
  properties: unknown,
  lastGood: ProcessorSettings = DEFAULT_PROCESSOR_SETTINGS,
): ParsedProcessorSettings {
  if (properties === null || properties === undefined) {
    return { settings: DEFAULT_PROCESSOR_SETTINGS, faults: [] };
  }
  if (typeof properties !== "object" || Array.isArray(properties)) {
    return {
      settings: lastGood,
      faults: [`properties must be a JSON object or null: current value is ${shown(properties)}`],
    };
  }
  const faults: string[] = [];
  const read = <T>(name: string, parse: (value: unknown) => Property<T>, absent: T, last: T): T => {
    const value = Object.hasOwn(properties, name)
      ? (properties as Record<string, unknown>)[name]
      : undefined;
    if (value === undefined) return absent;
    const property = parse(value);
    if ("value" in property) return property.value;
    faults.push(`property '${name}' ${property.fault}: current value is ${shown(value)}`);
    return last;
  };
  const absent = DEFAULT_PROCESSOR_SETTINGS;
  const settings: ProcessorSettings = {
    tableName: read<string | null>("tableName", tableName, absent.tableName, lastGood.tableName),
    batchRows: read("batchSize", batchSize, absent.batchRows, lastGood.batchRows),
    batchWindowMs: read("batchWindowTTL", window, absent.batchWindowMs, lastGood.batchWindowMs),
    includeTimestamp: read(
      "includeTimestamp",
      flag(absent.includeTimestamp),
      absent.includeTimestamp,
      lastGood.includeTimestamp,
    ),
    indexKeys: read("indexColumns", keys, absent.indexKeys, lastGood.indexKeys),
  };
  return { settings, faults };
}

/** True when rows are to be written as soon as the writer is free. */
export function isInstant(settings: ProcessorSettings): boolean {
  return settings.batchRows <= 1 || settings.batchWindowMs === 0;
}

/** True when rows received under one setting may not be written under the other. */
export function changesTable(before: ProcessorSettings, after: ProcessorSettings): boolean {
  return before.tableName !== after.tableName ||
    before.includeTimestamp !== after.includeTimestamp;
}

function tableName(value: unknown): Property<string> {
  // JSON null means the bare id, as in the Go service (contract §5).
  if (value === null) return { value: "" };
  if (typeof value !== "string") return { fault: "must be a string" };
  if (value.includes("\0")) return { fault: "must not hold the character NUL" };
  return { value };
}

function batchSize(value: unknown): Property<number> {
  if (value === null) return { value: DEFAULT_PROCESSOR_SETTINGS.batchRows };
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) {
    if (value <= BATCH_ROWS_MAX) return { value };
  }
  return { fault: `must be a whole number of records from 0 to ${BATCH_ROWS_MAX}` };
}

function window(value: unknown): Property<number> {
  if (value === null) return { value: DEFAULT_PROCESSOR_SETTINGS.batchWindowMs };
  if (typeof value === "number" && value >= 0 && value <= WINDOW_SECONDS_MAX) {
    return { value: value * 1_000 };
  }
  return { fault: `must be a number of seconds from 0 to ${WINDOW_SECONDS_MAX}` };
}

function flag(absent: boolean): (value: unknown) => Property<boolean> {
  return (value) => {
    if (value === null) return { value: absent };
    return typeof value === "boolean" ? { value } : { fault: "must be true or false" };
  };
}

function keys(value: unknown): Property<readonly string[]> {
  if (value === null) return { value: [] };
  if (Array.isArray(value) && value.every((key) => typeof key === "string")) {
    return { value: [...new Set(value)] };
  }
  return { fault: "must be a list of column names" };
}

/** The value for an error message: short, whatever it is. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
