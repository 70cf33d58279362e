/**
 * Splits a DSN into keywords and values, in both forms that libpq takes: `host=db user=app` and
 * `postgresql://app@db/`. What a keyword means is decided in `dsn.ts`. A DSN that cannot be split is a
 * SyntaxError whose message names positions and keywords of ours, never a piece of the text: a
 * password with an unquoted space would turn up as a keyword.
 */

/** Keyword to value; the last one wins, as in libpq. */
export type DsnEntries = ReadonlyMap<string, string>;

const URL_SCHEME = /^postgres(?:ql)?:\/\//;
const SPACE = " \t\n\v\f\r";

/**
 * Splits a DSN of either form.
 *
 * @throws {SyntaxError} with the rule that was broken, in words
 */
export function splitDsn(text: string): DsnEntries {
  const scheme = URL_SCHEME.exec(text.trim());
  if (scheme !== null) return splitUrl(text.trim().slice(scheme[0].length));
  if (/^[^\s='"]*:\/\//.test(text.trim())) {
    throw new SyntaxError("a URL must begin with postgresql:// or postgres://");
  }
  return splitKeywords(text);
}

/** `keyword = value` pairs; a value may stand in single quotes, a backslash takes the next character. */
function splitKeywords(text: string): DsnEntries {
  const entries = new Map<string, string>();
  let position = skipSpaces(text, 0);
  while (position < text.length) {
    const start = position;
    while (position < text.length && text[position] !== "=" && !isSpace(text, position)) position++;
    const keyword = text.slice(start, position);
    position = skipSpaces(text, position);
    if (text[position] !== "=" || keyword === "") {
      throw new SyntaxError(
        `keywords and values must be written keyword=value, and a value with spaces in single ` +
          `quotes; there is none of the two at character ${start + 1}`,
      );
    }
    const value = readValue(text, skipSpaces(text, position + 1));
    entries.set(keyword, value.text);
    position = skipSpaces(text, value.end);
  }
  return entries;
}

function readValue(text: string, start: number): { text: string; end: number } {
  const isQuoted = text[start] === "'";
  let value = "";
  let position = isQuoted ? start + 1 : start;
  for (; position < text.length; position++) {
    if (isQuoted ? text[position] === "'" : isSpace(text, position)) break;
    if (text[position] === "\\" && position + 1 < text.length) position++;
    value += text[position] ?? "";
  }
  if (!isQuoted) return { text: value, end: position };
  if (position >= text.length) {
    throw new SyntaxError(`the quote opened at character ${start + 1} must be closed`);
  }
  return { text: value, end: position + 1 };
}

function skipSpaces(text: string, start: number): number {
  let position = start;
  while (position < text.length && isSpace(text, position)) position++;
  return position;
}

function isSpace(text: string, position: number): boolean {
  return SPACE.includes(text[position] ?? "\0");
}

/**
 * `user:password@host:port,host:port/dbname?keyword=value&…` without its scheme. The last `@` before
 * the path ends the password, as in Go's client, so an unescaped `@` in it does no harm.
 */
function splitUrl(text: string): DsnEntries {
  const [, authority = "", path = "", query] = /^([^/?]*)([^?]*)(?:\?(.*))?$/s.exec(text) ?? [];
  const entries = new Map<string, string>();
  const at = authority.lastIndexOf("@");
  if (at >= 0) {
    const [, user = "", password] = /^([^:]*)(?::(.*))?$/s.exec(authority.slice(0, at)) ?? [];
    entries.set("user", decode(user, "user"));
    if (password !== undefined) entries.set("password", decode(password, "password"));
  }
  const servers = authority.slice(at + 1).split(",").map(splitServer);
  entries.set("host", decode(servers.map((server) => server.host).join(","), "host"));
  entries.set("port", servers.map((server) => server.port).join(","));
  if (path.length > 1) entries.set("dbname", decode(path.slice(1), "dbname"));
  for (const pair of query?.split("&") ?? []) setFromQuery(entries, pair);
  return entries;
}

function splitServer(text: string): { host: string; port: string } {
  const match = /^(?:\[([^\]]*)\]|([^:[]*))(?::(.*))?$/s.exec(text);
  if (match === null) {
    throw new SyntaxError(
      "hosts must be written host:port, an IPv6 address in brackets, and special characters of a " +
        "password percent-encoded",
    );
  }
  const [, bracketed, plain = "", port = ""] = match;
  return { host: bracketed ?? plain, port };
}

function setFromQuery(entries: Map<string, string>, pair: string): void {
  if (pair === "") return;
  const equals = pair.indexOf("=");
  if (equals < 1) {
    throw new SyntaxError("what follows the question mark must be keyword=value pairs joined by &");
  }
  const keyword = decode(pair.slice(0, equals), "a keyword");
  const value = decode(pair.slice(equals + 1), "a value behind the question mark");
  // JDBC's spelling, which libpq takes too.
  if (keyword === "ssl" && value === "true") entries.set("sslmode", "require");
  else entries.set(keyword, value);
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new SyntaxError(`percent signs in ${what} must be followed by two hex digits of UTF-8`, {
      cause,
    });
  }
}
