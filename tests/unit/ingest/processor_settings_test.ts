import assert from "node:assert/strict";
import {
  changesTable,
  DEFAULT_PROCESSOR_SETTINGS,
  isInstant,
  parseProcessorSettings,
} from "../../../lib/ingest/processor_settings.ts";

Deno.test("parseProcessorSettings() gives the defaults when properties are null or empty", () => {
  for (const properties of [null, undefined, {}, { maxBatchSize: "other", concurrencyMode: 1 }]) {
    const { settings, faults } = parseProcessorSettings(properties);
    assert.deepEqual(settings, DEFAULT_PROCESSOR_SETTINGS);
    assert.deepEqual(faults, []);
  }
});

Deno.test("parseProcessorSettings() reads every property", () => {
  const { settings, faults } = parseProcessorSettings({
    tableName: "custom_table",
    batchSize: 500,
    batchWindowTTL: 2.5,
    includeTimestamp: false,
    indexColumns: ["run_id", "run_id", "a b"],
  });
  assert.deepEqual(faults, []);
  assert.deepEqual(settings, {
    ...DEFAULT_PROCESSOR_SETTINGS,
    tableName: "custom_table",
    batchRows: 500,
    batchWindowMs: 2_500,
    includeTimestamp: false,
    indexKeys: ["run_id", "a b"],
  });
});

Deno.test("parseProcessorSettings() takes a JSON null table name as the bare processor id", () => {
  assert.equal(parseProcessorSettings({ tableName: null }).settings.tableName, "");
  assert.equal(parseProcessorSettings({}).settings.tableName, null);
});

Deno.test("parseProcessorSettings() names each malformed property and keeps the last good value", () => {
  const good = parseProcessorSettings({ batchSize: 7, tableName: "t" }).settings;
  const { settings, faults } = parseProcessorSettings({
    tableName: 5,
    batchSize: "100",
    batchWindowTTL: -1,
    includeTimestamp: "yes",
    indexColumns: "run_id",
  }, { lastGood: good });
  assert.deepEqual(settings, good);
  assert.deepEqual(faults.map((fault) => fault.split("'")[1]), [
    "tableName",
    "batchSize",
    "batchWindowTTL",
    "includeTimestamp",
    "indexColumns",
  ]);
  assert.match(faults[1] ?? "", /whole number.*current value is "100"/);
});

Deno.test("parseProcessorSettings() refuses sizes and windows that cannot be meant", () => {
  for (
    const properties of [
      { batchSize: -1 },
      { batchSize: 1.5 },
      { batchSize: 1e12 },
      { batchSize: [] },
      { batchWindowTTL: 1e9 },
      { batchWindowTTL: "30" },
      { tableName: "a\0b" },
      { indexColumns: [1] },
    ]
  ) {
    const { settings, faults } = parseProcessorSettings(properties);
    assert.equal(faults.length, 1, JSON.stringify(properties));
    assert.deepEqual(settings, DEFAULT_PROCESSOR_SETTINGS);
  }
});

Deno.test("parseProcessorSettings() keeps the last good settings when properties are no object", () => {
  const good = parseProcessorSettings({ batchSize: 7 }).settings;
  for (const properties of [[], "x", 5, true]) {
    const { settings, faults } = parseProcessorSettings(properties, { lastGood: good });
    assert.deepEqual(settings, good);
    assert.equal(faults.length, 1);
  }
});

Deno.test("parseProcessorSettings() reads only own keys", () => {
  const { settings } = parseProcessorSettings(JSON.parse('{"__proto__": {"batchSize": 3}}'));
  assert.equal(settings.batchRows, DEFAULT_PROCESSOR_SETTINGS.batchRows);
});

Deno.test("isInstant() is true when batchSize is at most 1 or the window is 0", () => {
  const base = DEFAULT_PROCESSOR_SETTINGS;
  assert.equal(isInstant({ ...base, batchRows: 1 }), true);
  assert.equal(isInstant({ ...base, batchRows: 0 }), true);
  assert.equal(isInstant({ ...base, batchWindowMs: 0 }), true);
  assert.equal(isInstant(base), false);
});

Deno.test("changesTable() is true when the table or its columns would differ", () => {
  const base = DEFAULT_PROCESSOR_SETTINGS;
  assert.equal(changesTable(base, { ...base, batchRows: 5 }), false);
  assert.equal(changesTable(base, { ...base, tableName: "" }), true);
  assert.equal(changesTable(base, { ...base, includeTimestamp: false }), true);
});

Deno.test("parseProcessorSettings() reads the choices about types and text", () => {
  const properties = {
    schemaMode: "text",
    onTypeConflict: "overflow",
    onInvalidText: "reject",
    timestamps: "text",
  };
  const { settings, faults } = parseProcessorSettings(properties);
  assert.deepEqual(settings, { ...DEFAULT_PROCESSOR_SETTINGS, ...properties });
  assert.deepEqual(faults, []);
});

Deno.test("parseProcessorSettings() names the choices there are when it is given another", () => {
  const { settings, faults } = parseProcessorSettings({ onTypeConflict: "shrug", timestamps: 1 });
  assert.deepEqual(settings, DEFAULT_PROCESSOR_SETTINGS);
  assert.deepEqual(faults, [
    "property 'onTypeConflict' must be 'widen' or 'overflow' or 'reject': current value is \"shrug\"",
    "property 'timestamps' must be 'infer' or 'text': current value is 1",
  ]);
});

Deno.test("parseProcessorSettings() takes the service's defaults where properties say nothing", () => {
  const defaults = { ...DEFAULT_PROCESSOR_SETTINGS, schemaMode: "text" } as const;
  for (const properties of [null, {}, { schemaMode: null }, { schemaMode: 7 }]) {
    assert.deepEqual(parseProcessorSettings(properties, { defaults }).settings, defaults);
  }
  const { settings } = parseProcessorSettings({ schemaMode: "infer" }, { defaults });
  assert.equal(settings.schemaMode, "infer");
});

Deno.test("changesTable() holds for everything that shapes rows and tables, and nothing else", () => {
  const before = DEFAULT_PROCESSOR_SETTINGS;
  assert.equal(changesTable(before, { ...before, batchRows: 7, indexKeys: [] }), false);
  assert.equal(changesTable(before, { ...before, onInvalidText: "reject" }), true);
  assert.equal(changesTable(before, { ...before, indexKeys: ["a"] }), true);
});

Deno.test("parseProcessorSettings() reads deliveryMode and names what it does not know", () => {
  assert.equal(parseProcessorSettings({}).settings.deliveryMode, "exactlyOnce");
  const { settings } = parseProcessorSettings({ deliveryMode: "atLeastOnce" });
  assert.equal(settings.deliveryMode, "atLeastOnce");
  const wrong = parseProcessorSettings({ deliveryMode: "at-least-once" });
  assert.equal(wrong.settings.deliveryMode, "exactlyOnce");
  assert.deepEqual(wrong.faults, [
    "property 'deliveryMode' must be 'exactlyOnce' or 'atLeastOnce': " +
    'current value is "at-least-once"',
  ]);
});

Deno.test("changesTable() is true when deliveryMode changes", () => {
  const before = DEFAULT_PROCESSOR_SETTINGS;
  assert.equal(changesTable(before, { ...before, deliveryMode: "atLeastOnce" }), true);
});
