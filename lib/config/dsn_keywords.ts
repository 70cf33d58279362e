/**
 * Keywords of a DSN that libpq knows and this program does not act on: each is either refused,
 * because leaving it out would connect in another way than was asked for, or ignored for a reason
 * that is said at start. A keyword that stands neither here nor in `dsn.ts` is a startup parameter.
 */

/** What becomes of a keyword that is not acted on. */
export type KeywordRule =
  | { readonly kind: "ignored"; readonly reason: string }
  | {
    readonly kind: "refused";
    /** Values, in lower case, that ask for what happens anyway. */
    readonly harmless: readonly string[];
    readonly rule: string;
  };

const OAUTH = refused("cannot be used: connect with a password or a client certificate");
const SCRAM_KEY = refused("cannot be used: connect with the password");
const NO_GSSAPI = ignored("GSSAPI is not used");
const KEEPALIVE = ignored("the connection always has keepalives, timed by the operating system");
const GO_DRIVER = ignored("it is a setting of a Go driver");

/** Rules by keyword (PostgreSQL 18's libpq, and what Go's drivers take out of a DSN themselves). */
export const KEYWORD_RULES: ReadonlyMap<string, KeywordRule> = new Map(Object.entries({
  service: refused("cannot be used as no service file is read: write its settings into the DSN"),
  servicefile: refused("cannot be used as no service file is read"),
  channel_binding: refused("must be prefer or disable, channel binding is not supported", [
    "prefer",
    "disable",
  ]),
  gssencmode: refused("must be prefer or disable, GSSAPI encryption is not supported", [
    "prefer",
    "disable",
  ]),
  sslnegotiation: refused("must be postgres, direct negotiation is not supported", ["postgres"]),
  sslcertmode: refused("must be allow; leave sslcert out to send no certificate", ["allow"]),
  sslpassword: refused("cannot be used: store the key of sslkey decrypted"),
  sslcrl: refused("cannot be used as revocation lists are not checked"),
  sslcrldir: refused("cannot be used as revocation lists are not checked"),
  ssl_min_protocol_version: refused("must be TLSv1.2 or lower, which is what is used at least", [
    "tlsv1",
    "tlsv1.1",
    "tlsv1.2",
  ]),
  ssl_max_protocol_version: refused("must be TLSv1.3", ["tlsv1.3"]),
  require_auth: refused("cannot be used as the way of authentication is the server's choice"),
  min_protocol_version: refused("must be 3.0", ["3.0"]),
  replication: refused("must be off", ["off", "false", "no", "0"]),
  client_encoding: refused("must be UTF8", ["utf8", "utf-8", "unicode", "auto"]),
  load_balance_hosts: refused("must be disable, hosts are tried in their order", ["disable"]),
  scram_client_key: SCRAM_KEY,
  scram_server_key: SCRAM_KEY,
  oauth_issuer: OAUTH,
  oauth_client_id: OAUTH,
  oauth_client_secret: OAUTH,
  oauth_scope: OAUTH,
  max_protocol_version: ignored("protocol 3.0 is used"),
  sslcompression: ignored("TLS is never compressed"),
  sslsni: ignored("the host name is always sent"),
  requirepeer: ignored("it concerns Unix sockets"),
  krbsrvname: NO_GSSAPI,
  gsslib: NO_GSSAPI,
  gssdelegation: NO_GSSAPI,
  keepalives: KEEPALIVE,
  keepalives_idle: KEEPALIVE,
  keepalives_interval: KEEPALIVE,
  keepalives_count: KEEPALIVE,
  tcp_user_timeout: KEEPALIVE,
  default_query_exec_mode: GO_DRIVER,
  statement_cache_capacity: GO_DRIVER,
  description_cache_capacity: GO_DRIVER,
  binary_parameters: GO_DRIVER,
  pool_max_conns: GO_DRIVER,
  pool_min_conns: GO_DRIVER,
  pool_max_conn_lifetime: GO_DRIVER,
  pool_max_conn_idle_time: GO_DRIVER,
  pool_health_check_period: GO_DRIVER,
}));

function refused(rule: string, harmless: readonly string[] = []): KeywordRule {
  return { kind: "refused", rule, harmless };
}

function ignored(reason: string): KeywordRule {
  return { kind: "ignored", reason };
}
