import assert from "node:assert/strict";
import { join } from "node:path";
import { type NatsServer, startNats } from "../../../dev/servers/nats_server.ts";
import { ConfigurationError } from "../../../lib/errors.ts";
import type { NatsSettings } from "../../../lib/config/settings.ts";
import { waitFor } from "../../support/servers.ts";
import {
  Inbox,
  numbered,
  openTestConnection,
  openTestSourceOn,
  streamRoute,
} from "./nats_setup.ts";

const CERTIFICATES = join(import.meta.dirname ?? "", "certificates");
const NO_SETTINGS = { credentials: null, caFile: null, certFile: null, keyFile: null };

function pathOf(name: string): string {
  return join(CERTIFICATES, `${name}.pem`);
}

function startTlsServer(name: string, ...lines: string[]): Promise<NatsServer> {
  return startNats({
    configLines: [
      `tls { cert_file: "${pathOf(name)}", key_file: "${pathOf(`${name}_key`)}"`,
      `  ca_file: "${pathOf("authority")}"`,
      ...lines,
      "}",
    ],
  });
}

const trusting = { ...NO_SETTINGS, caFile: pathOf("authority") };
const identified = { ...trusting, certFile: pathOf("client"), keyFile: pathOf("client_key") };

/** Messages go through the connection, and again after it was lost. */
async function assertCarries(
  url: string,
  settings: Omit<NatsSettings, "urls">,
): Promise<void> {
  await using connection = await openTestConnection(url, { settings });
  const route = streamRoute();
  await using source = await openTestSourceOn(connection, route);
  const inbox = new Inbox();
  inbox.onMessage = (message) => message.ack();
  source.start(inbox.receive);
  const publish = async (): Promise<void> => {
    for (const text of numbered(200)) await connection.client.request(route.subject, text);
  };
  await publish();
  await waitFor(() => inbox.taken.length === 200, { what: "200 messages" });
  const reconnected = Promise.withResolvers<void>();
  using _listening = connection.onReconnect(reconnected.resolve);
  await connection.client.reconnect();
  await reconnected.promise;
  await publish();
  await waitFor(() => inbox.taken.length === 400, { what: "400 messages" });
}

Deno.test("openConnection() trusts the authority of NATS_CA_FILE", async () => {
  await using server = await startTlsServer("server");
  await assertCarries(server.url.replace("nats:", "tls:"), trusting);
});

Deno.test("openConnection() encrypts when the server demands it of a nats:// URL", async () => {
  await using server = await startTlsServer("server");
  await assertCarries(server.url, trusting);
});

Deno.test("openConnection() shows its client certificate", async () => {
  await using server = await startTlsServer("server", "  verify: true");
  await assertCarries(server.url, identified);
  await assert.rejects(openTestConnection(server.url, { settings: trusting }));
});

Deno.test("openConnection() refuses a server of an unknown authority", async () => {
  await using server = await startTlsServer("server");
  await assert.rejects(openTestConnection(server.url), /Cannot connect to NATS/);
});

Deno.test("openConnection() refuses a server that is named otherwise", async () => {
  await using server = await startTlsServer("elsewhere");
  await assert.rejects(openTestConnection(server.url, { settings: trusting }));
  await assert.rejects(openTestConnection(server.url, { settings: identified }));
});

Deno.test("openConnection() refuses certificates of our own with WebSocket", async () => {
  await assert.rejects(
    openTestConnection("wss://127.0.0.1:1", { settings: trusting }),
    ConfigurationError,
  );
});
