/**
 * What a processor's `properties` ask for (contract §5), as settings the core can rely on. Pure: a
 * malformed property becomes a fault in words, and the last good value, or else the default, stays in
 * force. Properties that belong to others are ignored.
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
  /** `text`: every new column is text, as the Go service made them. */
  readonly schemaMode: "infer" | "text";
  /** What becomes of a value that its column does not hold. */
  readonly onTypeConflict: "widen" | "overflow" | "reject";
  /** What becomes of text that PostgreSQL cannot hold. */
  readonly onInvalidText: "replace" | "reject";
  /** `text`: date-times make text columns, so that they come back as they were written. */
  readonly timestamps: "infer" | "text";
  /** `atLeastOnce`: no ledger; a message that is delivered again is written again. */
  readonly deliveryMode: "exactlyOnce" | "atLeastOnce";
}

/** Choices that the service has defaults of its own for. */
export type SchemaDefaults = Pick<
  ProcessorSettings,
  "schemaMode" | "onTypeConflict" | "onInvalidText" | "timestamps"
>;

/** Spellings of each of the choices; the first is the default where the service has none. */
export const SCHEMA_CHOICES = {
  schemaMode: ["infer", "text"],
  onTypeConflict: ["widen", "overflow", "reject"],
  onInvalidText: ["replace", "reject"],
  timestamps: ["infer", "text"],
} as const satisfies {
  readonly [Name in keyof SchemaDefaults]: readonly SchemaDefaults[Name][];
};

const DELIVERY_MODES = ["exactlyOnce", "atLeastOnce"] as const;

/** What applies where a property is absent or `properties` is null (contract §5). */
export const DEFAULT_PROCESSOR_SETTINGS: ProcessorSettings = {
  tableName: null,
  batchRows: 100,
  batchWindowMs: 30_000,
  includeTimestamp: true,
  indexKeys: [],
  schemaMode: SCHEMA_CHOICES.schemaMode[0],
  onTypeConflict: SCHEMA_CHOICES.onTypeConflict[0],
  onInvalidText: SCHEMA_CHOICES.onInvalidText[0],
  timestamps: SCHEMA_CHOICES.timestamps[0],
  deliveryMode: DELIVERY_MODES[0],
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

/** What stands in where a property says nothing usable. */
export interface SettingsFallbacks {
  /** For properties that are absent; contract §5 unless given. */
  readonly defaults?: ProcessorSettings;
  /** For each property that is malformed; the defaults unless given. */
  readonly lastGood?: ProcessorSettings;
}

/** Reads settings from `properties` as jsonb gave them. */
export function parseProcessorSettings(
  properties: unknown,
  fallbacks: SettingsFallbacks = {},
): ParsedProcessorSettings {
  const { defaults = DEFAULT_PROCESSOR_SETTINGS } = fallbacks;
  const { lastGood = defaults } = fallbacks;
  if (properties === null || properties === undefined) return { settings: defaults, faults: [] };
  if (typeof properties !== "object" || Array.isArray(properties)) {
    return {
      settings: lastGood,
      faults: [`properties must be a JSON object or null: current value is ${shown(properties)}`],
    };
  }
  const faults: string[] = [];
  const read = <Key extends keyof ProcessorSettings>(
    name: string,
    key: Key,
    parse: (value: unknown) => Property<ProcessorSettings[Key]>,
  ): ProcessorSettings[Key] => {
    const value = Object.hasOwn(properties, name)
      ? (properties as Record<string, unknown>)[name]
      : undefined;
    // JSON null means the default, except as a table's name.
    if (value === undefined || (value === null && key !== "tableName")) return defaults[key];
    const property = parse(value);
    if ("value" in property) return property.value;
    faults.push(`property '${name}' ${property.fault}: current value is ${shown(value)}`);
    return lastGood[key];
  };
  const settings: ProcessorSettings = {
    tableName: read("tableName", "tableName", tableName),
    batchRows: read("batchSize", "batchRows", batchSize),
    batchWindowMs: read("batchWindowTTL", "batchWindowMs", window),
    includeTimestamp: read("includeTimestamp", "includeTimestamp", flag),
    indexKeys: read("indexColumns", "indexKeys", keys),
    schemaMode: read("schemaMode", "schemaMode", choice(SCHEMA_CHOICES.schemaMode)),
    onTypeConflict: read(
      "onTypeConflict",
      "onTypeConflict",
      choice(SCHEMA_CHOICES.onTypeConflict),
    ),
    onInvalidText: read("onInvalidText", "onInvalidText", choice(SCHEMA_CHOICES.onInvalidText)),
    timestamps: read("timestamps", "timestamps", choice(SCHEMA_CHOICES.timestamps)),
    deliveryMode: read("deliveryMode", "deliveryMode", choice(DELIVERY_MODES)),
  };
  return { settings, faults };
}

/** True when rows are to be written as soon as the writer is free. */
export function isInstant(settings: ProcessorSettings): boolean {
  return settings.batchRows <= 1 || settings.batchWindowMs === 0;
}

/** True when rows received under one setting may not be written under the other. */
export function changesTable(before: ProcessorSettings, after: ProcessorSettings): boolean {
  return TABLE_SETTINGS.some((key) => before[key] !== after[key]) ||
    before.indexKeys.join("\n") !== after.indexKeys.join("\n");
}

const TABLE_SETTINGS = [
  "tableName",
  "includeTimestamp",
  "schemaMode",
  "onTypeConflict",
  "onInvalidText",
  "timestamps",
  // What was received under a promise is written under it.
  "deliveryMode",
] as const satisfies readonly (keyof ProcessorSettings)[];

function tableName(value: unknown): Property<string> {
  // JSON null means the bare id, as in the Go service (contract §5).
  if (value === null) return { value: "" };
  if (typeof value !== "string") return { fault: "must be a string" };
  if (value.includes("\0")) return { fault: "must not hold the character NUL" };
  return { value };
}

function batchSize(value: unknown): Property<number> {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) {
    if (value <= BATCH_ROWS_MAX) return { value };
  }
  return { fault: `must be a whole number of records from 0 to ${BATCH_ROWS_MAX}` };
}

function window(value: unknown): Property<number> {
  if (typeof value === "number" && value >= 0 && value <= WINDOW_SECONDS_MAX) {
    return { value: value * 1_000 };
  }
  return { fault: `must be a number of seconds from 0 to ${WINDOW_SECONDS_MAX}` };
}

function flag(value: unknown): Property<boolean> {
  return typeof value === "boolean" ? { value } : { fault: "must be true or false" };
}

function choice<Choice extends string>(
  choices: readonly Choice[],
): (value: unknown) => Property<Choice> {
  return (value) => {
    const found = choices.find((each) => each === value);
    return found === undefined
      ? { fault: `must be ${choices.map((each) => `'${each}'`).join(" or ")}` }
      : { value: found };
  };
}

function keys(value: unknown): Property<readonly string[]> {
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
