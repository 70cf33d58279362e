/** Environment variables become settings, or one error that lists every fault and no secret. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  parseSettings,
  SETTING_NAMES,
  SETTINGS,
  type Settings,
} from "../../../lib/config/settings.ts";
import { ConfigurationError } from "../../../lib/errors.ts";

type Variables = Readonly<Record<string, string>>;

function settingsOf(variables: Variables, files: Variables = {}): Settings {
  return parseSettings((name) => variables[name], (path) => {
    const content = files[path];
    if (content === undefined) throw new Deno.errors.NotFound(`no ${path}`);
    return content;
  });
}

function faultsOf(variables: Variables, files: Variables = {}): readonly string[] {
  try {
    settingsOf(variables, files);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return error.message.split("\n");
  }
  return [];
}

const DSN = "host=db user=app password=pw";

Deno.test("parseSettings() fills in the defaults when only the DSN is set", () => {
  const { database, ...rest } = settingsOf({ DSN });
  assert.deepEqual(rest, {
    nats: { urls: null, credentials: null, caFile: null, certFile: null, keyFile: null },
    routing: {
      file: ".routing.yaml",
      consumeSelector: "data/transformers/mixer/state-tables-1.0",
      monitorSelector: "processor/monitor",
    },
    log: { level: "info", format: "auto" },
    startFrom: null,
    flushRowsMax: 20_000,
    flushBytesMax: 8 * 1024 ** 2,
    heldBytesMax: 28 * 1024 ** 2,
    idleEvictionMs: 600_000,
    catalogCacheMs: 30_000,
    schema: {
      schemaMode: "infer",
      onTypeConflict: "widen",
      onInvalidText: "replace",
      timestamps: "infer",
    },
    ledgerFloorAgeMs: 600_000,
    rejected: { ageMaxMs: 30 * 86_400_000, bytesMax: 256 * 1024 ** 2 },
    shutdownGraceMs: 25_000,
  });
  const { target, ...pool } = database;
  assert.equal(target.user, "app");
  assert.deepEqual(pool, {
    connectionsMax: 4,
    idleConnectionsMax: 4,
    connectionLifetimeMs: 300_000,
    connectionIdleMs: 60_000,
    prepare: true,
    lockTimeoutMs: 5_000,
    statementTimeoutMs: 60_000,
    tableGrants: [],
  });
});

Deno.test("parseSettings() takes every setting from its variable", () => {
  const settings = settingsOf({
    DSN,
    ROUTING_FILE: "/r",
    ROUTE_SELECTOR: "a",
    MONITOR_SELECTOR: "b",
    NATS_URL: "nats://h1,h2",
    DB_MAX_OPEN_CONNS: "1",
    DB_MAX_IDLE_CONNS: "3",
    DB_CONN_MAX_LIFETIME_MINUTES: "0",
    DB_CONN_MAX_IDLE_TIME_MINUTES: "0",
    DB_PREPARE: "False",
    DB_LOCK_TIMEOUT_MS: "1",
    DB_STATEMENT_TIMEOUT_MS: "2",
    TABLE_GRANTS: "reader, analyst,",
    FLUSH_ROWS_MAX: "10",
    FLUSH_BYTES_MAX: "512 KiB",
    HELD_BYTES_MAX: "1048576",
    IDLE_EVICTION_MINUTES: "1",
    CATALOG_CACHE_SECONDS: "2",
    SHUTDOWN_GRACE_SECONDS: "3",
    LOG_LEVEL: "warn",
    LOG_FORMAT: "JSON",
    START_FROM: "17",
  });
  assert.deepEqual(settings.routing, { file: "/r", consumeSelector: "a", monitorSelector: "b" });
  assert.deepEqual(settings.nats.urls, ["nats://h1", "h2"]);
  const { target: _target, ...pool } = settings.database;
  assert.deepEqual(pool, {
    connectionsMax: 1,
    idleConnectionsMax: 1,
    connectionLifetimeMs: null,
    connectionIdleMs: null,
    prepare: false,
    lockTimeoutMs: 1,
    statementTimeoutMs: 2,
    tableGrants: ["reader", "analyst"],
  });
  assert.deepEqual(
    [settings.flushRowsMax, settings.flushBytesMax, settings.heldBytesMax],
    [10, 524_288, 1_048_576],
  );
  assert.deepEqual(
    [settings.idleEvictionMs, settings.catalogCacheMs, settings.shutdownGraceMs],
    [60_000, 2_000, 3_000],
  );
  assert.deepEqual(settings.log, { level: "warning", format: "json" });
  assert.deepEqual(settings.startFrom, { kind: "sequence", sequence: 17 });
});

Deno.test("parseSettings() reads an empty variable as an unset one", () => {
  assert.equal(settingsOf({ DSN, LOG_LEVEL: "", NATS_TOKEN: "" }).log.level, "info");
});

Deno.test("parseSettings() freezes all of the settings", () => {
  const settings = settingsOf({ DSN });
  assert.ok(Object.isFrozen(settings) && Object.isFrozen(settings.database.target.hosts[0]));
});

for (
  const [word, level] of [
    ["DEBUG", "debug"],
    ["Info", "info"],
    ["WARNING", "warning"],
    ["error", "error"],
    ["CRITICAL", "error"],
  ] as const
) {
  Deno.test(`parseSettings() reads LOG_LEVEL ${word} as ${level}`, () => {
    assert.equal(settingsOf({ DSN, LOG_LEVEL: word }).log.level, level);
  });
}

Deno.test("parseSettings() reads START_FROM as a word, a sequence or a time", () => {
  const startFrom = (text: string): Settings["startFrom"] =>
    settingsOf({ DSN, START_FROM: text }).startFrom;
  assert.deepEqual(startFrom("ALL"), { kind: "all" });
  assert.deepEqual(startFrom("new"), { kind: "new" });
  const time = new Date("2026-02-22T16:42:31.500Z");
  assert.deepEqual(startFrom("2026-02-22T17:42:31.5+01:00"), { kind: "time", time });
});

Deno.test("parseSettings() takes a secret from the file that its _FILE variable names", () => {
  const settings = settingsOf(
    { DSN_FILE: "/run/dsn", NATS_USER: "u", NATS_PASSWORD_FILE: "/run/pw" },
    { "/run/dsn": `${DSN}\r\n`, "/run/pw": " pw \n" },
  );
  assert.equal(settings.database.target.password, "pw");
  assert.deepEqual(settings.nats.credentials, { kind: "user", user: "u", password: " pw " });
});

Deno.test("parseSettings() reads each way to log in to NATS", () => {
  const credentials = (variables: Variables): Settings["nats"]["credentials"] =>
    settingsOf({ DSN, ...variables }).nats.credentials;
  assert.deepEqual(credentials({ NATS_CREDS_FILE: "/c" }), {
    kind: "credentials-file",
    path: "/c",
  });
  assert.deepEqual(credentials({ NATS_NKEY_SEED: "SU" }), { kind: "nkey", seed: "SU" });
  assert.deepEqual(credentials({ NATS_TOKEN: "t" }), { kind: "token", token: "t" });
});

const WRONG: readonly (readonly [Variables, string])[] = [
  [
    { DB_MAX_OPEN_CONNS: "0" },
    'DB_MAX_OPEN_CONNS: must be a whole number from 1 to 1000 (found: "0")',
  ],
  [{ DB_MAX_OPEN_CONNS: "1e2" }, "DB_MAX_OPEN_CONNS: must be a whole number"],
  [{ DB_PREPARE: "maybe" }, "DB_PREPARE: must be one of"],
  [{ FLUSH_BYTES_MAX: "8MB" }, "FLUSH_BYTES_MAX: must be a size"],
  [{ HELD_BYTES_MAX: "1" }, "HELD_BYTES_MAX: must be a size of at least 1024 bytes"],
  [
    { LOG_LEVEL: "loud" },
    'LOG_LEVEL: must be one of DEBUG, INFO, WARN, WARNING, ERROR, CRITICAL (found: "loud")',
  ],
  [{ LOG_FORMAT: "xml" }, "LOG_FORMAT: must be one of auto, json, text"],
  [{ START_FROM: "0" }, "START_FROM: must be all, new"],
  [{ START_FROM: "2026-02-22" }, "START_FROM: must be all, new"],
  [{ START_FROM: "2026-13-22T00:00:00Z" }, "START_FROM: must be all, new"],
  [{ NATS_URL: "http://h" }, "NATS_URL: must begin with"],
  [{ NATS_USER: "u" }, "NATS_PASSWORD: must be set where NATS_USER is"],
  [{ NATS_PASSWORD_FILE: "/p" }, "NATS_USER: must be set where NATS_PASSWORD is"],
  [{ NATS_CERT_FILE: "/c" }, "NATS_KEY_FILE: must be set where NATS_CERT_FILE is"],
  [
    { NATS_TOKEN: "t", NATS_NKEY_SEED: "s" },
    "NATS_NKEY_SEED: must be the only way to log in to NATS, but NATS_TOKEN",
  ],
];

for (const [variables, fault] of WRONG) {
  Deno.test(`parseSettings() refuses ${JSON.stringify(variables)}`, () => {
    const faults = faultsOf({ DSN, ...variables }, { "/p": "x" });
    assert.equal(faults.length, 1);
    assert.ok(faults[0]?.startsWith(fault), faults[0]);
  });
}

Deno.test("parseSettings() lists every fault at once", () => {
  const faults = faultsOf({ DB_PREPARE: "x", LOG_LEVEL: "y", NATS_USER: "u" });
  assert.deepEqual(faults.map((fault) => fault.split(":")[0]), [
    "DSN",
    "DB_PREPARE",
    "LOG_LEVEL",
    "NATS_PASSWORD",
  ]);
});

Deno.test("parseSettings() refuses a secret given twice", () => {
  assert.deepEqual(faultsOf({ DSN, DSN_FILE: "/d" }), [
    "DSN_FILE: cannot be set together with DSN",
  ]);
});

Deno.test("parseSettings() says which secret file cannot be read, and why", () => {
  assert.deepEqual(faultsOf({ DSN_FILE: "/d" }), [
    'DSN_FILE: must name a file that can be read (NotFound) (found: "/d")',
  ]);
});

Deno.test("parseSettings() refuses an empty secret file", () => {
  assert.deepEqual(faultsOf({ DSN_FILE: "/d" }, { "/d": "\n" }), [
    "DSN_FILE: must name a file that is not empty",
  ]);
});

Deno.test("parseSettings() names the file variable when the secret in it is wrong", () => {
  assert.match(
    faultsOf({ DSN_FILE: "/d" }, { "/d": "host=h" })[0] ?? "",
    /^DSN_FILE: must name the user/,
  );
});

Deno.test("parseSettings() never puts a secret into a message, wherever it was set", () => {
  const canary = "canary7f3a9";
  const secretText = fc.constantFrom(
    `host=h password=x ${canary}`,
    `postgres://u:${canary}@h:x/d`,
    `nats://u:${canary}@h:x`,
    `password=${canary}`,
  );
  // What is typed into a variable that names a file is the name of a file, and shown.
  const names = SETTING_NAMES.filter((name) => !name.endsWith("_FILE"));
  fc.assert(fc.property(fc.constantFrom(...names), secretText, (name, text) => {
    const said = [
      ...faultsOf({ DSN, LOG_LEVEL: "wrong", [name]: text }),
      ...faultsOf({ LOG_LEVEL: "wrong", [`${name}_FILE`]: "/s" }, { "/s": text }),
    ].join();
    assert.ok(!said.includes(canary), said);
  }));
});

Deno.test("SETTINGS shows defaults that parse to the same settings as unset variables", () => {
  const shown = Object.fromEntries(
    SETTINGS.filter((setting) => setting.default !== null).map((
      { name, default: text },
    ) => [name, text ?? ""]),
  );
  assert.deepEqual(settingsOf({ DSN, ...shown }), settingsOf({ DSN }));
});

Deno.test("SETTING_NAMES holds every variable that parsing reads, and nothing else", () => {
  const read = new Set<string>();
  parseSettings((name) => {
    read.add(name);
    return name === "DSN" ? DSN : undefined;
  }, () => "");
  assert.deepEqual([...read].sort(), [...SETTING_NAMES].sort());
});
