/** DSNs in both forms, as libpq reads them, and the promise that no message holds a piece of one. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { describeTarget, parseDsn } from "../../../lib/config/dsn.ts";
import { ConfigurationError } from "../../../lib/errors.ts";

/** Rules of the faults, without their key. */
function rules(dsn: string): readonly string[] {
  try {
    parseDsn(dsn);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return error.faults.map((fault) => fault.rule);
  }
  return [];
}

Deno.test("parseDsn() reads the keywords that the Go services use", () => {
  assert.deepEqual(
    parseDsn(
      "host=localhost port=5432 user=postgres password=postgres1 dbname=postgres sslmode=disable",
    ),
    {
      hosts: [{ host: "localhost", port: 5432 }],
      user: "postgres",
      password: "postgres1",
      database: "postgres",
      sslMode: "disable",
      sslRootCertificate: null,
      sslCertificate: null,
      sslKey: null,
      connectTimeoutMs: 10_000,
      applicationName: "state-tables",
      targetSessionAttributes: "any",
      startupParameters: {},
      ignoredKeywords: [],
    },
  );
});

Deno.test("parseDsn() reads a URL to the same target as the keywords", () => {
  assert.deepEqual(
    parseDsn("postgresql://us%20er:p%40ss@db:6543/da%2Fta?sslmode=require&search_path=a%2Cb"),
    parseDsn(
      "host=db port=6543 user='us er' password=p@ss dbname=da/ta sslmode=require " +
        "search_path=a,b",
    ),
  );
});

Deno.test("parseDsn() takes spaces around the equals sign and between pairs", () => {
  const target = parseDsn("\n host = db\tuser\n=\tapp ");
  assert.deepEqual([target.hosts[0]?.host, target.user], ["db", "app"]);
});

Deno.test("parseDsn() undoes quotes and backslashes", () => {
  assert.equal(
    parseDsn(String.raw`user=a password='it\'s a \\ \b'`).password,
    String.raw`it's a \ b`,
  );
  assert.equal(parseDsn(String.raw`user=a password=it\'s\ a`).password, "it's a");
});

Deno.test("parseDsn() lets the last of equal keywords win", () => {
  assert.equal(parseDsn("user=a user=b").user, "b");
});

Deno.test("parseDsn() takes the next word as a value when one is empty, as libpq does", () => {
  assert.equal(parseDsn("user=a password= dbname=d").password, "dbname=d");
  assert.equal(parseDsn("user=a password='' dbname=d").password, null);
});

Deno.test("parseDsn() pairs several hosts with one port or with their own", () => {
  assert.deepEqual(parseDsn("host=a,b port=6000 user=u").hosts, [
    { host: "a", port: 6000 },
    { host: "b", port: 6000 },
  ]);
  assert.deepEqual(parseDsn("host=a,b port=6000,6001 user=u").hosts[1], { host: "b", port: 6001 });
  assert.deepEqual(parseDsn("postgres://u@a,b:6001,[::1]:6002/d").hosts, [
    { host: "a", port: 5432 },
    { host: "b", port: 6001 },
    { host: "::1", port: 6002 },
  ]);
});

Deno.test("parseDsn() takes a port from the query of a URL without its own", () => {
  assert.deepEqual(parseDsn("postgres:///d?host=h&port=1&user=u").hosts, [{ host: "h", port: 1 }]);
});

Deno.test("parseDsn() fills in localhost, 5432 and the user's name as database", () => {
  const { hosts, database, sslMode } = parseDsn("user=u");
  assert.deepEqual([hosts, database, sslMode], [
    [{ host: "localhost", port: 5432 }],
    "u",
    "prefer",
  ]);
});

Deno.test("parseDsn() reads the last @ as the end of the password", () => {
  const { hosts, password } = parseDsn("postgres://u:p@ss@h/d");
  assert.deepEqual([hosts[0]?.host, password], ["h", "p@ss"]);
});

Deno.test("parseDsn() hands unknown keywords on as startup parameters", () => {
  assert.deepEqual(
    parseDsn("user=u search_path=a TimeZone=UTC options='-c geqo=off'").startupParameters,
    { search_path: "a", TimeZone: "UTC", options: "-c geqo=off" },
  );
});

