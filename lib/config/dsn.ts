/**
 * Reads a PostgreSQL DSN as libpq does, in both of its forms, into a {@linkcode DatabaseTarget}. Every
 * fault of a DSN is reported at once, and no piece of its text ever stands in a message: what looks
 * like a host or a keyword may be half of a mistyped password. `PG*` variables, password files,
 * service files and the operating system's user are not looked at.
 */
import { ConfigurationError, type ConfigurationFault } from "../errors.ts";
import { KEYWORD_RULES } from "./dsn_keywords.ts";
import { type DsnEntries, splitDsn } from "./dsn_syntax.ts";

const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
const SESSION_ATTRIBUTES = ["any", "read-write", "primary"] as const;

/** libpq's `sslmode`. */
export type SslMode = typeof SSL_MODES[number];

/** One server to try. */
export interface DatabaseHost {
  readonly host: string;
  readonly port: number;
}

/** Where the database is and how to log in. */
export interface DatabaseTarget {
  /** Tried in this order; at least one. */
  readonly hosts: readonly DatabaseHost[];
  readonly user: string;
  /** Null when the DSN has none. */
  readonly password: string | null;
  readonly database: string;
  readonly sslMode: SslMode;
  /**
   * Path of the root certificates, `system` for those of the system, or null when unset. With
   * `require` and a path libpq verifies as with `verify-ca`.
   */
  readonly sslRootCertificate: string | "system" | null;
  /** Paths of the client's certificate and key; both or neither. */
  readonly sslCertificate: string | null;
  readonly sslKey: string | null;
  /** Bound on one attempt to connect to one host. */
  readonly connectTimeoutMs: number;
  readonly applicationName: string;
  readonly targetSessionAttributes: typeof SESSION_ATTRIBUTES[number];
  /** `options`, and every keyword that libpq does not know: sent when the connection starts. */
  readonly startupParameters: Readonly<Record<string, string>>;
  /** Keywords that have no effect here, to be said at start. */
  readonly ignoredKeywords: readonly { readonly keyword: string; readonly reason: string }[];
}

/** libpq waits for ever when `connect_timeout` is unset or 0; every wait here is bounded. */
const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_SECONDS_MAX = 3_600;
const DEFAULT_PORT = 5432;
const DEFAULT_HOST = "localhost";

const KEYWORDS_IN_USE: ReadonlySet<string> = new Set([
  "host",
  "hostaddr",
  "port",
  "user",
  "password",
  "passfile",
  "dbname",
  "database",
  "sslmode",
  "sslrootcert",
  "sslcert",
  "sslkey",
  "connect_timeout",
  "application_name",
  "fallback_application_name",
  "target_session_attrs",
]);

/**
 * Reads a DSN. `key` names the setting in the faults.
 *
 * @throws {ConfigurationError} listing every fault, without any piece of the DSN
 */
export function parseDsn(text: string, key = "DSN"): DatabaseTarget {
  const faults: ConfigurationFault[] = [];
  const fault = (rule: string): void => {
    faults.push({ key, rule, value: "a secret, not shown" });
  };
  const entries = split(text, fault);
  if (entries === null) throw new ConfigurationError(faults);
  const value = (keyword: string): string | null => entries.get(keyword) || null;
  const user = value("user");
  if (user === null) fault("must name the user");
  if (value("passfile") !== null && value("password") === null) {
    fault("must hold the password as no password file is read (passfile)");
  }
  const target: DatabaseTarget = {
    hosts: readHosts(value, fault),
    user: user ?? "",
    password: value("password"),
    // `database` is how Go's client also spells it.
    database: value("dbname") ?? value("database") ?? user ?? "",
    ...readTls(value, fault),
    connectTimeoutMs: readConnectTimeoutMs(value("connect_timeout"), fault),
    applicationName: value("application_name") ?? value("fallback_application_name") ??
      "state-tables",
    targetSessionAttributes: readSessionAttributes(value("target_session_attrs"), fault),
    ...sortOtherKeywords(entries, fault),
  };
  if (faults.length > 0) throw new ConfigurationError(faults);
  return target;
}

/**
 * The target in one line for logs: hosts, database, user and sslmode. A name with unusual characters
 * is left out, as it may be a password that was not quoted.
 */
export function describeTarget(target: DatabaseTarget): string {
  const shown = (name: string): string => /^[\w.-]+$/.test(name) ? name : "(not shown)";
  const hosts = target.hosts.map(({ host, port }) => `${host}:${port}`).join(",");
  return `host=${hosts} dbname=${shown(target.database)} user=${shown(target.user)} ` +
    `sslmode=${target.sslMode}`;
}

type Value = (keyword: string) => string | null;
type Fault = (rule: string) => void;

