/** Server lists of NATS: addresses, credentials, and no secret in a message. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { describeNatsAddress, parseNatsUrls, splitNatsUrls } from "../../../lib/config/nats_url.ts";
import { ConfigurationError } from "../../../lib/errors.ts";

function addresses(...urls: readonly string[]): readonly string[] {
  return parseNatsUrls(urls, "url").addresses.map(describeNatsAddress);
}

function fault(...urls: readonly string[]): string {
  try {
    parseNatsUrls(urls, "url");
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return error.message;
  }
  return "accepted";
}

Deno.test("parseNatsUrls() fills in scheme and port", () => {
  assert.deepEqual(addresses("127.0.0.1", "nats", "nats:4223", "tls://nats", "nats://[::1]:4224"), [
    "nats://127.0.0.1:4222",
    "nats://nats:4222",
    "nats://nats:4223",
    "tls://nats:4222",
    "nats://[::1]:4224",
  ]);
});

Deno.test("parseNatsUrls() keeps the path of a WebSocket URL", () => {
  assert.deepEqual(addresses("ws://h", "wss://h/nats", "wss://h:8443/"), [
    "ws://h:80",
    "wss://h:443/nats",
    "wss://h:8443",
  ]);
  assert.equal(parseNatsUrls(["ws://h"], "url").kind, "websocket");
});

Deno.test("parseNatsUrls() reads user and password, also with an unescaped @", () => {
  assert.deepEqual(parseNatsUrls(["nats://us%20er:p@s%3As@h"], "url").credentials, {
    kind: "user",
    user: "us er",
    password: "p@s:s",
  });
});

Deno.test("parseNatsUrls() reads a user without password as a token", () => {
  assert.deepEqual(parseNatsUrls(["nats://t0ken@h:1"], "url").credentials, {
    kind: "token",
    token: "t0ken",
  });
});

Deno.test("parseNatsUrls() has no credentials when no URL carries any", () => {
  assert.deepEqual(parseNatsUrls(["a", "nats://b"], "url").credentials, { kind: "none" });
});

Deno.test("parseNatsUrls() applies the credentials of one URL to the whole list", () => {
  assert.equal(parseNatsUrls(["a", "nats://t@b"], "url").credentials.kind, "token");
});

Deno.test("parseNatsUrls() refuses a list with different credentials", () => {
  assert.match(fault("nats://a@h", "nats://b@h"), /same credentials/);
});

Deno.test("parseNatsUrls() refuses a list that mixes WebSocket and TCP", () => {
  assert.match(fault("ws://h", "nats://h"), /must not mix/);
});

Deno.test("parseNatsUrls() refuses an empty list", () => {
  assert.match(fault(), /must name a server/);
});

for (
  const url of ["nats://", "nats://h:0", "nats://h:99999", "nats://h:x", "nats://::1", "nats://h/x"]
) {
  Deno.test(`parseNatsUrls() refuses ${url}`, () => {
    assert.match(fault(url), /must be written scheme:\/\/user:password@host:port/);
  });
}

Deno.test("parseNatsUrls() refuses an unknown scheme", () => {
  assert.match(fault("http://h"), /must begin with/);
});

Deno.test("splitNatsUrls() splits at commas and drops what is empty", () => {
  assert.deepEqual(splitNatsUrls(" nats://a , b:1,,"), ["nats://a", "b:1"]);
});

Deno.test("parseNatsUrls() never puts a piece of a URL into a message or an address", () => {
  const canary = "canary7f3a9";
  const url = fc.tuple(
    fc.constantFrom(
      `nats://u:${canary}@h:4222`,
      `nats://${canary}@h`,
      `nats//u:${canary}@h`,
      `nats://u:pa/${canary}@h`,
      `natz://u:${canary}@h`,
    ),
    fc.nat(30),
    fc.constantFrom("", " ", "%", "@", "/", "?", "#", ":", "[", ","),
  ).map(([text, at, sign]) => text.slice(0, at) + sign + text.slice(at));
  fc.assert(
    fc.property(url, (text) => {
      let said: string;
      try {
        const { addresses } = parseNatsUrls([text], "url");
        // A path is part of the address of a WebSocket server, not of these.
        said = addresses.map(describeNatsAddress).join();
      } catch (error) {
        assert.ok(error instanceof ConfigurationError);
        said = [error.message, String(error.stack), String(error.cause)].join();
      }
      assert.ok(!said.includes(canary), said);
    }),
    { numRuns: 1_000 },
  );
});