Deno.test("parseDsn() reads TLS, timeout, names and session attributes", () => {
  const target = parseDsn(
    "user=u sslmode=verify-ca sslrootcert=/ca sslcert=/c sslkey=/k connect_timeout=7 " +
      "fallback_application_name=x target_session_attrs=read-write",
  );
  assert.equal(target.sslMode, "verify-ca");
  assert.equal(target.sslRootCertificate, "/ca");
  assert.equal(target.sslCertificate, "/c");
  assert.equal(target.sslKey, "/k");
  assert.equal(target.connectTimeoutMs, 7_000);
  assert.equal(target.applicationName, "x");
  assert.equal(target.targetSessionAttributes, "read-write");
});

Deno.test("parseDsn() bounds the timeout when it is 0 or negative", () => {
  assert.equal(parseDsn("user=u connect_timeout=0").connectTimeoutMs, 10_000);
  assert.equal(parseDsn("user=u connect_timeout=-1").connectTimeoutMs, 10_000);
});

Deno.test("parseDsn() verifies in full when the root certificates are the system's", () => {
  assert.equal(parseDsn("user=u sslrootcert=system").sslMode, "verify-full");
  assert.equal(rules("user=u sslrootcert=system sslmode=require").length, 1);
});

Deno.test("parseDsn() reads JDBC's ssl=true in a URL as sslmode=require", () => {
  assert.equal(parseDsn("postgres://u@h/?ssl=true").sslMode, "require");
});

Deno.test("parseDsn() lists keywords that have no effect", () => {
  assert.deepEqual(
    parseDsn("user=u keepalives=1 sslcompression=0").ignoredKeywords.map(({ keyword }) => keyword),
    ["keepalives", "sslcompression"],
  );
});

Deno.test("parseDsn() connects to hostaddr when the name is not verified", () => {
  assert.equal(parseDsn("host=db hostaddr=10.0.0.1 user=u").hosts[0]?.host, "10.0.0.1");
  assert.equal(rules("host=db hostaddr=10.0.0.1 user=u sslmode=verify-full").length, 1);
});

const WRONG: Readonly<Record<string, string>> = {
  "user=u host=/var/run/postgresql": "Unix sockets",
  "postgres://u@%2Fvar%2Frun/d": "Unix sockets",
  "user=u host='a b'": "without spaces",
  "user=u port=0": "ports",
  "user=u port=65536": "ports",
  "user=u host=a,b,c port=1,2": "one port for all hosts",
  "host=h": "must name the user",
  "user=u sslmode=on": "sslmode disable, allow, prefer, require, verify-ca or verify-full",
  "user=u sslcert=/c": "both sslcert and sslkey",
  "user=u connect_timeout=soon": "connect_timeout",
  "user=u connect_timeout=1.5": "connect_timeout",
  "user=u target_session_attrs=read-only": "target_session_attrs",
  "user=u service=x": "service",
  "user=u passfile=/p": "no password file",
  "user=u channel_binding=require": "channel_binding",
  "user=u gssencmode=require": "gssencmode",
  "user=u sslcrl=/crl": "revocation",
  "user=u client_encoding=LATIN1": "UTF8",
  "user=u password": "keyword=value",
  "user=u =x": "keyword=value",
  "user=u password='x": "closed",
  "user=u password=a b@c=d": "name before every equals sign",
  "mysql://u@h/d": "postgresql://",
  "postgres://u:%zz@h/d": "hex digits",
  "postgres://u:%ff@h/d": "hex digits",
  "postgres://u:p@::1/d": "brackets",
  "postgres://u:p@[::1/d": "brackets",
  "postgres://u@h/d?sslmode": "keyword=value",
  "postgres://u:p%00@h/d": "NUL",
};

for (const [dsn, rule] of Object.entries(WRONG)) {
  Deno.test(`parseDsn() refuses ${JSON.stringify(dsn)} and says why`, () => {
    const found = rules(dsn);
    assert.equal(found.length, 1, found.join("; "));
    assert.ok(found[0]?.includes(rule), found[0]);
  });
}