function split(text: string, fault: Fault): DsnEntries | null {
  if (text.includes("\0")) {
    fault("cannot hold a NUL character");
    return null;
  }
  try {
    const entries = splitDsn(text);
    if (![...entries].some((entry) => entry.join().includes("\0"))) return entries;
    fault("cannot hold a NUL character");
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    fault(`cannot be read: ${error.message}`);
  }
  return null;
}

function readHosts(value: Value, fault: Fault): readonly DatabaseHost[] {
  const names = value("host")?.split(",") ?? null;
  const addresses = value("hostaddr")?.split(",") ?? null;
  if (names !== null && addresses !== null) {
    if (names.length !== addresses.length) fault("must have one hostaddr for each host");
    if (value("sslmode") === "verify-full") {
      fault("cannot verify a host name while hostaddr says where to connect: use host alone");
    }
  }
  const hosts = (addresses ?? names ?? [""]).map((host) => host.trim() || DEFAULT_HOST);
  if (hosts.some((host) => host.startsWith("/") || host.startsWith("@"))) {
    fault(
      "must name hosts by name or address: Unix sockets cannot be used, they need write access",
    );
  } else if (hosts.some((host) => !/^[^\s/@?#[\]]+$/.test(host))) {
    fault(
      "must name hosts without spaces and signs; percent-encode special characters of a password",
    );
  }
  const ports = (value("port") ?? "").split(",").map((port) => port.trim() || `${DEFAULT_PORT}`);
  if (
    !ports.every((port) => /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535)
  ) {
    fault("must have ports from 1 to 65535, and IPv6 addresses of a URL in brackets");
  }
  if (ports.length !== 1 && ports.length !== hosts.length) {
    fault("must have one port for all hosts, or one for each");
  }
  return hosts.map((host, index) => ({ host, port: Number(ports[index] ?? ports[0]) }));
}

type Tls = Pick<DatabaseTarget, "sslMode" | "sslRootCertificate" | "sslCertificate" | "sslKey">;

function readTls(value: Value, fault: Fault): Tls {
  const root = value("sslrootcert");
  const given = value("sslmode");
  const fallback = root === "system" ? "verify-full" : "prefer";
  const sslMode = SSL_MODES.find((mode) => mode === (given ?? fallback));
  if (sslMode === undefined) fault(`must have sslmode ${listed(SSL_MODES)}`);
  if (root === "system" && given !== null && given !== "verify-full") {
    fault("must have sslmode verify-full where sslrootcert is system");
  }
  const sslCertificate = value("sslcert");
  const sslKey = value("sslkey");
  if ((sslCertificate === null) !== (sslKey === null)) {
    fault("must have both sslcert and sslkey, or neither");
  }
  return { sslMode: sslMode ?? "prefer", sslRootCertificate: root, sslCertificate, sslKey };
}

function readConnectTimeoutMs(text: string | null, fault: Fault): number {
  const seconds = text === null ? 0 : Number(text);
  if (!Number.isInteger(seconds) || seconds > CONNECT_TIMEOUT_SECONDS_MAX) {
    fault(`must have connect_timeout in whole seconds, ${CONNECT_TIMEOUT_SECONDS_MAX} at most`);
  }
  return seconds > 0 ? seconds * 1_000 : DEFAULT_CONNECT_TIMEOUT_MS;
}

function readSessionAttributes(
  text: string | null,
  fault: Fault,
): DatabaseTarget["targetSessionAttributes"] {
  const found = SESSION_ATTRIBUTES.find((attribute) => attribute === (text ?? "any"));
  if (found === undefined) {
    fault(`must have target_session_attrs ${listed(SESSION_ATTRIBUTES)}: tables are written`);
  }
  return found ?? "any";
}

type OtherKeywords = Pick<DatabaseTarget, "startupParameters" | "ignoredKeywords">;

function sortOtherKeywords(entries: DsnEntries, fault: Fault): OtherKeywords {
  const startupParameters: [string, string][] = [];
  const ignoredKeywords: { keyword: string; reason: string }[] = [];
  for (const [keyword, value] of entries) {
    if (KEYWORDS_IN_USE.has(keyword)) continue;
    const rule = KEYWORD_RULES.get(keyword);
    if (rule === undefined) {
      // The server decides which names exist; what cannot be one is a value that lost its quotes.
      if (!/^[A-Za-z_][\w.$]*$/.test(keyword)) fault("must have a name before every equals sign");
      startupParameters.push([keyword, value]);
    } else if (rule.kind === "ignored") ignoredKeywords.push({ keyword, reason: rule.reason });
    else if (value !== "" && !rule.harmless.includes(value.toLowerCase())) {
      fault(`${keyword} ${rule.rule}`);
    }
  }
  return { startupParameters: Object.fromEntries(startupParameters), ignoredKeywords };
}

function listed(values: readonly string[]): string {
  return `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
}