Deno.test("parseDsn() takes values that ask for what happens anyway", () => {
  assert.deepEqual(
    rules(
      "user=u channel_binding=prefer gssencmode=disable client_encoding=UTF8 service='' " +
        "password=p passfile=/p",
    ),
    [],
  );
});

Deno.test("parseDsn() reports every fault at once, under the key it is given", () => {
  try {
    parseDsn("host=/s port=x sslmode=maybe", "DSN_FILE");
    assert.fail("accepted");
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    assert.deepEqual(error.faults.map(({ key }) => key), Array(4).fill("DSN_FILE"));
  }
});

Deno.test("describeTarget() shows where the database is and never the password", () => {
  assert.equal(
    describeTarget(parseDsn("postgres://u:secret@a,b:1/d")),
    "host=a:5432,b:1 dbname=d user=u sslmode=prefer",
  );
});

Deno.test("describeTarget() hides a name that may be a password without quotes", () => {
  assert.equal(
    describeTarget(parseDsn("user=u dbname= password=secret")),
    "host=localhost:5432 dbname=(not shown) user=u sslmode=prefer",
  );
});

/** Text that a DSN can carry: no NUL, no lone surrogate. */
const VALUE = fc.string({ unit: "binary", minLength: 1 }).filter((text) => !text.includes("\0"));

function quoted(value: string): string {
  return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

Deno.test("parseDsn() gives back any quoted user, password and database", () => {
  fc.assert(fc.property(VALUE, VALUE, VALUE, (user, password, database) => {
    const dsn = `user=${quoted(user)} password = ${quoted(password)}dbname=${quoted(database)}`;
    const target = parseDsn(dsn);
    assert.deepEqual([target.user, target.password, target.database], [user, password, database]);
  }));
});

Deno.test("parseDsn() gives back any backslash-escaped password without quotes", () => {
  fc.assert(fc.property(VALUE, (password) => {
    const escaped = [...password].map((character) => `\\${character}`).join("");
    assert.equal(parseDsn(`user=u password=${escaped} port=1`).password, password);
  }));
});

Deno.test("parseDsn() gives back any percent-encoded user, password and database of a URL", () => {
  fc.assert(fc.property(VALUE, VALUE, VALUE, (user, password, database) => {
    const [u, p, d] = [user, password, database].map(encodeURIComponent);
    const target = parseDsn(`postgresql://${u}:${p}@h/${d}`);
    assert.deepEqual([target.user, target.password, target.database], [user, password, database]);
  }));
});

const CANARY = "canary7f3a9";

/** DSNs bent out of shape in many ways, each with the canary somewhere a password could be. */
const BENT_DSN = fc.tuple(
  fc.constantFrom(
    `host=h user=u password=${CANARY}`,
    `host=h password=my ${CANARY} user=u`,
    `host=h password='${CANARY}`,
    `password= ${CANARY} sslmode=nope`,
    `sslmode= password=${CANARY}`,
    `port= password=${CANARY} user=u`,
    `postgres://u:${CANARY}@h/d?sslmode=bad`,
    `postgres://u:pa/ss${CANARY}@h/d`,
    `postgres://u:pa?${CANARY}@h/d`,
    `postgres:/u:${CANARY}@h/d`,
    `postgres//u:${CANARY}@h/d`,
    `postgres://u:%zz${CANARY}@h:x/d`,
    `https://u:${CANARY}@h/d`,
  ),
  fc.nat(60),
  fc.constantFrom("", " ", "'", "\\", "=", "@", ":", "/", "%", "?", "&", ",", "[", "\0"),
).map(([dsn, at, sign]) => dsn.slice(0, at) + sign + dsn.slice(at));

Deno.test("parseDsn() never puts a piece of the DSN into a message, and describeTarget() no password", () => {
  fc.assert(
    fc.property(BENT_DSN, (dsn) => {
      let said: string;
      try {
        const target = parseDsn(dsn);
        said = target.password?.includes(CANARY) === true ? describeTarget(target) : "";
      } catch (error) {
        assert.ok(error instanceof ConfigurationError);
        said = [error.message, String(error.stack), String(error.cause)].join();
      }
      assert.ok(!said.includes(CANARY), said);
    }),
    { numRuns: 1_000 },
  );
});
